//! The containers of builds, started without a server: what its own cost is measured against.

use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::common::pack::sha256;
use zigcheck::app::engine::docker::{Docker, SourceFile};
use zigcheck::app::engine::routing::Place;
use zigcheck::config::commands::Invocation;
use zigcheck::config::flags;
use zigcheck::config::settings::{Machine, Settings};
use zigcheck::interface::event;

/// Those of a server without a flag.
pub fn settings() -> Settings {
    let cpus = std::thread::available_parallelism().map_or(1, |n| n.get());
    let machine = Machine {
        cpus,
        memory_bytes: u64::MAX,
    };
    match flags::parse([], &|_| None, machine) {
        Ok(Invocation::Serve(settings)) => *settings,
        other => panic!("{other:?}"),
    }
}

/// An archive as `packed` makes it.
pub fn source_of(tree: &Path) -> SourceFile {
    let bytes = std::fs::read(tree).expect("the tree");
    SourceFile {
        path: tree.to_path_buf(),
        format: "tar.gz".to_string(),
        bytes: bytes.len() as u64,
        sha256: sha256(&bytes),
    }
}

/// Starts a container and gives it its input.
pub fn spawn(command: event::Command) -> Child {
    let mut child = Command::new(&command.argv[0])
        .args(&command.argv[1..])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("docker is installed");
    let mut stdin = child.stdin.take().expect("it is piped");
    for part in command.stdin {
        let bytes = match part {
            event::Input::Bytes(bytes) => bytes,
            event::Input::File(path) => std::fs::read(path).expect("the tree"),
        };
        stdin.write_all(&bytes).expect("the container takes it");
    }
    child
}

pub fn remove(docker: &Docker, names: &[String]) {
    let remove = docker.remove(Place::Here, names);
    let _ = Command::new(&remove.argv[0])
        .args(&remove.argv[1..])
        .output();
}
