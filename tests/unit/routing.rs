//! Where commands go when builds run on another machine, and what becomes of the server when that is away.

use crate::common::core::{Inside, Memory};
use crate::common::core_steps::framed;
use crate::common::engine::scripted::Scripted;
use crate::common::pack;
use crate::common::settings::settings;
use serde_json::json;
use std::path::Path;
use zigcheck::app::domain::ids::{BuildId, CheckId, PackageId};
use zigcheck::app::engine::docker::Docker;
use zigcheck::app::engine::limits::CLEANUP_DELAY_MS;
use zigcheck::app::engine::routing::{Place, Routing};
use zigcheck::config::launcher::{Launcher, SshHost, check_ssh_directory};
use zigcheck::config::settings::Settings;

const ONE: &str = "zigcheck-1-1";
const FAR: [&str; 2] = ["--launcher=ssh:root@n1:2222", "--data=/d"];

fn on_n1(settings: &mut Settings) {
    settings.launcher = Launcher::Ssh(SshHost::read("n1").unwrap());
}

/// A server whose builds run on another machine.
fn begun(name: &str) -> (Inside, Memory) {
    let memory = Memory::new(name);
    let inside = Inside::with(name, memory.open(), on_n1);
    (inside, memory)
}

fn upload(inside: &mut Inside) {
    inside.upload(&pack::tar(&[pack::file("build.zig", b"a")]));
}

fn names(engine: &Scripted) -> Vec<String> {
    engine.all()
}

#[test]
fn what_a_container_is_for_says_where_it_is() {
    let docker = Docker::new(&settings(&FAR), "d1", "secret");
    let (build, check, package) = (BuildId(7), CheckId(7), PackageId(7));
    let table = [
        (docker.build_container(build, 1), Place::Node),
        (docker.targets_container(build, 1, false), Place::Node),
        (docker.targets_container(build, 1, true), Place::Here),
        (docker.fetch_container(build, 1), Place::Here),
        (docker.source_container(check, 1), Place::Here),
        (docker.remote_container(package, 1), Place::Here),
        (docker.commits_container(package, 1), Place::Here),
        ("zigcheck-d1-probe".to_string(), Place::Here),
        ("zigcheck-d1-".to_string(), Place::Here),
        ("7-1".to_string(), Place::Here),
        (String::new(), Place::Here),
    ];
    let local = Routing::new(&settings(&[]), "d1");
    assert_eq!(local.places(), [Place::Here]);
    assert_eq!(docker.routing().places(), [Place::Here, Place::Node]);
    for (name, place) in table {
        assert_eq!(docker.routing().place_of(&name), place, "{name}");
        assert_eq!(local.place_of(&name), Place::Here, "{name}");
        let client: &[&str] = match place {
            Place::Here => &["docker"],
            Place::Node => &["docker", "--host=unix:///d/ssh/engine"],
            Place::Cluster => unreachable!("there is none"),
        };
        let about = [
            docker.kill(&name),
            docker.inspect(&name),
            docker.logs(&name, true),
            docker.peak_memory(&name),
        ];
        for command in about {
            assert_eq!(&command.argv[..client.len()], client, "{command:?}");
        }
    }
    for (place, words) in [(Place::Here, 1), (Place::Node, 2)] {
        for command in [
            docker.info(place),
            docker.list_images(place),
            docker.list_containers(place),
            docker.remove(place, &[]),
        ] {
            let is_far = command.argv[1].starts_with("--host=");
            assert_eq!((is_far, is_far), (words == 2, place == Place::Node));
        }
    }
}

#[test]
fn the_containers_of_an_attempt_are_removed_where_each_is() {
    let docker = Docker::new(&settings(&FAR), "d1", "secret");
    let fetch = docker.fetch_container(BuildId(7), 1);
    let build = docker.build_container(BuildId(7), 1);
    let words = |names: &[String]| -> Vec<String> {
        let removals = docker.removals(names);
        removals.iter().map(|it| it.argv.join(" ")).collect()
    };
    let (here, there) = (
        format!("docker rm --force --volumes {fetch}"),
        format!("docker --host=unix:///d/ssh/engine rm --force --volumes {build}"),
    );
    assert_eq!(words(&[build.clone(), fetch.clone()]), [&*here, &there]);
    assert_eq!(words(&[build]), [there]);
    assert_eq!(words(&[fetch]), [here]);
    assert!(words(&[]).is_empty());
}

/// Nothing of a user's or of the system's configuration, no question to anybody, a line that notices its death.
#[test]
fn ssh_is_told_everything() {
    let argv = Docker::new(&settings(&FAR), "d1", "secret").connect().argv;
    let text = argv.join(" ");
    assert!(text.starts_with("ssh -F none -f -N -T -a -x -o BatchMode=yes "));
    assert!(
        text.ends_with(" -L /d/ssh/engine:/var/run/docker.sock ssh://root@n1:2222"),
        "{text}"
    );
    for option in [
        "ConnectTimeout=10",
        "ServerAliveInterval=5",
        "ServerAliveCountMax=3",
        "ControlMaster=auto",
        "ControlPath=/d/ssh/control",
        "ControlPersist=no",
        "ExitOnForwardFailure=yes",
        "StreamLocalBindUnlink=yes",
        "StreamLocalBindMask=0177",
        "IdentitiesOnly=yes",
        "IdentityAgent=none",
        "IdentityFile=/d/ssh/id_ed25519",
        "StrictHostKeyChecking=yes",
        "UserKnownHostsFile=/d/ssh/known_hosts",
        "GlobalKnownHostsFile=none",
    ] {
        let at = argv.iter().position(|word| word == option);
        assert_eq!(argv[at.expect(option) - 1], "-o");
    }
    let local = Docker::new(&settings(&[]), "d1", "secret");
    assert!(local.connect().argv.is_empty());
}

#[test]
fn a_path_that_cannot_hold_sockets_is_refused() {
    let data = |bytes: usize| format!("/{}", "a".repeat(bytes - 1));
    // With `/ssh` behind it.
    assert_eq!(check_ssh_directory(Path::new(&data(78))), Ok(()));
    assert_eq!(
        check_ssh_directory(Path::new("/var/lib/zig-check_1.0+2")),
        Ok(())
    );
    for path in [&*data(79), "data", "/a b", "/a:b", "/a%b", "/a$b", "/ä", ""] {
        let error = check_ssh_directory(Path::new(path)).expect_err(path);
        assert!(error.starts_with(&format!("--data {path}: ")), "{error}");
    }
}

#[test]
fn builds_run_there_and_fetches_here_each_in_an_image_of_its_machine() {
    let (mut inside, _memory) = begun("routing-both");
    inside.submit("a");
    assert_eq!(names(&inside.engine), ["zigcheck-source-1-1"]);
    assert!(names(inside.engine.node()).is_empty());
    inside.source_is("zigcheck-source-1-1", b"tar", true);
    assert_eq!(names(&inside.engine), ["zigcheck-fetch-1-1"]);
    let runs = |engine: &Scripted| -> Vec<String> {
        let asked = engine.asked.iter().filter(|it| it.starts_with("run "));
        asked.cloned().collect()
    };
    let here = runs(&inside.engine);
    assert_eq!(here.len(), 2);
    assert!(here.iter().all(|it| it.contains(" sha256:a /usr/lib/")));
    assert!(runs(inside.engine.node()).is_empty());
    let said = framed(json!({"dependencies": "unreachable"}), b"");
    inside.logs("zigcheck-fetch-1-1", "without a line end");
    inside.container_ends("zigcheck-fetch-1-1", &said, 0);
    assert_eq!(names(inside.engine.node()), [ONE]);
    let [there] = &runs(inside.engine.node())[..] else {
        panic!("one build");
    };
    let words: Vec<&str> = there.split(' ').collect();
    assert!(words.contains(&"--network=none") && words.contains(&"sha256:a-there"));
    inside.logs(ONE, "words\n");
    inside.build_succeeds(ONE);
    inside.is(1, "finished", "success", None, 1);
    let wanted = "without a line end\n[zigcheck: on node n1]\nwords\n";
    assert_eq!(inside.log(1), wanted);
    assert_eq!(inside.build(1)["node"], "n1");
    let page = inside.curl("/builds/1");
    assert!(
        page.lines()
            .any(|line| line.starts_with("node ") && line.ends_with(" n1")),
        "{page}"
    );
    let left = [names(&inside.engine), names(inside.engine.node())].concat();
    assert!(left.iter().all(|it| !it.ends_with("-1-1")), "{left:?}");
    assert!(inside.engine.asked.iter().all(|it| !it.contains(ONE)));
}

#[test]
fn a_machine_that_is_away_is_named_and_its_builds_are_adopted() {
    let (mut inside, memory) = begun("routing-away");
    upload(&mut inside);
    assert_eq!(names(inside.engine.node()), [ONE]);
    inside.engine.node().up = false;
    inside
        .engine
        .node()
        .client_ends(ONE, 125, "error waiting for container: unexpected EOF\n");
    inside.pump();
    let health = inside.request("GET", "/api/health", &[], b"");
    let text = String::from_utf8(health.body).unwrap();
    assert_eq!(health.status, 503, "{text}");
    assert!(text.contains("node n1: Cannot connect"), "{text}");
    inside.is(1, "building", "pending", None, 1);
    // A restart changes nothing about it.
    let mut inside = inside.restarted(&memory);
    inside.is(1, "building", "pending", None, 1);
    assert_eq!(inside.build(1)["node"], "n1");
    inside.engine.node().up = true;
    inside.pass_step_by_step(60_000);
    assert_eq!(inside.request("GET", "/api/health", &[], b"").status, 200);
    inside.build_succeeds(ONE);
    inside.pass_step_by_step(60_000);
    inside.is(1, "finished", "success", None, 1);
    // It was read anew from where the container began.
    assert_eq!(inside.log(1), "[zigcheck: on node n1]\n");
    assert!(names(inside.engine.node()).is_empty());
}

#[test]
fn leftovers_are_removed_where_they_are() {
    let (mut inside, _memory) = begun("routing-left");
    upload(&mut inside);
    inside.engine.data_id = inside.engine.node().data_id.clone();
    // One of an earlier run whose builds were here; its name is that of the build that runs there.
    inside.engine.has_stray(ONE);
    inside.engine.has_stray("zigcheck-source-8-1");
    inside.engine.node().has_stray("zigcheck-9-1");
    inside.pass_step_by_step(2 * CLEANUP_DELAY_MS);
    assert!(names(&inside.engine).is_empty());
    assert_eq!(names(inside.engine.node()), [ONE]);
    // A cancelled build is killed there.
    inside.as_admin("DELETE", "/api/builds/1", b"");
    inside.pump();
    assert!(names(inside.engine.node()).is_empty());
}

#[test]
fn a_version_needs_an_image_on_both() {
    let (mut inside, _memory) = begun("routing-image");
    assert_eq!(inside.request("GET", "/api/health", &[], b"").status, 200);
    inside.engine.node().set_image("0.16.0", None);
    inside.pass(60_000);
    let health = inside.json("/api/health");
    assert_eq!(health["missing_images"], json!(["zigcheck:0.16.0"]));
    let id = Some("sha256:a-there".to_string());
    inside.engine.node().set_image("0.16.0", id);
    inside.engine.set_image("0.15.2", None);
    inside.pass(60_000);
    let health = inside.json("/api/health");
    assert_eq!(health["missing_images"], json!(["zigcheck:0.15.2"]));
}

#[test]
fn a_launcher_is_read_strictly() {
    let launcher = |value: &str| zigcheck::config::values::launcher(value);
    assert_eq!(launcher("local"), Ok(Launcher::Local));
    assert_eq!(launcher("slurm"), Ok(Launcher::Slurm));
    for (value, name) in [
        ("ssh:n1", "n1"),
        ("ssh:build_er@n1.example.org:2222", "n1.example.org"),
        ("ssh:10.0.0.7", "10.0.0.7"),
    ] {
        let Ok(Launcher::Ssh(host)) = launcher(value) else {
            panic!("{value}");
        };
        assert_eq!(format!("ssh:{}", host.destination), value);
        assert_eq!(host.name, name);
    }
    let long = format!("ssh:{}", "a".repeat(254));
    for value in [
        "",
        "ssh",
        "ssh:",
        "ssh:-oProxyCommand=x",
        "ssh:a@-b",
        "ssh:@a",
        "ssh:a@",
        "ssh:a:0",
        "ssh:a:65536",
        "ssh:a:",
        "ssh:a b",
        "ssh:a/b",
        "ssh:a;b",
        "ssh:a@b@c",
        "ssh:[::1]",
        "slurm:",
        "slurm:n1",
        "Slurm",
        "Local",
        "ssh:ä",
        &long,
    ] {
        assert!(launcher(value).is_err(), "{value}");
    }
}

#[test]
fn a_build_of_this_machine_has_no_node() {
    let (mut inside, memory) = begun("routing-none");
    upload(&mut inside);
    assert_eq!(inside.build(1)["node"], "n1");
    // Its container is not found here: another attempt begins, whose place is its own.
    let local = |settings: &mut Settings| settings.launcher = Launcher::Local;
    let mut inside = inside.restarted_with(&memory, local);
    inside.pass_step_by_step(60_000);
    assert_eq!(inside.engine.running(), ["zigcheck-1-2"]);
    assert_eq!(inside.build(1)["node"], json!(null));
    let log = inside.log(1);
    assert_eq!(log.matches("on node").count(), 1, "{log}");
}
