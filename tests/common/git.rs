//! Git repositories on the loopback, as a forge serves them.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

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
