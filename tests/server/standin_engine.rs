//! The stand-in for docker does what a real engine was seen to do: what the tests of the server
//! build on.

use crate::common::pack::sha256;
use crate::common::server;
use crate::common::standin;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::common::noise::Noise;
use serde_json::{Value, json};

struct Engine {
    dir: PathBuf,
    docker: String,
}

impl Engine {
    fn new(name: &str) -> Engine {
        let (dir, docker) = standin::standin(&format!("engine-{name}"));
        Engine { dir, docker }
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.docker);
        command.args(words).stdin(Stdio::null());
        command
    }

    fn ask(&self, words: &[&str]) -> Output {
        self.command(words).output().expect("it is compiled")
    }

    fn said(&self, words: &[&str]) -> String {
        String::from_utf8(self.ask(words).stdout).expect("a text")
    }

    fn inspect(&self, name: &str) -> String {
        let said = self.said(&["inspect", "--type=container", "--format=FORMAT", name]);
        said.trim().to_string()
    }

    fn beside(&self, name: &str) -> PathBuf {
        self.dir.join(format!("state.{name}"))
    }

    fn run(&self, name: &str, script: &[&str]) -> Child {
        let name = format!("--name={name}");
        let labels = ["--label=zigcheck.build=5", "--label=zigcheck.data=0123abcd"];
        let mut command = self.command(&["run", &name, labels[0], labels[1]]);
        command.args(["--log-driver=local", "--interactive", "zigcheck:0.16.0"]);
        command.args(script).stdin(Stdio::piped());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().expect("it is compiled")
    }

    /// A client that has been given that much of its input; the pipe stays open in the child.
    fn building(&self, name: &str, package: &str, source: &[u8]) -> Child {
        let mut child = self.run(name, &["/usr/lib/zigcheck/build"]);
        let head = json!({"build_id": 5, "package_name": package, "zig_version": "0.16.0",
            "source": {"bytes": 5, "sha256": "", "format": "tar"}, "deps": null});
        let input = [format!("{head}\n").as_bytes(), source].concat();
        let _ = child.stdin.as_mut().expect("a pipe").write_all(&input);
        child
    }

    fn built(&self, name: &str, package: &str) -> Output {
        let client = self.building(name, package, b"whole");
        client.wait_with_output().expect("it is ours")
    }

    fn wait_for(&self, name: &str, states: &[&str]) {
        let start = Instant::now();
        loop {
            let is = self.inspect(name);
            if states.iter().any(|state| is.contains(state)) {
                return;
            }
            assert!(start.elapsed() < server::PATIENCE, "{is}, never {states:?}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let names = self.said(&["ps", "--all", "--filter=label=zigcheck.data=0123abcd"]);
        let names: Vec<&str> = ["rm", "--force"].into_iter().chain(names.lines()).collect();
        self.ask(&names);
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_container_outlives_its_client_and_keeps_what_it_said() {
    let engine = Engine::new("outlives");
    let mut client = engine.building("one", "slowly", b"whole");
    engine.wait_for("one", &["running"]);
    let mut first = [0; 8];
    let said = client.stderr.as_mut().expect("a pipe");
    said.read_exact(&mut first).expect("it speaks");
    client.kill().expect("it runs");
    client.wait().expect("it is ours");
    assert_eq!(engine.inspect("one"), "false running 0");
    let follower = engine.command(&["logs", "--follow", "one"]);
    let follower = { follower }
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    std::thread::sleep(Duration::from_millis(250));
    std::fs::write(engine.beside("go"), "").expect("a file");
    let followed = follower.and_then(|f| f.wait_with_output()).expect("output");
    assert_eq!(followed.status.code(), Some(0));
    assert_eq!(engine.inspect("one"), "false exited 0");
    let all = engine.ask(&["logs", "one"]);
    assert_eq!(text(&followed.stderr), text(&all.stderr));
    assert_eq!(text(&followed.stdout), text(&all.stdout));
    let log = text(&all.stderr);
    assert!(log.starts_with("building slowly\n1 tenths"), "{log}");
    assert!(log.ends_with("testing slowly\n"), "{log}");
    let record: Value = text(&all.stdout)
        .lines()
        .last()
        .and_then(|line| serde_json::from_str(line).ok())
        .expect("a record");
    assert_eq!(record["build_status"], "success");
}

#[test]
fn all_bytes_come_through_and_a_follower_may_lose_what_is_no_line() {
    let engine = Engine::new("bytes");
    let mut without_end = 0;
    for number in 0..40 {
        let (name, package) = (format!("n{number}"), format!("noise-{number}"));
        let mut client = engine.building(&name, &package, b"whole");
        // Its pipe is open, and nothing comes: the container does not care.
        let follower = engine.command(&["logs", "--follow", &name]);
        engine.wait_for(&name, &["running", "exited"]);
        let followed = { follower }.output().expect("output");
        drop(client.stdin.take());
        let shown = client.wait_with_output().expect("it is ours");
        let said = [
            format!("building {package}\n").as_bytes(),
            &Noise::of(&package).expect("noise").said(),
        ]
        .concat();
        assert!(shown.stderr == said, "{package}");
        let all = engine.ask(&["logs", &name]);
        assert!(
            all.stderr == said && all.stdout == shown.stdout,
            "{package}"
        );
        // Nothing but an end without a line's end is lost.
        assert!(said.starts_with(&followed.stderr), "{package}");
        let lost = &said[followed.stderr.len()..];
        assert!(!lost.contains(&b'\n'), "{package}");
        without_end += usize::from(!said.ends_with(b"\n"));
    }
    assert!(without_end > 10, "{without_end}");
}

#[test]
fn a_name_is_a_lock_until_it_is_removed() {
    let engine = Engine::new("names");
    assert_eq!(engine.built("one", "good").status.code(), Some(0));
    let again = engine.built("one", "good");
    assert_eq!(again.status.code(), Some(125));
    assert!(text(&again.stderr).contains("already in use"));
    assert_eq!(engine.built("two", "good").status.code(), Some(0));
    let removed = engine.ask(&["rm", "--force", "--volumes", "one", "none", "two"]);
    assert_eq!(removed.status.code(), Some(0));
    assert!(text(&removed.stderr).contains("No such container: none"));
    assert_eq!(engine.said(&["ps", "--all"]), "");
    let look = engine.ask(&["inspect", "--type=container", "one"]);
    assert_eq!(look.status.code(), Some(1));
    assert!(text(&look.stderr).contains("No such container: one"));
    assert_eq!(engine.ask(&["logs", "one"]).status.code(), Some(1));
    assert_eq!(engine.built("one", "good").status.code(), Some(0));
}

#[test]
fn half_a_source_is_not_built() {
    let engine = Engine::new("half");
    for (name, source) in [("none", &b""[..]), ("half", b"who")] {
        let mut client = engine.building(name, "good", source);
        engine.wait_for(name, &["running"]);
        client.kill().expect("it runs");
        client.wait().expect("it is ours");
        engine.wait_for(name, &["exited 65"]);
    }
}

#[test]
fn a_client_that_dies_early_leaves_a_container_that_was_only_made() {
    let engine = Engine::new("created");
    let long_ms = server::PATIENCE.as_millis().to_string();
    std::fs::write(engine.beside("pause"), long_ms).expect("a file");
    let mut client = engine.building("one", "good", b"whole");
    engine.wait_for("one", &["created"]);
    client.kill().expect("it runs");
    client.wait().expect("it is ours");
    assert_eq!(engine.inspect("one"), "false created 0");
    // One that is removed on its way is not started.
    let client = engine.building("two", "good", b"whole");
    engine.wait_for("two", &["created"]);
    assert_eq!(engine.ask(&["rm", "--force", "two"]).status.code(), Some(0));
    std::fs::remove_file(engine.beside("pause")).expect("it was there");
    let ended = client.wait_with_output().expect("it is ours");
    assert_eq!(ended.status.code(), Some(125));
    assert_eq!(engine.said(&["ps", "--all"]).trim(), "one");
}

#[test]
fn containers_end_by_themselves_by_a_kill_and_by_their_memory() {
    let engine = Engine::new("ends");
    assert_eq!(engine.built("own", "unknown").status.code(), Some(1));
    assert_eq!(engine.inspect("own"), "false exited 1");
    assert_eq!(engine.built("oom", "starved").status.code(), Some(137));
    assert_eq!(engine.inspect("oom"), "true exited 137");
    let client = engine.building("killed", "silent", b"whole");
    engine.wait_for("killed", &["running"]);
    let peak = engine.said(&["exec", "killed", "cat", "memory.peak"]);
    assert!(peak.trim().parse::<u64>().is_ok(), "{peak}");
    assert_eq!(engine.ask(&["kill", "killed"]).status.code(), Some(0));
    let ended = client.wait_with_output().expect("it is ours");
    assert_eq!(ended.status.code(), Some(137));
    assert_eq!(engine.inspect("killed"), "false exited 137");
    for words in [
        &["kill", "killed"][..],
        &["exec", "killed", "cat"],
        &["kill", "none"],
    ] {
        assert_eq!(engine.ask(words).status.code(), Some(1), "{words:?}");
    }
    let client = engine.building("removed", "silent", b"whole");
    engine.wait_for("removed", &["running"]);
    assert_eq!(
        engine.ask(&["rm", "--force", "removed"]).status.code(),
        Some(0)
    );
    let ended = client.wait_with_output().expect("it is ours");
    assert_eq!(ended.status.code(), Some(137));
    assert_eq!(engine.built("not", "unstartable").status.code(), Some(125));
    assert_eq!(engine.inspect("not"), "false created 0");
}

#[test]
fn an_engine_that_is_away_answers_nobody_and_ends_no_container() {
    let engine = Engine::new("away");
    let attached = engine.building("one-5-1", "slowly", b"whole");
    standin::has_its_source(&engine.dir, 5);
    let following = engine
        .command(&["logs", "--follow", "one-5-1"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it is compiled");
    std::fs::write(engine.beside("down"), "").expect("a file");
    for (client, code) in [(attached, 125), (following, 1)] {
        let ended = client.wait_with_output().expect("it is ours");
        assert_eq!(ended.status.code(), Some(code), "{}", text(&ended.stderr));
    }
    for words in [
        "images",
        "ps",
        "inspect one-5-1",
        "logs one-5-1",
        "kill one-5-1",
        "rm one-5-1",
        "exec one-5-1 x",
    ] {
        let words: Vec<&str> = words.split(' ').collect();
        let answer = engine.ask(&words);
        assert_eq!(answer.status.code(), Some(1), "{words:?}");
        assert!(text(&answer.stderr).contains("Cannot connect"), "{words:?}");
    }
    assert_eq!(engine.built("two", "good").status.code(), Some(125));
    std::fs::remove_file(engine.beside("down")).expect("it was there");
    assert_eq!(engine.inspect("one-5-1"), "false running 0");
    assert_eq!(engine.said(&["ps", "--all"]).trim(), "one-5-1");
}

#[test]
fn labels_tell_whose_a_container_is_and_sources_come_framed() {
    let engine = Engine::new("labels");
    let fetched = |name: &str, script: &[&str]| {
        let client = engine.run(name, script);
        client.wait_with_output().expect("it is ours")
    };
    let source = |name: &str, url: &str| fetched(name, &["/usr/lib/zigcheck/fetch-source", url]);
    let missing = source("missing", "https://github.com/x/missing");
    assert_eq!(missing.status.code(), Some(11));
    let far = source("far", "https://github.com/x/unreachable");
    assert_eq!(far.status.code(), Some(10));
    let mut bodies = Vec::new();
    for name in ["good", "good-deps"] {
        let url = format!("https://github.com/x/{name}");
        let got = source(name, &url);
        assert_eq!(got.status.code(), Some(0));
        let end = got.stdout.iter().position(|byte| *byte == b'\n');
        let (head, body) = got.stdout.split_at(end.expect("a line") + 1);
        let head: Value = serde_json::from_slice(head).expect("JSON");
        assert_eq!(head["bytes"], body.len());
        assert_eq!(head["sha256"], sha256(body));
        assert_eq!(head["dependencies"], name == "good-deps");
        let commit = fetched(
            &format!("look-{name}"),
            &["/usr/lib/zigcheck/remote-commit", &url],
        );
        assert_eq!(Some(text(&commit.stdout).trim()), head["commit"].as_str());
        let mut tar = tar::Archive::new(flate2::read::GzDecoder::new(body));
        let mut entries = tar.entries().expect("an archive");
        let entry = entries.next().expect("a file").expect("a file");
        assert_eq!(entry.path().expect("a path"), Path::new("build.zig"));
        bodies.push(body.to_vec());
    }
    assert_ne!(bodies[0], bodies[1]);
    let list = |data: &str| {
        let filter = format!("--filter=label=zigcheck.data={data}");
        let names = engine.said(&["ps", "--all", &filter, "--format={{.Names}}"]);
        names.lines().count()
    };
    assert_eq!((list("0123abcd"), list("0123")), (6, 0));
}
