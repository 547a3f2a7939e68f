//! nginx with TLS and HTTP/2: live answers begin at once, and the rules of the wire hold.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use zigcheck::shell::limits::KEEPALIVE_MS;

use super::proxy::{Proxy, nginx};
use crate::common::server::PATIENCE;
use crate::common::standin::{check, start, tree};

/// A curl that goes on reading.
struct Curl(Child);

impl Drop for Curl {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn curl(args: &[&str], url: &str) -> Curl {
    let mut curl = Command::new("curl");
    curl.args(["-skiN", "--max-time", "300"])
        .args(args)
        .arg(url);
    let child = curl.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
    Curl(child.expect("curl is installed"))
}

/// The head of an answer that has no end.
pub fn head_of(args: &[&str], url: &str) -> String {
    let mut curl = curl(args, url);
    let (mut head, mut byte) = (Vec::new(), [0]);
    let output = curl.0.stdout.as_mut().expect("it is piped");
    while !head.ends_with(b"\r\n\r\n") {
        let read = output.read(&mut byte).expect("a pipe");
        assert!(read > 0, "{url}: {}", String::from_utf8_lossy(&head));
        head.extend(byte);
    }
    String::from_utf8(head).expect("a head")
}

#[test]
fn a_live_answer_begins_at_once_behind_a_proxy() {
    // One build is silent, and the others wait for it.
    let (server, _dir) = start(
        "proxies-live",
        &["--max-builds", "1", "--trusted-proxies=loopback"],
    );
    let proxy = nginx("proxies-live-nginx", 0, &server);
    check(&server, "silent");
    let waiting = check(&server, "good");
    let upload = format!("@{}", tree().display());
    let ndjson = "Accept: application/x-ndjson";
    let follow = format!("/api/checks/{waiting}?follow");
    for (args, target) in [
        (vec![], "/api/events".to_string()),
        (
            vec![],
            "/api/events?package=nothing-of-that-name".to_string(),
        ),
        (
            vec!["-H", "Last-Event-ID: 999999"],
            "/api/events".to_string(),
        ),
        (vec![], follow.clone()),
        (vec!["-H", ndjson], follow),
        (vec![], "/api/builds/2/log".to_string()),
        (vec![], "/api/builds/2/log?tail=9".to_string()),
        (
            vec!["--data-binary", &upload],
            "/api/check?follow".to_string(),
        ),
        (
            vec!["--data-binary", &upload, "-H", ndjson],
            "/api/check?follow".to_string(),
        ),
    ] {
        for version in ["--http2", "--http1.1", "--http1.0"] {
            let args = [&[version][..], &args].concat();
            let begun = Instant::now();
            let head = head_of(&args, &proxy.https(&target));
            assert!(head.split(' ').nth(1) == Some("200"), "{target}: {head}");
            // Later, a keepalive would bring it.
            let waited = begun.elapsed();
            assert!(
                waited < Duration::from_millis(KEEPALIVE_MS),
                "{target}: {waited:?}"
            );
        }
    }
}

fn raw(proxy: &Proxy, text: &str) -> String {
    let mut socket = TcpStream::connect(proxy.plain).expect("it listens");
    socket.set_read_timeout(Some(PATIENCE)).expect("a socket");
    socket.write_all(text.as_bytes()).expect("it is open");
    let mut answer = String::new();
    socket.read_to_string(&mut answer).expect("an answer");
    answer
}

#[test]
fn the_documented_lines_keep_what_the_server_promises() {
    let (server, _dir) = start("proxies-rules", &["--trusted-proxies=loopback"]);
    let proxy = nginx("proxies-rules-nginx", 2, &server);
    let build = check(&server, "good");
    server.finished(build);
    for text in [
        "GET /api/health HTTP/1.0\r\n\r\n",
        "GET / HTTP/1.0\r\n\r\n",
        "GET / HTTP/1.0\r\nHost: zig.example.org\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: zig.example.org:8443\r\nConnection: close\r\n\r\n",
    ] {
        let answer = raw(&proxy, text);
        assert!(answer.starts_with("HTTP/1.1 200 "), "{text:?}: {answer}");
    }
    let answer = raw(
        &proxy,
        "GET /api/health HTTP/1.1\r\nHost: a b\r\nConnection: close\r\n\r\n",
    );
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    let form = format!("file=@{}", tree().display());
    let text = format!("@{}", tree().display());
    for (status, args, target) in [
        (200, vec!["--head"], "/api/health"),
        (404, vec!["--head"], "/nothing"),
        (412, vec!["-H", "If-Match: \"x\""], "/api/packages"),
        (
            412,
            vec!["-H", "If-Unmodified-Since: Sat, 01 Jan 2000 00:00:00 GMT"],
            "/api/builds/1/log",
        ),
        (200, vec!["-H", "If-Match: *"], "/api/packages"),
        (200, vec!["-H", "Range: bytes = 1-2"], "/api/builds/1/log"),
        (206, vec!["-H", "Range: bytes=1-2"], "/api/builds/1/log"),
        (415, vec!["-F", &form], "/api/check"),
        (415, vec!["-d", &text], "/api/check"),
        (405, vec!["-X", "DELETE"], "/api/events"),
    ] {
        for version in ["--http2", "--http1.1"] {
            let mut all = vec![version, "-w", "\n%{http_code} %{size_download}"];
            all.extend(&args);
            let mut curl = curl(&all, &proxy.https(target));
            let mut output = String::new();
            let pipe = curl.0.stdout.as_mut().expect("it is piped");
            pipe.read_to_string(&mut output).expect("text");
            let (_, last) = output.rsplit_once('\n').expect("a last line");
            let (code, size) = last.split_once(' ').expect("two numbers");
            assert_eq!(code, status.to_string(), "{target} {args:?}: {output}");
            assert_eq!(size == "0", args.contains(&"--head"), "{target}: {output}");
        }
    }
}

#[test]
fn an_answer_that_ends_unfinished_does_so_behind_a_proxy() {
    let flags = ["--trusted-proxies=loopback", "--zig-versions=0.14.1"];
    let (server, _dir) = start("proxies-require", &flags);
    let proxy = nginx("proxies-require-nginx", 4, &server);
    // "mixed" fails under that version.
    for (name, query, version, code) in [
        ("good", "follow", "--http1.1", 0),
        ("mixed", "follow", "--http1.1", 18),
        // A stream of HTTP/2 that was reset.
        ("mixed", "follow", "--http2", 92),
        ("good", "wait", "--http2", 0),
        ("mixed", "wait", "--http2", 22),
    ] {
        let url = proxy.https(&format!("/api/check?name={name}&require=all&{query}"));
        let upload = format!("@{}", tree().display());
        let args = [version, "--fail-with-body", "--data-binary", &upload];
        let mut curl = curl(&args, &url);
        let mut output = String::new();
        let pipe = curl.0.stdout.as_mut().expect("it is piped");
        pipe.read_to_string(&mut output).expect("text");
        let status = curl.0.wait().expect("it is ours");
        assert_eq!(status.code(), Some(code), "{name} {version}: {output}");
    }
}
