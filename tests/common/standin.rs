//! A stand-in for the docker command, of its own for each test, and a server that uses it.
#![allow(dead_code)]

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::server::{Server, archive, scratch};

/// The stand-in's directory and its command: what it remembers is its own.
pub fn standin(name: &str) -> (PathBuf, String) {
    let dir = scratch(&format!("{name}-standin"));
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(dir.join("state")).expect("a directory");
    let script = dir.join("docker");
    let state = dir.join("state");
    let real = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/standin/docker");
    let text = std::fs::read_to_string(real).expect("the stand-in");
    let text = text.replacen('\n', &format!("\nSTANDIN={}\n", state.display()), 1);
    write_program(&script, &text);
    (dir, script.display().to_string())
}

/// Written beside and moved there: a program that is open for writing cannot be run.
pub fn write_program(path: &Path, text: &str) {
    let new = path.with_extension("new");
    std::fs::write(&new, text).expect("a file");
    std::fs::set_permissions(&new, std::fs::Permissions::from_mode(0o755)).expect("its owner");
    std::fs::rename(&new, path).expect("its place");
}

/// A server of one toolchain, unless the flags name others, and its stand-in's directory.
pub fn start(name: &str, flags: &[&str]) -> (Server, PathBuf) {
    let (dir, docker) = standin(name);
    let mut all = vec!["--docker", &docker, "--zig-versions", "0.16.0"];
    all.extend(flags);
    (Server::start(name, &all), dir)
}

/// Ends the builds of `slowly`, those that run and those to come.
pub fn let_go(dir: &Path) {
    std::fs::write(dir.join("state.go"), "").expect("a file");
}

/// A tree for packages of which the name alone counts.
pub fn tree() -> PathBuf {
    archive("standin-tree", &[("build.zig", "")])
}

/// A new check of a package that behaves as its name says.
pub fn check(server: &Server, package: &str) -> i64 {
    server.upload(&tree(), &format!("name={package}"))
}
