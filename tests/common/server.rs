//! The real binary on a port of its own, spoken to with the real curl.

use crate::common::settings::FETCH_NETWORK;
use std::fs::Permissions;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// How long a test waits for anything at all: far above what it takes, so that only a hang fails.
pub const PATIENCE: Duration = Duration::from_secs(600);

pub struct Server {
    pub child: Child,
    pub url: String,
    pub data: PathBuf,
    pub log: PathBuf,
}

impl Server {
    /// A server with a data directory of that name, emptied first.
    pub fn start(name: &str, flags: &[&str]) -> Server {
        let data = scratch(name);
        let _ = std::fs::remove_dir_all(&data);
        Server::restart(data, flags)
    }

    pub fn restart(data: PathBuf, flags: &[&str]) -> Server {
        std::fs::create_dir_all(&data).expect("a data directory");
        let log = data.with_extension("log");
        let mut command = Command::new(env!("CARGO_BIN_EXE_zigcheck"));
        command
            // Its builds are those that a test asks for, unless the flags say otherwise.
            .args(["--commit-search", "off", "--targets", "off"])
            .args(["--listen", "127.0.0.1:0", "--data"])
            .arg(&data)
            .args(flags)
            .env(FETCH_NETWORK.0, FETCH_NETWORK.1)
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        ends_with_its_parent(&mut command, Signal::TERM);
        let (mut child, first) = in_a_thread_that_stays(command);
        let Some(url) = url_in(&first) else {
            let _ = child.kill();
            panic!("the server did not start: {first}");
        };
        Server {
            child,
            url,
            data,
            log,
        }
    }

    pub fn curl(&self, args: &[&str], path: &str) -> Answer {
        curl(args, &format!("{}{path}", self.url))
    }

    pub fn get(&self, path: &str) -> Value {
        let answer = self.curl(&[], path);
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        answer.json()
    }

    pub fn post_json(&self, path: &str, body: &Value) -> Answer {
        let body = body.to_string();
        let args = ["-H", "Content-Type: application/json", "-d", &body];
        self.curl(&args, path)
    }

    /// Uploads an archive; gives the id of its check.
    pub fn upload(&self, archive: &Path, query: &str) -> i64 {
        let data = format!("@{}", archive.display());
        let answer = self.curl(&["--data-binary", &data], &format!("/api/check?{query}"));
        assert_eq!(answer.status, 202, "{}", answer.body);
        answer.json()["check"].as_i64().expect("a check")
    }

    pub fn finished(&self, check: i64) -> Vec<Value> {
        let path = format!("/api/checks/{check}");
        let is_over = |value: &Value| value["finished"] == true;
        let value = self.wait_for(&path, is_over);
        value["builds"].as_array().expect("builds").clone()
    }

    pub fn wait_for(&self, path: &str, is_there: impl Fn(&Value) -> bool) -> Value {
        let start = Instant::now();
        loop {
            let value = self.get(path);
            if is_there(&value) {
                return value;
            }
            assert!(
                start.elapsed() < PATIENCE,
                "{path} never came to it: {value}"
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    pub fn build_log(&self, build: &Value) -> String {
        let path = build["log_url"].as_str().expect("a log");
        let answer = self.curl(&[], path);
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.body
    }

    pub fn matrix(&self, check: i64) -> String {
        let path = format!("/api/checks/{check}");
        self.curl(&["-H", "Accept: text/plain"], &path).body
    }

    pub fn crash(mut self) -> PathBuf {
        self.child.kill().expect("it was running");
        self.child.wait().expect("it is ours");
        self.data.clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let _ = self.child.wait();
    }
}

/// The one line that a command of the program says on its refusal, with exit code 1.
#[track_caller]
pub fn refused(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said = String::from_utf8_lossy(&output.stderr)
        .trim_end()
        .to_string();
    assert_eq!(said.lines().count(), 1, "{said}");
    said
}

/// The child gets that signal when the thread that starts it ends.
pub fn ends_with_its_parent(command: &mut Command, signal: Signal) {
    #[expect(unsafe_code, reason = "pre_exec is unsafe")]
    // SAFETY: one system call, no allocation, between fork and exec.
    unsafe {
        command.pre_exec(move || {
            rustix::process::set_parent_process_death_signal(Some(signal))?;
            Ok(())
        });
    }
}

/// Where a server listens, by what it logs.
pub fn url_in(log: &str) -> Option<String> {
    let (_, rest) = log.split_once("listens on ")?;
    Some(format!("http://{}", rest.split(';').next()?))
}

/// Starts the command, and gives its first line of standard error; the others go nowhere. The
/// child ends with this process, even where a test never returns: the kernel sees to that when
/// the thread that made it ends, so that thread stays.
fn in_a_thread_that_stays(mut command: Command) -> (Child, String) {
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        let mut child = command.spawn().expect("the binary is built");
        let stderr = child.stderr.take().expect("it is piped");
        let mut lines = BufReader::new(stderr);
        let mut first = String::new();
        let _ = lines.read_line(&mut first);
        let _ = tell.send((child, first));
        let _ = std::io::copy(&mut lines, &mut std::io::sink());
        loop {
            std::thread::park();
        }
    });
    told.recv_timeout(PATIENCE).expect("the server says a line")
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub body: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.body))
    }
}

pub fn curl(args: &[&str], url: &str) -> Answer {
    let patience_s = PATIENCE.as_secs().to_string();
    let output = Command::new("curl")
        .args(["-s", "--max-time", &patience_s, "-w", "\n%{http_code}"])
        .args(args)
        .arg(url)
        .output()
        .expect("curl is installed");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let (body, status) = text.rsplit_once('\n').expect("a status");
    Answer {
        status: status.parse().expect("a status"),
        body: body.to_string(),
    }
}

pub fn scratch(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name)
}

/// Writes a script that can be run.
pub fn write_script(path: &Path, text: &str) {
    std::fs::write(path, text).expect("a file");
    std::fs::set_permissions(path, Permissions::from_mode(0o755)).expect("it is ours");
}

pub fn archive(name: &str, files: &[(&str, &str)]) -> PathBuf {
    let path = scratch(&format!("{name}.tar.gz"));
    std::fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
    // Made beside it and moved there: tests side by side may make the same one.
    let part = path.with_extension(format!("{:?}", std::thread::current().id()));
    let file = std::fs::File::create(&part).expect("a file");
    let gzip = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
    let mut tar = tar::Builder::new(gzip);
    for (name, text) in files {
        let mut head = tar::Header::new_gnu();
        head.set_size(text.len() as u64);
        head.set_mode(0o644);
        tar.append_data(&mut head, name, text.as_bytes())
            .expect("an entry");
    }
    tar.into_inner()
        .and_then(|gzip| gzip.finish())
        .expect("a whole archive");
    std::fs::rename(&part, &path).expect("its place");
    path
}
