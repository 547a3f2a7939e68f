//! The notifier beside a server, with receivers of the test's own.

mod failures;
mod forges;
mod receiver;
mod told;

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::common::server::{PATIENCE, Server, ends_with_its_parent, scratch};
use crate::common::standin;

const TOKEN: &str = "the-admin-token-of-the-test";

/// A server with packages of the stand-in, and a notifier.
pub struct World {
    pub server: Server,
    pub dir: PathBuf,
    standin: PathBuf,
    flags: Vec<String>,
    notifier: Option<Child>,
}

fn secret(path: &Path, text: &str) {
    std::fs::write(path, text).expect("a file");
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o600)).expect("it is ours");
}

impl World {
    pub fn start(name: &str) -> World {
        World::at(name, None)
    }

    /// A server at an address that stays, if it is given.
    pub fn at(name: &str, address: Option<&str>) -> World {
        let dir = scratch(&format!("{name}-notifier"));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).expect("a directory");
        for (file, text) in [
            ("token", TOKEN),
            ("forge", "forge-token"),
            ("secret", "a-secret-of-webhooks"),
        ] {
            secret(&dir.join(file), text);
        }
        let token = dir.join("token").display().to_string();
        let mut flags = vec!["--admin-token-file", &token, "--max-builds", "1"];
        flags.extend(address.iter().flat_map(|address| ["--listen", address]));
        let (server, standin) = standin::start(name, &flags);
        let bearer = format!("Authorization: Bearer {TOKEN}");
        let wanted = r#"{"name":"notifier","scope":"notify"}"#;
        let made = server.curl(&["-H", &bearer, "-d", wanted], "/admin/tokens");
        let made = made.json()["token"].as_str().expect("a token").to_string();
        secret(&dir.join("notify-token"), &made);
        let docker = standin.join("docker").display().to_string();
        flags.extend(["--docker", &docker, "--zig-versions", "0.16.0"]);
        let flags = flags.into_iter().map(str::to_string).collect();
        World {
            server,
            dir,
            standin,
            flags,
            notifier: None,
        }
    }

    /// Writes a configuration: that of all tests, with what is given.
    pub fn configure(&self, more: &Value) {
        let file = |name: &str| self.dir.join(name).display().to_string();
        let mut config = json!({
            "server": self.server.url,
            "public_url": "https://zig.example.org",
            "token_file": file("notify-token"),
            "webhook_secret_file": file("secret"),
            "first_pause_s": 1,
        });
        for (name, value) in more.as_object().expect("fields") {
            config[name] = value.clone();
        }
        for forge in config["forges"].as_array_mut().into_iter().flatten() {
            forge["token_file"] = json!(file("forge"));
        }
        std::fs::write(self.dir.join("notify.json"), config.to_string()).expect("a file");
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_zigcheck-notify"));
        command.arg("--config").arg(self.dir.join("notify.json"));
        command.arg("--data-dir").arg(self.dir.join("data"));
        command
    }

    /// Starts the notifier, and waits until it follows the events.
    pub fn notify(&mut self) {
        self.notify_unseen();
        let followed = self.log_lines("its events are followed");
        self.until(|world| {
            world.log_lines("its events are followed") > followed || world.has_position()
        });
    }

    /// Starts the notifier.
    pub fn notify_unseen(&mut self) {
        let log = std::fs::File::options()
            .append(true)
            .create(true)
            .open(self.dir.join("log"));
        let mut command = self.command();
        command.stdin(Stdio::null()).stderr(log.expect("a log"));
        ends_with_its_parent(&mut command, Signal::KILL);
        self.notifier = Some(command.spawn().expect("the binary is built"));
    }

    /// What is known of the first start is on the disk.
    fn has_position(&self) -> bool {
        let path = self.dir.join("data/notify.db");
        let db =
            rusqlite::Connection::open_with_flags(path, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY);
        let count =
            db.and_then(|db| db.query_row("SELECT count(*) FROM position", [], |row| row.get(0)));
        count.is_ok_and(|count: i64| count == 1)
    }

    pub fn kill(&mut self) {
        if let Some(mut child) = self.notifier.take() {
            child.kill().expect("it ran");
            child.wait().expect("it is ours");
        }
    }

    /// Stops the notifier in order.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.notifier.take() {
            kill_process(Pid::from_child(&child), Signal::TERM).expect("it runs");
            let status = child.wait().expect("it is ours");
            assert!(status.success(), "{status}: {}", self.log());
        }
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.join("log")).unwrap_or_default()
    }

    pub fn log_lines(&self, with: &str) -> usize {
        self.log()
            .lines()
            .filter(|line| line.contains(with))
            .count()
    }

    #[track_caller]
    pub fn until(&self, is_so: impl Fn(&World) -> bool) {
        let begun = Instant::now();
        while !is_so(self) {
            assert!(
                begun.elapsed() < PATIENCE,
                "it never came to it: {}",
                self.log()
            );
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }

    /// Restarts the server on its data.
    pub fn restart_server(&mut self, data: PathBuf) {
        let flags: Vec<&str> = self.flags.iter().map(String::as_str).collect();
        self.server = Server::restart(data, &flags);
    }

    // ---- packages ----

    /// Submits a package; the first verdict of it is there.
    pub fn submit(&self, name: &str, url: &str) {
        let answer = self
            .server
            .post_json("/api/packages", &json!({ "url": url, "name": name }));
        assert_eq!(answer.status, 201, "{}", answer.body);
        self.server
            .finished(answer.json()["check"].as_i64().expect("a check"));
    }

    /// Checks a package at a new commit, at which it works or not; gives its build.
    pub fn check(&self, name: &str, commit: &str, works: bool) -> Value {
        std::fs::write(self.standin.join("state.commit"), commit).expect("a file");
        let breaks = self.standin.join("state.breaks");
        match works {
            true => drop(std::fs::remove_file(breaks)),
            false => std::fs::write(breaks, "").expect("a file"),
        }
        let answer = self
            .server
            .curl(&["-X", "POST"], &format!("/api/packages/{name}/builds"));
        assert!(answer.status < 300, "{}", answer.body);
        let check = answer.json()["check"].as_i64().expect("a check");
        let build = self.server.finished(check)[0].clone();
        let status = if works { "success" } else { "failed" };
        assert_eq!(build["build_status"], status, "{build}");
        build
    }

    pub fn issues(&self, package: &str) -> Vec<Value> {
        let bearer = format!("Authorization: Bearer {TOKEN}");
        let path = format!("/admin/issues?package={package}");
        let answer = self.server.curl(&["-H", &bearer], &path);
        answer.json()["issues"].as_array().expect("issues").clone()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.kill();
    }
}

#[test]
fn a_configuration_that_is_wrong_is_refused_by_its_field() {
    let mut world = World::start("notifier-wrong");
    world.configure(&json!({ "packages": [{ "package": "a/b" }] }));
    let output = world.command().output().expect("the binary is built");
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.contains("packages[0].package: must be the name of a package"),
        "{said}"
    );
    assert_eq!(said.lines().count(), 1, "{said}");
    world.configure(&json!({}));
    let output = world
        .command()
        .arg("--check")
        .output()
        .expect("it is built");
    assert!(output.status.success(), "{output:?}");
    std::fs::set_permissions(
        world.dir.join("notify-token"),
        PermissionsExt::from_mode(0o644),
    )
    .expect("it is ours");
    let output = world
        .command()
        .arg("--check")
        .output()
        .expect("it is built");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.contains("token_file: ") && said.contains("must not be open to others"),
        "{said}"
    );
    std::fs::set_permissions(
        world.dir.join("notify-token"),
        PermissionsExt::from_mode(0o600),
    )
    .expect("it is ours");
    world.notify();
    world.stop();
    let version = world
        .command()
        .arg("--version")
        .output()
        .expect("it is built");
    assert!(String::from_utf8_lossy(&version.stdout).starts_with("zigcheck-notify "));
}
