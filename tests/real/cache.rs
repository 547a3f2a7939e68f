//! Verdicts that are given again, and those that never are.

use std::collections::HashSet;

use crate::common::server::{Server, archive};
use crate::common::zig::build_zig;
use crate::exclusive::shared;
use crate::packages::{install_zig, said, server};

/// After this many runs of a coin, all of them agree once in two million times.
const RUNS_LIMIT: usize = 22;

#[test]
fn verdicts_that_differ_by_chance_are_marked_flaky() {
    let _machine = shared();
    let coin = build_zig("exit $(($(od -An -N1 -tu1 /dev/urandom) % 2))");
    let tree = archive("real-coin", &[("build.zig", &coin)]);
    let run = |query: &str| {
        let query = format!("name=coin&zig_versions=0.16.0{query}");
        let check = server().upload(&tree, &query);
        (server().finished(check).remove(0), server().matrix(check))
    };
    let (first, text) = run("");
    assert_eq!(first["cached"], false, "{first}");
    assert!(!text.contains("fresh"), "{text}");
    let (again, text) = run("");
    assert_eq!(
        (&again["cached"], &again["cached_from"], said(&again)),
        (&true.into(), &first["id"], said(&first))
    );
    assert!(text.contains("submit again with the parameter fresh"));
    let mut ran = vec![first];
    while !ran.last().expect("the first")["flaky"]
        .as_bool()
        .expect("a word")
    {
        assert!(ran.len() < RUNS_LIMIT, "all of them agree: {ran:?}");
        let (fresh, text) = run("&fresh");
        assert_eq!(fresh["cached"], false, "{fresh}");
        assert!(!server().build_log(&fresh).is_empty(), "{fresh}");
        assert_eq!(fresh["flaky"], text.contains("flaky"), "{text}");
        ran.push(fresh);
    }
    // Both verdicts are shown, and both are marked.
    let list = server().get("/api/builds?package=coin&uploads&limit=100");
    let list = list["builds"].as_array().expect("a list");
    let shown = list.iter().filter(|build| build["cached"] == false);
    assert_eq!(shown.clone().count(), ran.len());
    assert!(
        shown.clone().all(|build| build["flaky"] == true),
        "{list:?}"
    );
    let tests: HashSet<&str> = shown.map(|build| said(build).1).collect();
    assert_eq!(tests, HashSet::from(["success", "failed"]));
    // The newest one is the one that is given again.
    let newest = ran.last().expect("the first");
    let (again, text) = run("");
    assert_eq!(
        (&again["cached_from"], said(&again), &again["flaky"]),
        (&newest["id"], said(newest), &true.into())
    );
    assert!(text.contains("flaky"), "{text}");
}

#[test]
fn what_time_or_memory_or_the_machine_ended_runs_anew() {
    let _machine = shared();
    let flags = ["--zig-versions", "0.16.0", "--memory", "512m"];
    let limits = ["--build-timeout", "60", "--silence-timeout", "25"];
    let server = Server::start("real-anew", &[flags, limits].concat());
    let trees = [
        ("timeout", "while sleep 1; do echo working; done"),
        ("silent", "sleep 1000"),
        (
            "out_of_memory",
            "x=$(head -c 900000000 /dev/zero | tr '\\0' x); echo ${#x}",
        ),
        ("missing_system_library", "exec protoc-not-there"),
    ];
    let trees = trees.map(|(reason, command)| {
        let build = install_zig(command);
        (
            reason,
            archive(&format!("real-{reason}"), &[("build.zig", &build)]),
        )
    });
    for round in 0..2 {
        // Side by side: most of them wait for their end.
        let checks = trees
            .each_ref()
            .map(|(reason, tree)| (*reason, server.upload(tree, &format!("name={reason}"))));
        for (reason, check) in checks {
            let build = server.finished(check).remove(0);
            assert_eq!(said(&build).2, reason, "{round}: {build}");
            assert_eq!(build["cached"], false, "{round}: {build}");
        }
    }
}
