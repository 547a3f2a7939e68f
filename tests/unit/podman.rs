//! What podman gets as arguments, beside what docker gets.

use std::path::PathBuf;

use crate::common::settings::settings;
use zigcheck::app::domain::ids::BuildId;
use zigcheck::app::engine::docker::{ContainerInput, Docker, SourceFile};
use zigcheck::app::engine::kind::EngineKind;
use zigcheck::app::engine::routing::Place;

/// The arguments of a fetch of dependencies and of a build.
fn arguments(kind: EngineKind) -> [Vec<String>; 2] {
    let mut docker = Docker::new(&settings(&[]), "d1", "secret");
    docker.set_kind(Place::Here, kind);
    let source = SourceFile {
        path: PathBuf::from("/s/source"),
        format: "tar.zst".to_string(),
        bytes: 12,
        sha256: "ab".repeat(32),
    };
    let input = ContainerInput {
        dir: None,
        record_id: docker.record_id(BuildId(7), 1),
        package: "p",
        zig_version: "0.16.0",
        image: "sha256:aa",
        source: &source,
        dependencies: None,
        kept: None,
        kept_limit_bytes: 0,
    };
    let fetch = docker.fetch_dependencies("name", &input);
    [fetch.argv, docker.build("name", &input).argv]
}

/// The words that only the first has.
fn more_than(argv: &[String], other: &[String]) -> Vec<String> {
    let more = argv.iter().filter(|word| !other.contains(word));
    let tmpfs = |word: &String| match word.split_once(",size=") {
        Some((_, rest)) => rest.trim_start_matches(char::is_numeric).to_string(),
        None => word.clone(),
    };
    more.map(tmpfs).collect()
}

#[test]
fn podman_gets_the_arguments_that_it_takes() {
    let [fetch, build] = arguments(EngineKind::Podman);
    let [docker_fetch, docker_build] = arguments(EngineKind::Docker);
    let always = [
        ",mode=0755,notmpcopyup,U",
        "--read-only-tmpfs=false",
        "--ulimit=nproc=32768:32768",
    ];
    assert_eq!(more_than(&fetch, &docker_fetch), always);
    let mut of_build = more_than(&build, &docker_build);
    of_build.sort_unstable();
    let mut wanted = vec![
        "--add-host=localhost:127.0.0.1",
        "--add-host=localhost:::1",
        "--log-driver=k8s-file",
    ];
    wanted.splice(0..0, always);
    wanted.sort_unstable();
    assert_eq!(of_build, wanted);
    let of_docker = [
        ",nr_inodes=262144,mode=0755,uid=1000,gid=1000",
        "--log-driver=local",
        "--log-opt=max-file=1",
        "--log-opt=compress=false",
    ];
    assert_eq!(more_than(&docker_build, &build), of_docker);
}
