//! What is asked of Slurm, and how its answers are read, which are those of Slurm 22.05.

use std::collections::HashMap;

use crate::common::settings::settings;
use zigcheck::app::domain::ids::{BuildId, CheckId};
use zigcheck::app::engine::container_state::{ContainerState, container_state};
use zigcheck::app::engine::docker::Docker;
use zigcheck::app::engine::engine::{Engine, EngineAction};
use zigcheck::app::engine::engines::Engines;
use zigcheck::app::engine::listings::Image;
use zigcheck::app::engine::nodes::{Listing, NodeState};
use zigcheck::app::engine::routing::{Place, Routing};
use zigcheck::app::engine::slurm::{Cluster, node_of};
use zigcheck::config::limits::MAX_BUILDS;
use zigcheck::interface::event::{Command, Exit};

const FLAGS: [&str; 5] = [
    "--launcher=slurm",
    "--cpus=1.5",
    "--memory=512m",
    "--build-timeout=600",
    "--docker=podman",
];

fn docker() -> Docker {
    Docker::new(&settings(&FLAGS), "d1", "secret")
}

fn cluster() -> Cluster {
    Cluster::new(&settings(&FLAGS), "d1")
}

/// The words behind the script.
fn words(command: Command) -> String {
    let argv = &command.argv;
    assert_eq!((&*argv[0], &*argv[1], &*argv[3]), ("bash", "-c", "on_node"));
    argv[4..].join(" ")
}

#[test]
fn a_build_is_one_allocation_and_one_step_in_it() {
    let docker = docker();
    let name = docker.build_container(BuildId(7), 2);
    assert_eq!(docker.routing().place_of(&name), Place::Cluster);
    let lease = "d1/zigcheck-d1-7-2 zigcheck-d1-7-2";
    assert_eq!(
        words(docker.place(&name, "zigcheck:0.16.0")),
        format!("place {lease} -c2 --mem=576 -t70 -Czig-0.16.0")
    );
    let about = [
        (docker.inspect(&name), "docker inspect --type=container"),
        (docker.logs(&name, true), "docker logs --follow"),
        (docker.kill(&name), "docker kill"),
        (docker.peak_memory(&name), "docker exec"),
    ];
    for (command, expected) in about {
        let said = words(command);
        assert!(said.starts_with(&format!("{lease} {expected}")), "{said}");
    }
    let removals = docker.removals(&[name.clone(), docker.fetch_container(BuildId(7), 2)]);
    let [here, there] = &removals[..] else {
        panic!("{removals:?}");
    };
    assert_eq!(
        here.argv.join(" "),
        "podman rm --force --volumes zigcheck-d1-fetch-7-2"
    );
    assert_eq!(there.argv[3..], ["cancel".to_string(), name]);
}

#[test]
fn fetches_stay_on_this_machine() {
    let docker = docker();
    let fetch = docker.source_container(CheckId(7), 1);
    assert_eq!(docker.routing().place_of(&fetch), Place::Here);
    assert_eq!(docker.inspect(&fetch).argv[0], "podman");
    assert_eq!(docker.routing().places(), [Place::Here, Place::Cluster]);
    assert_eq!(docker.list_images(Place::Here).argv[0], "podman");
    let nodes = docker.list_images(Place::Cluster).argv;
    assert!(nodes[2].starts_with("sinfo -h -N "), "{nodes:?}");
    assert_eq!(docker.list_containers(Place::Cluster).argv[0], "squeue");
}

#[test]
fn answers_of_slurm_are_read() {
    assert_eq!(node_of("n1\n"), Some("n1"));
    for gone in ["", "\n", "n1\nn2\n", "<b>", "n1 n2"] {
        assert_eq!(node_of(gone), None, "{gone:?}");
    }
    let all = "d1/zigcheck-d1-1-1\nd10/zigcheck-d10-1-1\n(null)\nd1/zigcheck-d1-targets-2-1\n";
    assert_eq!(
        cluster().own_allocations(all),
        ["zigcheck-d1-1-1", "zigcheck-d1-targets-2-1"]
    );
    assert!(cluster().own_allocations("").is_empty());
    let listing = Listing::read(NODES, &cluster());
    let nodes = &listing.nodes;
    let states: Vec<_> = nodes.iter().map(|node| (&*node.name, node.state)).collect();
    let expected = [
        ("n1", NodeState::Busy),
        ("n2", NodeState::Drained),
        ("n3", NodeState::Down),
        ("n4", NodeState::Down),
        ("n5", NodeState::Idle),
    ];
    assert_eq!(states, expected);
    assert_eq!(nodes[1].reason, "disk is full | of it");
    let versions = ["0.14.1", "0.15.2", "0.16.0"];
    let expected = versions.map(|it| (it.to_string(), Image::named(format!("zigcheck:{it}"))));
    assert_eq!(listing.images(), Ok(HashMap::from(expected)));
    let none = Listing::read("", &cluster());
    assert_eq!(none.images(), Err("there are no nodes".to_string()));
    let down = "node|n4|down*|0/0/4/4|4000|zig,zig-0.14.1|Not responding\n";
    let down = Listing::read(down, &cluster()).images();
    let why = "no node answers: n4 is down: Not responding";
    assert_eq!(down, Err(why.to_string()));
}

/// A build takes two processors and 576 MiB.
const NODES: &str = "node|n2|drained|2/6/0/8|8000|zig,zig-0.16.0|disk is full | of it\n\
    node|n1|mixed|3/5/0/8|8000|zig,zig-0.15.2,zig-0.16.0|none\n\
    node|n1|mixed|3/5/0/8|8000|zig,zig-0.15.2,zig-0.16.0|none\n\
    node|n3|idle*|0/4/0/4|8000|zig|none\nnode|n4|down*|0/0/4/4|4000|zig,zig-0.14.1|Not responding\n\
    node|n5|idle|0/16/0/16|1800|(null)|none\nnode|odd|idle\n\
    wait|d1/zigcheck-d1-1-1|Resources\nwait|d2/zigcheck-d2-1-1|Resources\n\
    wait|d1/zigcheck-d1-2-1|None\nwait|(null)|Priority\n";

#[test]
fn slots_are_what_processors_and_memory_of_nodes_hold() {
    let listing = Listing::read(NODES, &cluster());
    let slots: Vec<_> = listing
        .nodes
        .iter()
        .map(|it| (it.slots, it.taken))
        .collect();
    assert_eq!(slots, [(4, 2), (4, 1), (2, 0), (2, 0), (3, 0)]);
    // What still runs on a node out of service counts, and nothing else of it.
    assert_eq!((listing.slots(), listing.taken()), (4 + 1 + 3, 3));
    assert_eq!(listing.count(NodeState::Down), 2);
    assert_eq!(listing.reason("zigcheck-d1-1-1"), Some("Resources"));
    assert_eq!(listing.reason("zigcheck-d1-2-1"), Some(""));
    assert_eq!(listing.reason("zigcheck-d2-1-1"), None);
}

#[test]
fn signs_behind_a_state_do_not_hide_it() {
    use NodeState::{Busy, Down, Drained, Idle};
    for (word, state) in [
        ("idle", Idle),
        ("idle*", Down),
        ("planned", Idle),
        ("mixed-", Busy),
        ("mixed+", Busy),
        ("allocated+", Busy),
        ("allocated*", Down),
        ("allocated+*", Down),
        ("completing", Busy),
        ("draining@", Drained),
        ("drained$", Drained),
        ("maint", Drained),
        ("down*", Down),
        ("unknown", Down),
        ("idle~", Down),
    ] {
        let line = format!("node|n1|{word}|2/6/0/8|8000|zig,zig-0.16.0|none\n");
        let listing = Listing::read(&line, &cluster());
        assert_eq!(listing.nodes[0].state, state, "{word}");
    }
}

#[test]
fn builds_start_only_in_images_that_nodes_in_service_have() {
    let listing = Listing::read(NODES, &cluster());
    let serves = |tag| listing.serves(tag);
    assert_eq!(["0.15.2", "0.14.1"].map(serves), [true, false]);
    // Known it is all the same: a node has it, and may come back.
    assert!(listing.images().unwrap().contains_key("0.14.1"));
    let drained = "node|n1|drained|0/8/0/8|8000|zig,zig-0.16.0|a new disk\n";
    assert!(Listing::read(drained, &cluster()).serves("0.16.0"));
}

#[test]
fn what_is_said_of_a_container_tells_a_node_from_its_container() {
    let state = |stderr: &str| container_state(Some(&Exit::Code(1)), "", stderr);
    let gone = "srun: error: n1: task 0: Exited with exit code 1\n\
        Error response from daemon: No such container: zigcheck-d1-1-1\n";
    assert_eq!(state(gone), ContainerState::Gone);
    let vacated = "no such allocation: zigcheck-d1-1-1\n";
    assert_eq!(state(vacated), ContainerState::Vacated);
    let away = "slurm_load_jobs error: Unable to contact slurm controller (connect failure)\n\
        the scheduler does not answer\n";
    assert_eq!(state(away), ContainerState::Unplaced);
    // `srun` says 0 of a node that died.
    let silent = container_state(Some(&Exit::Code(0)), "", "");
    assert!(matches!(silent, ContainerState::Unknown(_)));
}

#[test]
fn the_scheduler_answers_for_the_engines_of_its_nodes() {
    let mut cluster = Engine::of_cluster(&cluster());
    assert_eq!(cluster.refresh(), Some(EngineAction::ListImages));
    let answer = "node|n1|idle|0/8/0/8|8000|zig,zig-0.16.0|none\n".to_string();
    let next = cluster.answer(Ok(answer.clone()), 0);
    assert_eq!(next, Some(EngineAction::ListContainers));
    let allocations = "d1/zigcheck-d1-1-1\nd2/zigcheck-d2-1-1\n".to_string();
    let own = EngineAction::Remove(vec!["zigcheck-d1-1-1".to_string()]);
    assert_eq!(cluster.answer(Ok(allocations), 0), Some(own));
    assert_eq!(cluster.answer(Ok(String::new()), 0), None);
    assert!(cluster.is_ready());
    assert_eq!(cluster.listing().map(Listing::slots), Some(4));

    let _ = cluster.refresh();
    let down = "node|n1|down*|0/8/0/8|8000|zig,zig-0.16.0|Not responding\n".to_string();
    assert_eq!(cluster.answer(Ok(down), 0), None);
    let why = "the cluster: no node answers: n1 is down: Not responding";
    assert_eq!(cluster.latest(), Err(why));
    assert_eq!(cluster.refresh(), Some(EngineAction::ListImages));
    assert_eq!(
        cluster.answer(Ok(answer), 0),
        Some(EngineAction::ListContainers)
    );
}

#[test]
fn a_toolchain_is_this_machines_image_where_a_node_has_one_of_its_version() {
    let routing = Routing::new(&settings(&FLAGS), "d1");
    let mut engines = Engines::new(false, &routing);
    let asked: Vec<Place> = engines.refresh().iter().map(|(place, _)| *place).collect();
    assert_eq!(asked, [Place::Here, Place::Cluster]);
    let here = "zigcheck:0.16.0 sha256:a\nzigcheck:0.15.2 sha256:b\n";
    let info = r#"{"MemoryLimit": true, "SecurityOptions": ["name=seccomp"], "PidsLimit": true}"#;
    for answer in [info, here, ""] {
        engines.answer(Place::Here, Ok(answer.to_string()), 0);
    }
    assert!(!engines.is_ready());
    assert_eq!(engines.slots(64), 1);
    let nodes = "node|n1|idle|0/20/0/20|8000|zig,zig-0.16.0|none\n";
    for answer in [nodes, ""] {
        engines.answer(Place::Cluster, Ok(answer.to_string()), 0);
    }
    assert!(engines.is_ready());
    // A quarter more than the nodes hold.
    assert_eq!((engines.slots(64), engines.slots(7)), (12, 7));
    assert_eq!(engines.toolchain("0.16.0"), Some("sha256:a"));
    let both = ("zigcheck:0.16.0".to_string(), "sha256:a".to_string());
    assert_eq!(engines.images("0.16.0"), Some(both));
    assert_eq!(
        (engines.toolchain("0.15.2"), engines.images("0.15.2")),
        (None, None)
    );
    // With a recipe here, a node that has no image of it has none.
    let recipe = "0.16.0-0123456789abcdef";
    let here = format!("zigcheck:0.16.0 sha256:a\nzigcheck:{recipe} sha256:a\n");
    let old = "node|n1|idle|0/8/0/8|8000|zig,zig-0.16.0,zig-0.16.0-fedcba9876543210|none\n";
    let new = format!("node|n2|idle|0/8/0/8|8000|zig,zig-0.16.0,zig-{recipe}|none\n");
    for (nodes, image) in [
        (old.to_string(), None),
        (format!("{old}{new}"), Some(format!("zigcheck:{recipe}"))),
    ] {
        assert_eq!(engines.refresh().len(), 2);
        engines.answer(Place::Here, Ok(here.clone()), 0);
        engines.answer(Place::Cluster, Ok(nodes), 0);
        assert!(engines.is_ready());
        assert_eq!(engines.toolchain("0.16.0"), image.as_deref());
        let versions = ["0.16.0".to_string()];
        assert_eq!(engines.missing(&versions).count() == 1, image.is_none());
        let both = image.map(|image| (image.clone(), image));
        assert_eq!(engines.images("0.16.0"), both);
    }
    let placed = words(docker().place("zigcheck-d1-7-2", &format!("zigcheck:{recipe}")));
    assert!(placed.ends_with(&format!(" -Czig-{recipe}")), "{placed}");
    // The doubt in one is none in the other.
    engines.invalidate(Place::Cluster);
    assert!(engines.at(Place::Here).is_ready() && !engines.is_ready());
}

#[test]
fn the_clients_of_all_builds_have_ports() {
    let conf = include_str!("../../systemd/cluster/slurm.conf");
    let range = conf
        .lines()
        .find_map(|line| line.strip_prefix("SrunPortRange="));
    let range = range.expect("a range");
    let (first, last) = range.split_once('-').expect("two ports");
    let [first, last] = [first, last].map(|port| port.parse::<usize>().expect("a port"));
    // Three for each build, outside of those that Linux gives to connections.
    assert!(last - first + 1 >= 3 * *MAX_BUILDS.end(), "{range}");
    assert!(first > 60_999 && last < 65_536, "{range}");
    let manual = include_str!("../../docs/cluster.md");
    assert_eq!(
        manual.matches(range).count(),
        2,
        "the firewall and the table"
    );
}
