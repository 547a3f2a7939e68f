//! A stand-in for the docker command, of its own for each test, and a server that uses it.

use crate::common::settings::FETCH_NETWORK;
use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::common::server::{PATIENCE, Server, archive, ends_with_its_parent, scratch};

/// The stand-in's directory and its command: what it remembers is its own.
pub fn standin(name: &str) -> (PathBuf, String) {
    let dir = scratch(&format!("{name}-standin"));
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(dir.join("state")).expect("a directory");
    let docker = dir.join("docker");
    std::os::unix::fs::symlink(program(), &docker).expect("its place");
    // Its containers outlive its clients and servers, as they should, but not this test.
    let owner = std::process::id().to_string();
    std::fs::write(dir.join("state.owner"), owner).expect("a file");
    (dir, docker.display().to_string())
}

/// The stand-in itself: its state is in $STANDIN, or else `state` beside the name it is run by.
pub fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(compiled)
}

/// Compiled once for each of its texts: a script would take more processor time than the server.
fn compiled() -> PathBuf {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/standin");
    let mut hash = DefaultHasher::new();
    let mut files: Vec<_> = std::fs::read_dir(&sources)
        .expect("the stand-in")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    files.sort();
    for file in files {
        std::fs::read(file).expect("a file").hash(&mut hash);
    }
    let done = scratch(&format!("docker-{:x}", hash.finish()));
    // Where the system has what it takes: then it runs in any container, too.
    for linked in ["+crt-static", "-crt-static"] {
        if done.exists() {
            break;
        }
        // Made beside it and moved there: tests side by side may make the same one.
        let part = done.with_extension(std::process::id().to_string());
        let mut rustc = Command::new("rustc");
        rustc
            .args([
                "--edition",
                "2024",
                "-O",
                "-C",
                "strip=symbols",
                "-A",
                "warnings",
            ])
            .args(["-C", &format!("target-feature={linked}"), "-o"])
            .args([&part, &sources.join("docker.rs")])
            .current_dir(env!("CARGO_MANIFEST_DIR"));
        if rustc.status().expect("cargo has its rustc").success() {
            std::fs::rename(&part, &done).expect("its place");
        }
    }
    assert!(done.exists(), "the stand-in cannot be compiled");
    done
}

/// A server of one toolchain, unless the flags name others, and its stand-in's directory.
pub fn start(name: &str, flags: &[&str]) -> (Server, PathBuf) {
    let (dir, docker) = standin(name);
    let mut all = vec!["--docker", &docker, "--zig-versions", "0.16.0"];
    all.extend(flags);
    (Server::start(name, &all), dir)
}

/// An address whose port was free a moment ago, outside of the ports that connections are given.
pub fn free_address(nth: u16) -> SocketAddr {
    let from = 20_000 + (std::process::id() as u16 % 500) * 20 + nth;
    let mut ports = (from..32_000).map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
    let free = ports.find(|to| TcpListener::bind(to).is_ok());
    free.expect("a free port")
}

/// A server of two toolchains at that address, whose log goes on in that file.
pub fn spawn_at(to: SocketAddr, data: &Path, docker: &str, log: &Path) -> Child {
    let log = File::options().append(true).create(true).open(log);
    let mut command = Command::new(env!("CARGO_BIN_EXE_zigcheck"));
    command
        .arg("--data")
        .arg(data)
        .args(["--listen", &to.to_string(), "--docker", docker])
        .args(["--zig-versions", "0.17.1,0.16.0", "--max-builds", "3"])
        .env(FETCH_NETWORK.0, FETCH_NETWORK.1)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log.expect("a log"));
    ends_with_its_parent(&mut command, Signal::KILL);
    command.spawn().expect("the binary is built")
}

/// As `spawn_at`, once it takes connections.
pub fn listening(to: SocketAddr, data: &Path, docker: &str, log: &Path) -> Child {
    let child = spawn_at(to, data, docker, log);
    let begun = Instant::now();
    while TcpStream::connect(to).is_err() {
        assert!(begun.elapsed() < PATIENCE, "it never listens");
        std::thread::sleep(Duration::from_millis(20));
    }
    child
}

/// Ends the builds of `slowly`, those that run and those to come.
pub fn let_go(dir: &Path) {
    std::fs::write(dir.join("state.go"), "").expect("a file");
}

/// Until a container of that build has all of its source: from then on it needs no client. Gives its name.
pub fn has_its_source(dir: &Path, build: i64) -> String {
    let begun = Instant::now();
    loop {
        let calls = std::fs::read_to_string(dir.join("state.calls")).unwrap_or_default();
        let mut names = calls.lines().filter_map(|line| line.strip_prefix("whole "));
        if let Some(name) = names.find(|name| name.contains(&format!("-{build}-"))) {
            return name.to_string();
        }
        assert!(begun.elapsed() < PATIENCE, "never whole: {calls}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A tree for packages of which the name alone counts, and no other's: what was built once need
/// not be built again.
pub fn tree() -> PathBuf {
    static TREES: AtomicU32 = AtomicU32::new(0);
    let number = TREES.fetch_add(1, Ordering::Relaxed);
    let name = format!("standin-tree-{number}");
    archive(&name, &[("build.zig", &format!("// {name}\n"))])
}

pub fn check(server: &Server, package: &str) -> i64 {
    server.upload(&tree(), &format!("name={package}"))
}
