//! Each proxy of docs/proxies.md: what a server promises holds behind it, for two thousand watchers, too.

use std::fs::File;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::{Resource, getrlimit, setrlimit};
use zigcheck::config::limits::SOURCE_LIMIT_BYTES;

use super::live::head_of;
use super::proxy::{Proxy, caddy, haproxy, nginx};
use crate::browser::watch_at;
use crate::common::exposition;
use crate::common::server::{PATIENCE, Server, scratch};
use crate::common::standin::{check, start, tree};
use crate::common::wire::{Chunk, TEXT, Wire, connect};

const WATCHERS: usize = 2_000;
const KINDS: [(&str, Begin); 3] = [("caddy", caddy), ("nginx", nginx), ("haproxy", haproxy)];

type Begin = fn(&str, u16, &Server) -> Proxy;

/// Each proxy, before a server with these flags, whose stand-in has that directory. Tests side by side have other ports.
fn behind_each(
    (name, nth): (&str, u16),
    flags: &[&str],
    promised: impl Fn(&str, &Server, &Proxy, PathBuf),
) {
    for (kind, begin) in KINDS {
        let all = [&["--trusted-proxies=loopback"], flags].concat();
        let (server, dir) = start(&format!("{name}-{kind}"), &all);
        let proxy = begin(&format!("{name}-{kind}-home"), nth, &server);
        promised(kind, &server, &proxy, dir);
    }
}

fn over(to: SocketAddr) -> Wire {
    Wire::over(connect(to, Ipv4Addr::LOCALHOST, None).expect("it listens"))
}

/// Status and body of what curl gets.
fn asked(args: &[&str], url: &str) -> (String, String) {
    let output = Command::new("curl")
        .args(["-sk", "-w", "\n%{http_code}", "--max-time", "300"])
        .args(args)
        .arg(url)
        .output();
    let output = String::from_utf8_lossy(&output.expect("curl is installed").stdout).into_owned();
    let (body, status) = output.rsplit_once('\n').expect("a last line");
    (status.to_string(), body.to_string())
}

/// A tar archive of `bytes`, which holds a build script and zeros.
fn archive_of(bytes: u64) -> PathBuf {
    let dir = scratch(&format!("recipes-{bytes}"));
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).expect("a directory");
    std::fs::write(dir.join("build.zig"), "// of the largest upload\n").expect("a file");
    let zeros = File::create(dir.join("zeros")).expect("a file");
    // Beside them there are two headers, a block of the build script, and two blocks at the end.
    zeros.set_len(bytes - 5 * 512).expect("its size");
    let tar = dir.with_extension("tar");
    let mut command = Command::new("tar");
    command.arg("-b1").arg("-cf").arg(&tar).arg("-C").arg(&dir);
    let status = command.args(["build.zig", "zeros"]).status();
    assert!(status.expect("tar is installed").success());
    let made = std::fs::metadata(&tar).expect("an archive").len();
    assert_eq!(made, bytes);
    tar
}

#[test]
fn the_largest_upload_passes_each_proxy_and_a_larger_one_is_refused() {
    let largest = archive_of(SOURCE_LIMIT_BYTES);
    let largest = format!("@{}", largest.display());
    let larger = scratch("recipes-larger");
    let file = File::create(&larger).expect("a file");
    file.set_len(SOURCE_LIMIT_BYTES + 1).expect("its size");
    let larger = format!("@{}", larger.display());
    behind_each(("recipes-upload", 8), &[], |kind, server, proxy, _| {
        for version in ["--http2", "--http1.1"] {
            let url = proxy.https("/api/check?name=good&follow");
            let (status, text) = asked(&[version, "--data-binary", &largest], &url);
            assert_eq!(status, "200", "{kind} {version}: {text}");
            assert!(text.contains("success"), "{kind} {version}: {text}");
        }
        // Over HTTP/1.1 a proxy may end the connection while the client still writes, and the answer is lost with it.
        let url = proxy.https("/api/check?name=good");
        let (status, text) = asked(&["--http2", "--data-binary", &larger], &url);
        assert_eq!(status, "413", "{kind}: {text}");
        assert_eq!(server.get("/api/packages?limit=1")["total"], 0);
    });
}

#[test]
fn events_follow_at_once_and_sockets_open_behind_each_proxy() {
    let flags = ["--max-builds", "1"];
    behind_each(("recipes-live", 10), &flags, |kind, server, proxy, _| {
        check(server, "silent");
        let upload = format!("@{}", tree().display());
        for version in ["--http2", "--http1.1"] {
            let follow = [version, "--data-binary", &upload];
            for (args, target) in [
                (&[version][..], "/api/events"),
                (&follow, "/api/check?follow"),
            ] {
                let head = head_of(args, &proxy.https(target));
                assert_eq!(
                    head.split(' ').nth(1),
                    Some("200"),
                    "{kind} {target}: {head}"
                );
            }
        }
        let mut socket = over(proxy.plain).upgraded("/ws");
        check(server, "good");
        let (frame, text) = socket.frame().expect("a frame");
        assert_eq!(frame, TEXT, "{kind}: {}", String::from_utf8_lossy(&text));
    });
}

#[test]
fn a_submission_is_watched_on_live_pages_behind_each_proxy() {
    behind_each(("recipes-pages", 12), &[], |_, _, proxy, dir| {
        watch_at("chromium", "off", &format!("http://{}", proxy.plain), &dir);
    });
}

/// An address of this machine that is not the loopback's. Nothing is sent to find it.
fn own_address() -> Ipv4Addr {
    let socket = UdpSocket::bind("0.0.0.0:0").expect("a socket");
    let routed = socket
        .connect("192.0.2.1:9")
        .and_then(|()| socket.local_addr());
    match routed.map(|address| address.ip()) {
        Ok(IpAddr::V4(ip)) => ip,
        other => panic!("this machine has no address but the loopback's: {other:?}"),
    }
}

#[test]
fn a_client_counts_by_its_own_address_behind_each_proxy_whatever_it_says() {
    let flags = ["--submit-rate=4"];
    let from = own_address().to_string();
    let upload = format!("@{}", tree().display());
    behind_each(("recipes-client", 14), &flags, |kind, _, proxy, _| {
        let url = proxy.https("/api/check?name=good");
        let submit = ["--interface", &from, "--data-binary", &upload];
        assert_eq!(asked(&submit, &url).0, "202", "{kind}");
        for forged in [
            "",
            "X-Forwarded-For: 198.51.100.1",
            "X-Forwarded-For: 127.0.0.1",
        ] {
            let args = [&submit[..], &["-H", forged]].concat();
            assert_eq!(asked(&args, &url).0, "429", "{kind} {forged}");
        }
    });
}

/// Waits for the number of streams that are open at the server.
fn watchers_are(server: &Server, wanted: usize) {
    let begun = Instant::now();
    loop {
        let metrics = exposition::parse(&server.curl(&[], "/metrics").body).expect("metrics");
        let watchers = metrics.sum("zigcheck_watchers", &[]);
        if watchers == wanted as f64 {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "{watchers}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn two_thousand_watchers_see_an_event_behind_each_proxy_and_leave() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).expect("the limit of the machine");
    behind_each(("recipes-watchers", 16), &[], |kind, server, proxy, _| {
        let mut watchers: Vec<Wire> = (0..WATCHERS).map(|_| over(proxy.plain)).collect();
        for watcher in &mut watchers {
            watcher.get("/api/events");
        }
        for watcher in &mut watchers {
            assert_eq!(watcher.head().status, 200, "{kind}");
        }
        watchers_are(server, WATCHERS);
        check(server, "good");
        for watcher in &mut watchers {
            let mut seen = Vec::new();
            while !String::from_utf8_lossy(&seen).contains("\"good\"") {
                match watcher.chunk() {
                    Chunk::Bytes(bytes) => seen.extend(bytes),
                    end => panic!("{kind}: {end:?} after {}", String::from_utf8_lossy(&seen)),
                }
            }
        }
        drop(watchers);
        watchers_are(server, 0);
    });
}
