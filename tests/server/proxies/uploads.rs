//! Uploads of 70 MiB that are refused at their head, by clients that write all of them before they read: Python's
//! http.client and urllib, wget, a plain socket; at the server, and through Apache and nginx with TLS.

use std::fs::File;
use std::io::Write;
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::proxy::{apache, nginx};
use crate::common::server::{Server, scratch};
use crate::common::standin::{start, tree};
use crate::common::wire::{Wire, address, connect};

const UPLOAD_BYTES: usize = 70 << 20;

/// nginx itself refuses what is larger than `client_max_body_size`.
const NGINX_BYTES: usize = 60 << 20;

/// Status, method, target, header.
type Row = (u16, &'static str, &'static str, &'static str);

/// The client of the last one has had what it may: see `server`.
const REFUSED: [Row; 6] = [
    (400, "POST", "/api/check?name=a%20b", ""),
    (404, "POST", "/nothing", ""),
    (405, "POST", "/api/events", ""),
    (413, "PUT", "/api/check", ""),
    (
        415,
        "POST",
        "/api/check",
        "Content-Type=multipart/form-data",
    ),
    (429, "POST", "/api/check", "X-Forwarded-For=192.0.2.1"),
];

fn server(name: &str) -> Server {
    let flags = ["--submit-rate=4", "--trusted-proxies=loopback"];
    let (server, _) = start(name, &flags);
    let data = format!("@{}", tree().display());
    let args = ["-H", "X-Forwarded-For: 192.0.2.1", "--data-binary", &data];
    assert_eq!(
        server.curl(&args, "/api/check").status,
        202,
        "the only one in a while"
    );
    server
}

fn python(how: &str, url: &str, bytes: usize, rows: &[String]) -> Vec<u16> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/server/proxies");
    let output = Command::new("/usr/bin/python3")
        .arg("-B")
        .arg(dir.join("write_first.py"))
        .args([how, url, &bytes.to_string()])
        .args(rows)
        .stderr(Stdio::inherit())
        .output();
    let output = output.expect("tests/setup installs it");
    assert!(output.status.success(), "{how} at {url}");
    let text = String::from_utf8(output.stdout).expect("numbers");
    text.lines()
        .map(|line| line.parse().expect("a status"))
        .collect()
}

fn rows(refused: &[Row], more: &str) -> Vec<String> {
    let row = |(_, method, target, header): &Row| {
        let named = [*header, more]
            .into_iter()
            .filter(|header| !header.is_empty());
        named.fold(format!("{method}:{target}"), |row, header| {
            format!("{row}:{header}")
        })
    };
    refused.iter().map(row).collect()
}

fn statuses(refused: &[Row]) -> Vec<u16> {
    refused.iter().map(|(status, ..)| *status).collect()
}

/// A file of that size, of which the disk holds nothing.
fn upload(bytes: usize) -> PathBuf {
    let path = scratch(&format!("proxies-upload-{bytes}"));
    // Tests side by side make the same one.
    let file = File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path);
    let file = file.expect("a file");
    file.set_len(bytes as u64).expect("its size");
    path
}

/// The last status that wget got.
fn wget(url: &str, bytes: usize, (_, method, target, header): &Row) -> u16 {
    let output = Command::new("wget")
        .args([
            "-S",
            "-O",
            "/dev/null",
            "--tries=1",
            "--timeout=300",
            "--no-check-certificate",
        ])
        .args([
            format!("--method={method}"),
            format!("--header={}", header.replacen('=', ": ", 1)),
        ])
        .arg(format!("--body-file={}", upload(bytes).display()))
        .arg(format!("{url}{target}"))
        .output();
    let said = output.expect("tests/setup installs it").stderr;
    let said = String::from_utf8_lossy(&said);
    let mut statuses = said
        .lines()
        .filter_map(|line| line.trim().strip_prefix("HTTP/1.1 "));
    let status = statuses.next_back();
    let status = status.unwrap_or_else(|| panic!("{url}{target}: {said}"));
    status[..3].parse().expect("a status")
}

fn everybody_sees_why(url: &str, bytes: usize, refused: &[Row]) {
    for how in ["http.client", "urllib"] {
        let seen = python(how, url, bytes, &rows(refused, ""));
        assert_eq!(seen, statuses(refused), "{how} at {url}");
    }
    let length = format!("Content-Length={bytes}:Connection=close");
    let seen = python("socket", url, bytes, &rows(refused, &length));
    assert_eq!(seen, statuses(refused), "a socket at {url}");
    for row in refused {
        assert_eq!(wget(url, bytes, row), row.0, "wget at {url}: {row:?}");
    }
}

#[test]
fn a_refused_upload_is_answered_to_clients_that_write_first() {
    let server = server("proxies-uploads");
    everybody_sees_why(&server.url, UPLOAD_BYTES, &REFUSED);
    // Heads that only a socket writes.
    let length = format!("Content-Length={UPLOAD_BYTES}");
    let others = [
        "POST:/api/check".to_string(),
        format!("POST:/api/check:{length}:content-length=1"),
        format!("POST:/api/check\":{length}"),
        format!("POST:/api/check:{length}:Expect=tea"),
    ];
    let seen = python("socket", &server.url, UPLOAD_BYTES, &others);
    assert_eq!(seen, [411, 400, 400, 417]);
}

#[test]
fn a_refused_upload_is_answered_through_apache_with_tls() {
    let server = server("proxies-apache-uploads");
    let proxy = apache("proxies-apache", 4, &server);
    everybody_sees_why(&proxy.https(""), UPLOAD_BYTES, &REFUSED);
}

#[test]
fn a_refused_upload_is_answered_through_nginx_with_tls() {
    let server = server("proxies-nginx-uploads");
    let proxy = nginx("proxies-nginx", 6, &server);
    let refused = REFUSED.into_iter().filter(|(status, ..)| *status != 413);
    let refused: Vec<Row> = refused.collect();
    everybody_sees_why(&proxy.https(""), NGINX_BYTES, &refused);
}

/// As many uploads at once as the server takes; each has sent a byte.
fn uploads_that_wait(server: &Server) -> Vec<TcpStream> {
    let begin = b"POST /api/check HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\nx";
    let one = || {
        let mut socket = connect(address(server), Ipv4Addr::LOCALHOST, None).expect("it listens");
        socket.write_all(begin).expect("it is open");
        socket
    };
    (0..128).map(|_| one()).collect()
}

#[test]
fn an_upload_too_many_is_answered_to_clients_that_write_first() {
    let server = server("proxies-too-many");
    let waiting = uploads_that_wait(&server);
    // All of them have begun once the server answers a later one.
    let mut later = Wire::open(&server);
    later.get("/api/queue");
    assert_eq!(later.answer().0.status, 200);
    everybody_sees_why(
        &server.url,
        UPLOAD_BYTES,
        &[(503, "POST", "/api/check", "")],
    );
    drop(waiting);
}
