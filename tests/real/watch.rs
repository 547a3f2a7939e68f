//! Watching real builds: one curl from a repository to its matrix, and a real browser.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;

use crate::common::pack::sha256;
use serde_json::{Value, json};

use crate::common::server::{PATIENCE, scratch};
use crate::common::zig::{packed, zig_init};
use crate::exclusive::shared;
use crate::packages::{VERSIONS, server};

#[test]
fn one_curl_takes_a_repository_to_its_matrix() {
    let _machine = shared();
    let dir = zig_init("0.16.0");
    let script = format!(
        "git init -q && git add . && git -c user.name=A -c user.email=a@example.org commit -qm first && \
         git archive HEAD | curl -sN --max-time 600 --data-binary @- '{}/api/check?name=hello&follow'",
        server().url
    );
    let told = Command::new("bash")
        .args(["-o", "pipefail", "-ec", &script])
        .current_dir(&dir)
        .output()
        .expect("bash is installed");
    let text = String::from_utf8_lossy(&told.stdout).into_owned();
    let errors = String::from_utf8_lossy(&told.stderr);
    assert!(told.status.success(), "{text}{errors}");
    assert!(text.ends_with("\nresult: 1 of 4 build\n"), "{text}");
    let (told, _result) = text.trim_end().rsplit_once('\n').expect("lines");
    let (_, matrix) = told.trim_end().rsplit_once("\n\n").expect("paragraphs");
    let above = text.split(matrix).next().expect("lines");
    for version in VERSIONS {
        let told = |word: &str| {
            let mut lines = above.lines();
            lines.any(|line| line.starts_with(version) && line.contains(word))
        };
        assert!(told("building…"), "{version}: {text}");
        let verdict = if version == "0.16.0" {
            "success"
        } else {
            "failed"
        };
        assert!(told(verdict), "{version}: {text}");
        let mut lines = matrix.lines();
        let line = lines.find(|line| line.trim_start().starts_with(version));
        assert!(line.is_some_and(|line| line.contains(verdict)), "{text}");
    }
    // The first error of each that failed stands above the matrix, when it came, with its place.
    let place = |line: &&str| line.starts_with("   ") && line.contains(".zig:");
    assert!(above.lines().filter(place).count() >= 3, "{text}");
}

#[test]
fn a_browser_watches_a_build_to_its_end() {
    let _machine = shared();
    let server = server();
    let tree = packed(&zig_init("0.15.2"));
    let check = server.upload(&tree, "name=browsed&zig_versions=0.15.2");
    let path = format!("/api/checks/{check}");
    let build = server.get(&path)["builds"][0]["id"]
        .as_i64()
        .expect("an id");
    let host = server.url.trim_start_matches("http://");
    let (page, reports) = page_server(include_str!("watch.html"), host.to_string());
    let _browser = Browser::open(&format!("{page}/?host={host}&check={check}&build={build}"));
    let report = reports.recv_timeout(PATIENCE).expect("a report");
    let end = server.finished(check).remove(0);
    let log = std::fs::read(server.data.join(format!("logs/{build}.log"))).expect("a log");

    let events = report["watched"]["events"].as_array();
    let events = events.unwrap_or_else(|| panic!("{report}"));
    assert_eq!(report["watched"]["code"], 1000);
    let states: Vec<&str> = events
        .iter()
        .filter_map(|event| event["state"].as_str())
        .collect();
    assert_eq!(
        states,
        ["queued", "building", "testing", "finished"],
        "{report}"
    );
    let last = events.last().expect("some");
    for name in [
        "id",
        "check",
        "zig_version",
        "state",
        "build_status",
        "test_status",
        "reason",
    ] {
        assert_eq!(last[name], end[name], "{name} in {last}");
    }
    assert_eq!(
        (&last["build_status"], &last["test_status"]),
        (&json!("success"), &json!("success"))
    );

    let hash = sha256(&log);
    let read = json!({"bytes": log.len(), "sha256": hash, "texts": 0, "code": 1000, "clean": true});
    assert_eq!(report["read"], read);
    let sent = report["sent"].as_array().expect("events");
    let sent: Vec<&Value> = sent.iter().map(|sent| &sent["event"]).collect();
    assert_eq!(sent, events.iter().collect::<Vec<_>>());
    assert_eq!(report["sent"][0]["id"], events[0]["seq"].to_string());
    assert_eq!(report["body"], json!({"status": 200, "bytes": log.len()}));
    assert_eq!(report["other"], "refused");
}

struct Browser(Child);

impl Browser {
    fn open(url: &str) -> Browser {
        let profile = scratch("browser");
        let _ = std::fs::remove_dir_all(&profile);
        let child = Command::new("chromium")
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
            ])
            .args([
                "--no-first-run",
                "--disable-background-networking",
                "--remote-debugging-port=0",
            ])
            .arg(format!("--user-data-dir={}", profile.display()))
            .arg(url)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        Browser(child.expect("tests/setup installs chromium"))
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let pid = rustix::process::Pid::from_raw(self.0.id() as i32);
        // Not killed: its own processes end with it.
        let term = rustix::process::Signal::TERM;
        let _ = pid.map(|pid| rustix::process::kill_process(pid, term));
        let _ = self.0.wait();
    }
}

/// Serves this page, and passes on what is sent to `/report`, and WebSockets to the server at `host`.
fn page_server(page: &'static str, host: String) -> (String, mpsc::Receiver<Value>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let (tell, host) = (tell.clone(), host.clone());
            // A browser opens connections that it does not use at once.
            std::thread::spawn(move || client.and_then(|client| serve(client, page, &host, &tell)));
        }
    });
    (url, told)
}

/// Between a client that has said that, and the server, until one of them closes.
fn pass_on(mut client: BufReader<TcpStream>, head: &str, host: &str) -> std::io::Result<()> {
    let mut server = TcpStream::connect(host)?;
    server.write_all(head.as_bytes())?;
    let (mut from, mut to) = (server.try_clone()?, client.get_ref().try_clone()?);
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut from, &mut to);
        to.shutdown(std::net::Shutdown::Both)
    });
    std::io::copy(&mut client, &mut server)?;
    server.shutdown(std::net::Shutdown::Write)
}

fn serve(
    client: TcpStream,
    page: &str,
    host: &str,
    tell: &mpsc::Sender<Value>,
) -> std::io::Result<()> {
    let mut client = BufReader::new(client);
    let (mut head, mut length) = (String::new(), 0);
    while !head.ends_with("\r\n\r\n") {
        let start = head.len();
        if client.read_line(&mut head)? == 0 {
            return Ok(());
        }
        let line = head[start..].to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().expect("a length");
        }
    }
    let mut body = vec![0; length];
    client.read_exact(&mut body)?;
    let (status, text) = match head.split(' ').nth(1).expect("a target") {
        target if target.starts_with("/ws?") => return pass_on(client, &head, host),
        "/report" => {
            let _ = tell.send(serde_json::from_slice(&body).expect("JSON"));
            ("200 OK", "thank you")
        }
        target if target.starts_with("/?") => ("200 OK", page),
        _ => ("404 Not Found", "nothing here"),
    };
    let length = text.len();
    let answer = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n{text}"
    );
    client.get_mut().write_all(answer.as_bytes())
}
