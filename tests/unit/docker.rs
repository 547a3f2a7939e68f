//! The argument lists of containers, and what an engine's answers mean.

use crate::common::settings::settings;
use serde_json::{Value, json};
use std::path::PathBuf;
use zigcheck::app::domain::ids::{BuildId, CheckId, PackageId};
use zigcheck::app::engine::container_state::{ContainerState, container_state};
use zigcheck::app::engine::docker::{ContainerInput, Docker, SourceFile};
use zigcheck::app::engine::listings;
use zigcheck::app::engine::routing::Place;
use zigcheck::interface::event::{Command, Exit, Input};

const IMAGE: &str = "sha256:aa";
const URL: &str = "https://github.com/a/b";

fn file(name: &str) -> SourceFile {
    SourceFile {
        path: PathBuf::from(name),
        format: "tar.zst".to_string(),
        bytes: 12,
        sha256: "ab".repeat(32),
    }
}

/// The three commands that make a container: fetch the source, the dependencies, build.
fn containers(flags: &[&str]) -> [Command; 3] {
    let docker = Docker::new(&settings(flags), "d1", "secret");
    let source = file("/s/source");
    let dependencies = file("/s/dependencies");
    let mut task = ContainerInput {
        dir: Some("lib/a"),
        record_id: docker.record_id(BuildId(7), 2),
        package: "p",
        zig_version: "0.16.0",
        image: IMAGE,
        source: &source,
        dependencies: None,
        kept: None,
        kept_limit_bytes: 0,
    };
    let fetch = docker.fetch_dependencies(&docker.fetch_container(BuildId(7), 2), &task);
    let kept = file("/s/kept");
    task.dependencies = Some(&dependencies);
    (task.kept, task.kept_limit_bytes) = (Some(&kept), 9);
    [
        docker.fetch_source(
            &docker.source_container(CheckId(3), 1),
            CheckId(3),
            IMAGE,
            URL,
            Some("v1"),
            &[],
        ),
        fetch,
        docker.build(&docker.build_container(BuildId(7), 2), &task),
    ]
}

/// The one word that begins so, without its beginning.
#[track_caller]
fn value<'c>(command: &'c Command, flag: &str) -> &'c str {
    let mut found = command
        .argv
        .iter()
        .filter_map(|word| word.strip_prefix(flag));
    let value = found
        .next()
        .unwrap_or_else(|| panic!("no {flag} in {:?}", command.argv));
    assert_eq!(found.next(), None, "{flag} twice");
    value
}

#[test]
fn a_build_has_no_network_whatever_the_settings() {
    for network in ["bridge", "host", "none", "mine"] {
        let flag = format!("--fetch-network={network}");
        let [source, fetch, build] = containers(&[&flag]);
        assert_eq!(value(&build, "--network="), "none");
        assert_eq!(value(&source, "--network="), network);
        assert_eq!(value(&fetch, "--network="), network);
        assert!(
            !build
                .argv
                .iter()
                .any(|word| word == "--net" || word.starts_with("--net="))
        );
    }
}

#[test]
fn what_fetches_is_told_what_it_may_reach() {
    for (network, guarded) in [("bridge", "no"), ("host", "no"), ("zigcheck-fetch", "yes")] {
        for (hosts, told) in [("*", "*"), ("a.example, [::1]", "a.example,[::1]")] {
            let flags = [
                &*format!("--fetch-network={network}"),
                &format!("--allow-hosts={hosts}"),
            ];
            let [source, fetch, build] = containers(&flags);
            let docker = Docker::new(&settings(&flags), "d1", "secret");
            let probe = docker.probe_network("sha256:aa");
            for command in [&source, &fetch, &probe] {
                assert_eq!(value(command, "--env=ZIGCHECK_GUARDED="), guarded);
                assert_eq!(value(command, "--env=ZIGCHECK_HOSTS="), told);
            }
            assert!(!build.argv.iter().any(|word| word.starts_with("--env")));
        }
    }
}

#[test]
fn the_probe_of_a_network_is_in_it_and_leaves_nothing() {
    let docker = Docker::new(&settings(&["--fetch-network=mine"]), "d1", "secret");
    let probe = docker.probe_network("sha256:aa");
    assert_eq!(probe.argv[..3], ["docker", "run", "--rm"]);
    assert_eq!(value(&probe, "--network="), "mine");
    assert_eq!(value(&probe, "--name="), "zigcheck-d1-probe");
    assert!(probe.argv.contains(&"--label=zigcheck.data=d1".to_string()));
    assert_eq!(value(&probe, "--cap-drop="), "ALL");
    let end = ["sha256:aa", "/usr/lib/zigcheck/probe-network"];
    assert!(probe.argv.ends_with(&end.map(str::to_string)));
}

#[test]
fn every_container_is_held_in_the_same_bounds() {
    let flags = ["--memory=512m", "--cpus=1.5", "--docker=podman"];
    for command in containers(&flags) {
        assert_eq!(command.argv[..2], ["podman", "run"]);
        let memory = (512u64 << 20).to_string();
        assert_eq!(value(&command, "--memory="), memory);
        assert_eq!(
            value(&command, "--memory-swap="),
            memory,
            "no swap beside it"
        );
        assert_eq!(value(&command, "--cpus="), "1.5");
        let shares: u32 = value(&command, "--cpu-shares=").parse().expect("a number");
        assert!(shares < 1024 / 4, "four builds weigh less than the server");
        assert_eq!(value(&command, "--pids-limit="), "512");
        assert_eq!(value(&command, "--pull="), "never");
        assert_eq!(value(&command, "--user="), "1000:1000");
        assert_eq!(value(&command, "--cap-drop="), "ALL");
        assert_eq!(value(&command, "--security-opt="), "no-new-privileges");
        assert_eq!(value(&command, "--ipc="), "private");
        let mut limits: Vec<&str> = command
            .argv
            .iter()
            .filter_map(|word| word.strip_prefix("--ulimit="))
            .collect();
        limits.sort_unstable();
        // Shared memory is a part of the disk.
        let shm = 64 << 20;
        assert_eq!(value(&command, "--shm-size="), shm.to_string());
        let disk = (256 << 20) - shm;
        let fsize = format!("fsize={disk}:{disk}");
        assert_eq!(limits, ["core=0:0", &fsize, "nofile=4096:4096"]);
        for word in [
            "--read-only",
            "--interactive",
            "--init",
            "--sig-proxy=false",
        ] {
            assert_eq!(value(&command, word), "");
        }
        // The disk is a part of the memory, and leaves some of it.
        let tmpfs = value(&command, "--tmpfs=/work:");
        assert!(tmpfs.contains(&format!("size={disk},")), "{tmpfs}");
        assert!(
            tmpfs.contains("nosuid") && tmpfs.contains("nodev"),
            "{tmpfs}"
        );
    }
}

#[test]
fn only_a_container_without_network_has_a_loopback_of_its_own() {
    let [source, fetch, build] = containers(&[]);
    let loopback = |command: &Command| {
        let sysctls = command
            .argv
            .iter()
            .filter(|word| word.starts_with("--sysctl") || word.starts_with("--add-host"));
        sysctls.cloned().collect::<Vec<String>>()
    };
    assert_eq!(value(&build, "--network="), "none");
    assert_eq!(
        loopback(&build),
        [
            "--sysctl=net.ipv6.conf.all.disable_ipv6=0",
            "--add-host=zigcheck:127.0.1.1"
        ]
    );
    for command in [&source, &fetch] {
        assert_eq!(loopback(command), [""; 0]);
    }
}

#[test]
fn nothing_of_the_host_is_given_to_a_container() {
    let given = [
        "-v",
        "--volume",
        "--mount",
        "--privileged",
        "--device",
        "--cap-add",
        "--pid",
        "--uts",
        "--userns",
        "--env",
        "-e",
        "--env-file",
        "--publish",
        "-p",
        "--volumes-from",
        "--rm",
        "--tty",
        "-t",
        "--add-host",
        "--group-add",
        "--restart",
    ];
    for command in containers(&[]) {
        for word in &command.argv {
            // What a fetch may reach; with its value, or it would be the host's.
            if word.starts_with("--env=ZIGCHECK_HOSTS=")
                || word.starts_with("--env=ZIGCHECK_GUARDED=")
                || word == "--add-host=zigcheck:127.0.1.1"
            {
                continue;
            }
            let name = word.split('=').next().unwrap_or("");
            assert!(name != "--ipc" || word == "--ipc=private", "{word}");
            assert!(!given.contains(&name), "{word}");
        }
    }
}

#[test]
fn names_and_labels_say_whose_a_container_is() {
    let [source, fetch, build] = containers(&[]);
    assert_eq!(value(&build, "--name="), "zigcheck-d1-7-2");
    assert_eq!(value(&fetch, "--name="), "zigcheck-d1-fetch-7-2");
    assert_eq!(value(&source, "--name="), "zigcheck-d1-source-3-1");
    for command in [&fetch, &build] {
        assert_eq!(value(command, "--label=zigcheck.build="), "7");
    }
    assert_eq!(value(&source, "--label=zigcheck.check="), "3");
    for command in [&source, &fetch, &build] {
        assert_eq!(value(command, "--label=zigcheck.data="), "d1");
    }
}

/// Ids of data directories are hexadecimal and of one length.
#[test]
fn no_two_containers_have_the_same_name() {
    let mut names = Vec::new();
    for data_id in ["0123abcd", "fedcba98"] {
        let docker = Docker::new(&settings(&[]), data_id, "secret");
        for (id, attempt) in [(1, 11), (11, 1), (1, 1)] {
            names.extend([
                docker.build_container(BuildId(id), attempt),
                docker.fetch_container(BuildId(id), attempt),
                docker.source_container(CheckId(id), attempt),
                docker.remote_container(PackageId(id), attempt),
            ]);
        }
    }
    assert!(names.iter().all(|name| name.len() <= 63), "{names:?}");
    let count = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), count, "{names:?}");
}

#[test]
fn what_runs_in_a_container_comes_behind_the_image() {
    let behind = |command: &Command, image: &str| {
        let at = command.argv.iter().position(|word| word == image).unwrap();
        command.argv[at + 1..].to_vec()
    };
    let [source, fetch, build] = containers(&[]);
    assert_eq!(behind(&build, IMAGE), ["/usr/lib/zigcheck/build"]);
    assert_eq!(behind(&fetch, IMAGE), ["/usr/lib/zigcheck/fetch-deps"]);
    let script = "/usr/lib/zigcheck/fetch-source";
    assert_eq!(behind(&source, IMAGE), [script, URL, "v1"]);
    let docker = Docker::new(&settings(&[]), "d1", "secret");
    let bare = docker.fetch_source(
        &docker.source_container(CheckId(3), 1),
        CheckId(3),
        IMAGE,
        URL,
        None,
        &[],
    );
    assert_eq!(behind(&bare, IMAGE), [script, URL]);
    let asked = ["a".repeat(40), "b".repeat(40)];
    let bare = docker.fetch_source("name", CheckId(3), IMAGE, URL, None, &asked);
    let words = [script, URL, "HEAD", &asked[0], &asked[1]];
    assert_eq!(behind(&bare, IMAGE), words);
}

/// A server that was restarted knows what it told a container; a package learns nothing from what
/// another was told.
#[test]
fn each_attempt_has_a_nonce_of_its_own() {
    let docker = |secret: &str| Docker::new(&settings(&[]), "d1", secret);
    let record_id = |secret: &str, build, attempt| docker(secret).record_id(build, attempt);
    assert_eq!(
        record_id("secret", BuildId(7), 1),
        record_id("secret", BuildId(7), 1)
    );
    let mut nonces: Vec<String> = [
        ("secret", 7, 1),
        ("secret", 7, 2),
        ("secret", 71, 1),
        ("secret", 7, 11),
        ("another", 7, 1),
    ]
    .map(|(secret, build, attempt)| record_id(secret, BuildId(build), attempt).nonce)
    .to_vec();
    assert!(nonces.iter().all(|nonce| nonce.len() == 64));
    nonces.sort_unstable();
    nonces.dedup();
    assert_eq!(nonces.len(), 5);
}

#[test]
fn a_container_reads_its_task_and_then_its_files() {
    let [source, fetch, build] = containers(&[]);
    assert_eq!(source.stdin, []);
    let part = json!({"bytes": 12, "sha256": "ab".repeat(32), "format": "tar.zst"});
    let head = |deps: Value, kept: Value, limit: u64| {
        json!({
            "build_id": 7, "nonce": Docker::new(&settings(&[]), "d1", "secret").record_id(BuildId(7), 2).nonce, "package_name": "p", "zig_version": "0.16.0",
            "dir": "lib/a", "silence_seconds": 300, "source": part, "deps": deps,
            "kept": kept, "kept_limit_bytes": limit
        })
    };
    let deps = json!({"bytes": 12, "sha256": "ab".repeat(32)});
    let input = |name: &str| Input::File(PathBuf::from(name));
    for (command, head, files) in [
        (
            fetch,
            head(Value::Null, Value::Null, 0),
            vec![input("/s/source")],
        ),
        (
            build,
            head(deps.clone(), deps, 9),
            Vec::from(["/s/source", "/s/dependencies", "/s/kept"].map(input)),
        ),
    ] {
        let Input::Bytes(line) = &command.stdin[0] else {
            panic!("{:?}", command.stdin)
        };
        let (end, line) = line.split_last().unwrap();
        assert_eq!(
            (*end, line.contains(&b'\n')),
            (b'\n', false),
            "the head is one line"
        );
        assert_eq!(serde_json::from_slice::<Value>(line).unwrap(), head);
        assert_eq!(command.stdin[1..], files);
    }
}

#[test]
fn short_commands_touch_only_what_is_ours() {
    let docker = Docker::new(&settings(&[]), "d1", "secret");
    let names = ["zigcheck-1-1".to_string(), "zigcheck-2-1".to_string()];
    for (command, words) in [
        (
            docker.list_images(Place::Here),
            "images --no-trunc --format={{.Repository}}:{{.Tag}} {{.ID}} zigcheck",
        ),
        (
            docker.list_containers(Place::Here),
            "ps --all --filter=label=zigcheck.data=d1 --format={{.Names}} {{.State}}",
        ),
        (
            docker.remove(Place::Here, &names),
            "rm --force --volumes zigcheck-1-1 zigcheck-2-1",
        ),
        (docker.kill(&names[0]), "kill zigcheck-1-1"),
        (
            docker.inspect(&names[0]),
            "inspect --type=container --format={{.State.OOMKilled}} {{.State.Status}} \
             {{.State.ExitCode}} zigcheck-1-1",
        ),
    ] {
        assert_eq!(command.argv.join(" "), format!("docker {words}"));
        assert_eq!(command.stdin, []);
    }
}

#[test]
fn images_are_known_by_version_and_id() {
    let answer = "zigcheck:0.16.0 sha256:aa\nlocalhost/zigcheck:0.15.2 sha256:bb\r\n\n\
        localhost/other/zigcheck:0.14.1 sha256:cc\nnot-zigcheck:0.1.0 sha256:dd\n\
        zigcheck/other:0.2.0 sha256:ee\nnonsense\nzigcheck sha256:ff\n";
    let images = listings::images(answer);
    let mut known: Vec<(&str, &str)> = images
        .iter()
        .map(|(v, image)| (v.as_str(), image.name.as_str()))
        .collect();
    known.sort();
    let wanted = [("0.15.2", "sha256:bb"), ("0.16.0", "sha256:aa")];
    assert_eq!(known, wanted);
    assert!(listings::images("").is_empty());
}

#[test]
fn containers_are_listed_one_a_line() {
    assert_eq!(
        listings::containers("zigcheck-1-1 exited\n\n zigcheck-2-1 \r\nzigcheck-3-1 removing\n"),
        ["zigcheck-1-1", "zigcheck-2-1"]
    );
    assert!(listings::containers("\n \n").is_empty());
}

#[test]
fn inspecting_a_container_gives_its_state() {
    let state = |answer: &str| container_state(Some(&Exit::Code(0)), answer, "");
    let exited = |code, oom_killed| ContainerState::Exited { code, oom_killed };
    for (answer, container) in [
        ("true exited 137\n", exited(137, true)),
        ("false exited 0\n", exited(0, false)),
        ("false dead 255", exited(255, false)),
        ("false stopped 3", exited(3, false)),
        ("false running 0\n", ContainerState::Running),
        ("false paused 0", ContainerState::Running),
        ("false restarting 0", ContainerState::Running),
        ("false stopping 0", ContainerState::Running),
        ("false created 0\n", ContainerState::Created),
        ("false initialized 0", ContainerState::Created),
        ("false removing 0", ContainerState::Gone),
    ] {
        assert_eq!(state(answer), container, "{answer}");
    }
    for odd in ["", "\n", "false", "false exited", "x y z"] {
        assert!(matches!(state(odd), ContainerState::Unknown(_)), "{odd}");
    }
}

#[test]
fn a_container_that_is_not_there_is_told_from_an_engine_that_is_not() {
    let state = |exit, words| container_state(Some(&exit), "", words);
    for gone in [
        "Error response from daemon: No such container: zigcheck-1-1\n",
        "Error: No such object: zigcheck-1-1",
        "Error: inspecting object: no such container zigcheck-1-1",
    ] {
        assert_eq!(state(Exit::Code(1), gone), ContainerState::Gone, "{gone}");
    }
    for silent in [
        "Cannot connect to the Docker daemon at unix:///var/run/docker.sock.",
        "dial unix /run/docker.sock: connect: no such file or directory",
        "",
    ] {
        let container = state(Exit::Code(1), silent);
        assert_eq!(container, ContainerState::Unknown(silent.to_string()));
        let killed = state(Exit::Signal(9), silent);
        assert_eq!(killed, ContainerState::Unknown(silent.to_string()));
    }
    let unseen = container_state(None, "false running 0", "");
    assert_eq!(unseen, ContainerState::Unknown(String::new()));
}

#[test]
fn the_scripts_have_the_limits_of_the_settings() {
    use zigcheck::app::builds::limits::DEPENDENCIES_LIMIT_BYTES;
    use zigcheck::app::source::limits::{
        ENTRIES_LIMIT, SUBMODULES_DEPTH_LIMIT, SUBMODULES_LIMIT, UNPACKED_LIMIT_BYTES,
    };
    use zigcheck::config::limits::SOURCE_LIMIT_BYTES;
    let source = include_str!("../../images/fetch-source");
    let dependencies = include_str!("../../images/fetch-deps");
    let files = format!("most_files={ENTRIES_LIMIT} ");
    for (script, line) in [
        (
            source,
            format!("limit=$(({} << 20)) ", SOURCE_LIMIT_BYTES >> 20),
        ),
        (source, files.clone()),
        (
            source,
            format!("most_bytes=$(({} << 20)) ", UNPACKED_LIMIT_BYTES >> 20),
        ),
        (source, format!("most_modules={SUBMODULES_LIMIT} ")),
        (source, format!("most_depth={SUBMODULES_DEPTH_LIMIT} ")),
        (
            dependencies,
            format!("limit=$(({} << 20)) ", DEPENDENCIES_LIMIT_BYTES >> 20),
        ),
        (dependencies, files),
    ] {
        assert!(script.contains(&line), "{line}");
    }
}
