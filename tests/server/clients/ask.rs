//! curl, with everything that came of it; and a server that many tests share.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::sync::OnceLock;

use serde_json::{Value, json};

use crate::common::server::Server;
use crate::common::standin::{check, start};
use crate::common::wire;

#[derive(Debug)]
pub struct Got {
    pub status: u16,
    /// The last head; those of `100 Continue` are in `talk`.
    pub head: String,
    pub body: Vec<u8>,
    pub talk: String,
}

impl Got {
    pub fn header(&self, name: &str) -> Option<&str> {
        wire::header(&self.head, name)
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> Value {
        let value = serde_json::from_slice(&self.body);
        value.unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub fn error(&self) -> String {
        let sentence = self.json()["error"].as_str().map(str::to_string);
        sentence.unwrap_or_else(|| panic!("no error: {self:?}"))
    }
}

/// curl that says all it does, and gives up only on a hang.
fn curl(args: &[&str]) -> Command {
    let mut curl = Command::new("curl");
    curl.args(["-sv", "--max-time", "300"]).args(args);
    curl.stdin(Stdio::null());
    curl
}

pub fn ask(args: &[&str]) -> Got {
    let output = curl(args).arg("-i").output();
    got(output.expect("curl is installed"))
}

pub fn ask_with(args: &[&str], input: &[u8]) -> Got {
    let mut child = curl(args)
        .arg("-i")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("curl is installed");
    let mut stdin = child.stdin.take().expect("it is piped");
    let input = input.to_vec();
    // Beside it, since curl may answer before it has read everything.
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().expect("it is ours");
    let _ = writer.join().expect("a thread");
    got(output)
}

fn got(output: Output) -> Got {
    let talk = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{}: {talk}", output.status);
    let mut rest = &output.stdout[..];
    loop {
        let end = rest.windows(4).position(|four| four == b"\r\n\r\n");
        let end = end.unwrap_or_else(|| panic!("no head: {talk}"));
        let head = String::from_utf8_lossy(&rest[..end]).into_owned();
        rest = &rest[end + 4..];
        let status = head.split(' ').nth(1).and_then(|word| word.parse().ok());
        let status = status.expect("a status");
        if status != 100 {
            let body = rest.to_vec();
            return Got {
                status,
                head,
                body,
                talk,
            };
        }
    }
}

/// A curl that is still reading.
pub struct Reading {
    child: Child,
    pub lines: BufReader<ChildStdout>,
    pub seen: Vec<u8>,
}

pub fn reading(args: &[&str]) -> Reading {
    let mut curl = Command::new("curl");
    curl.args(["-sN", "--max-time", "300"]).args(args);
    Reading::start(curl)
}

impl Reading {
    pub fn start(mut command: Command) -> Reading {
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("it is installed");
        let lines = BufReader::new(child.stdout.take().expect("it is piped"));
        Reading {
            child,
            lines,
            seen: Vec::new(),
        }
    }

    /// Reads on to a line that holds this.
    pub fn until(&mut self, words: &str) -> String {
        loop {
            let start = self.seen.len();
            let read = self.lines.read_until(b'\n', &mut self.seen);
            let line = String::from_utf8_lossy(&self.seen[start..]).into_owned();
            if line.contains(words) {
                return line;
            }
            let all = String::from_utf8_lossy(&self.seen);
            assert!(read.expect("a pipe") > 0, "no {words:?} in {all}");
        }
    }

    /// Everything, to its end, which must be a good one.
    pub fn rest(mut self) -> Vec<u8> {
        self.lines.read_to_end(&mut self.seen).expect("a pipe");
        let status = self.child.wait().expect("it is ours");
        let all = String::from_utf8_lossy(&self.seen);
        assert!(status.success(), "{status} after {all}");
        self.seen
    }
}

/// The bytes of a stored log, as they stand on disk.
pub fn stored(server: &Server, build: i64) -> Vec<u8> {
    let path = server.data.join(format!("logs/{build}.log"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

pub fn build_of(server: &Server, check: i64) -> i64 {
    let check = server.get(&format!("/api/checks/{check}"));
    check["builds"][0]["id"].as_i64().expect("an id")
}

/// A server with one finished build and one package, which tests only read.
pub struct Shared {
    pub server: Server,
    pub check: i64,
    pub build: i64,
    pub log: Vec<u8>,
}

pub fn shared() -> &'static Shared {
    static SHARED: OnceLock<Shared> = OnceLock::new();
    SHARED.get_or_init(|| {
        let (server, _): (Server, PathBuf) = start("clients-shared", &[]);
        let check = check(&server, "chatty");
        let build = build_of(&server, check);
        server.finished(check);
        let known = json!({"url": "https://github.com/somebody/known", "name": "known"});
        let answer = server.post_json("/api/packages", &known);
        assert_eq!(answer.status, 201, "{}", answer.body);
        let log = stored(&server, build);
        assert!(log.len() > 10_000, "{}", log.len());
        Shared {
            server,
            check,
            build,
            log,
        }
    })
}

impl Shared {
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.server.url)
    }

    pub fn log_url(&self) -> String {
        self.url(&format!("/api/builds/{}/log", self.build))
    }
}
