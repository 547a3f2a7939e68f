//! What packages are fetched from: one file over HTTP, and git repositories, on the loopback.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::exchange::target_of;

pub struct Web {
    pub url: String,
    closed: Arc<AtomicBool>,
}

/// Serves one file under its own name, and 404 for any other, until dropped.
pub fn file_server(file: PathBuf) -> Web {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let closed = Arc::new(AtomicBool::new(false));
    let is_closed = closed.clone();
    std::thread::spawn(move || {
        let name = file
            .file_name()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        let bytes = std::fs::read(&file).expect("a file");
        for client in listener.incoming() {
            if is_closed.load(Ordering::SeqCst) {
                return;
            }
            let _ = client.map(|mut client| serve(&mut client, &name, &bytes));
        }
    });
    Web {
        url: format!("http://{address}"),
        closed,
    }
}

fn serve(client: &mut TcpStream, name: &str, bytes: &[u8]) -> std::io::Result<()> {
    let Some(asked) = target_of(client)? else {
        return Ok(());
    };
    let (status, body) = match asked == format!("/{name}") {
        true => ("200 OK", bytes),
        false => ("404 Not Found", &b"nothing here\n"[..]),
    };
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/gzip\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n"
    );
    client.write_all(head.as_bytes())?;
    client.write_all(body)
}

impl Drop for Web {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::SeqCst);
        // Wakes the thread, which lets go of the port.
        let address = self.url.trim_start_matches("http://");
        let _ = TcpStream::connect(address);
        while TcpStream::connect(address).is_ok() {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

pub struct Git {
    pub url: String,
    daemon: Child,
}

pub fn git_server(root: &Path) -> Git {
    std::fs::create_dir_all(root).expect("a directory");
    let port = {
        let free = TcpListener::bind("127.0.0.1:0").expect("a port");
        free.local_addr().expect("an address").port()
    };
    let daemon = Command::new("git")
        .args([
            "daemon",
            "--export-all",
            "--reuseaddr",
            "--listen=127.0.0.1",
        ])
        .arg(format!("--port={port}"))
        .arg(format!("--base-path={}", root.display()))
        .stderr(Stdio::null())
        .spawn()
        .expect("git is installed");
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        std::thread::sleep(Duration::from_millis(20));
    }
    Git {
        url: format!("git://127.0.0.1:{port}"),
        daemon,
    }
}

impl Drop for Git {
    fn drop(&mut self) {
        if let Some(pid) = rustix::process::Pid::from_raw(self.daemon.id() as i32) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        let _ = self.daemon.wait();
    }
}

pub struct Repository(PathBuf);

pub fn repository(root: &Path, name: &str, files: &[(&str, &str)]) -> Repository {
    let repository = Repository(root.join(name));
    std::fs::create_dir_all(&repository.0).expect("a directory");
    repository.git(&["init", "-q"]);
    // A commit by its hash, as the large hosts allow it.
    repository.git(&["config", "uploadpack.allowAnySHA1InWant", "true"]);
    for (name, text) in files {
        std::fs::write(repository.0.join(name), text).expect("a file");
    }
    repository.git(&["add", "."]);
    repository.git(&["commit", "-qm", "the first"]);
    repository
}

impl Repository {
    pub fn git(&self, args: &[&str]) -> String {
        let output = Command::new("git")
            .arg("-C")
            .arg(&self.0)
            .args(["-c", "user.name=A", "-c", "user.email=a@example.org"])
            .args(args)
            .output()
            .expect("git is installed");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "git {args:?}: {errors}");
        String::from_utf8_lossy(&output.stdout).trim().to_string()
    }
}
