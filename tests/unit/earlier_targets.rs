//! The analysis for other targets of packages whose verdicts came without it: each gets it once, a few at a time.

use zigcheck::app::builds::limits::{REBUILD_LIMIT, TARGETS_WAITING_LIMIT};
use zigcheck::app::domain::ids::PackageId;
use zigcheck::app::store::packages;

use crate::common::core::{Inside, Memory};
use crate::targets::{assert_nothing_is_left, count, known, step};

const ANALYSED: &str = "run --name=zigcheck-targets";

fn commit(nth: usize) -> String {
    format!("{nth:040x}")
}

/// Ends all containers, the sources with that commit.
fn end_all(inside: &mut Inside, commit: &str) {
    while step(inside, commit, &|_| true) {}
}

/// A server with that many packages, `p0` and so on, that work and were never analysed.
fn before(name: &str, packages: usize) -> (Inside, Memory) {
    let memory = Memory::new(name);
    let mut inside = Inside::with(name, memory.open(), |settings| settings.max_builds = 2);
    for nth in 0..packages {
        inside.submit(&format!("p{nth}"));
        end_all(&mut inside, &commit(nth));
    }
    assert_eq!(inside.engine.count(ANALYSED), 0);
    (inside, memory)
}

fn switched_on(inside: Inside, memory: &Memory) -> Inside {
    let mut inside = inside.restarted_with(memory, |settings| settings.targets = true);
    inside.pass_step_by_step(60_000);
    inside
}

/// How many packages show what they compile for.
fn analysed(memory: &Memory) -> i64 {
    let sql = "SELECT count(*) FROM build_results r JOIN builds b ON b.id = r.build_id WHERE b.targets <> ''";
    count(memory, sql)
}

#[test]
fn each_package_that_was_there_is_analysed_once_over_a_restart_at_any_step() {
    for restarted_at in 0..5 {
        let name = format!("earlier targets {restarted_at}");
        let (inside, memory) = before(&name, 3);
        let mut inside = switched_on(inside, &memory);
        let mut lost = 0;
        for at in 0.. {
            if at == restarted_at {
                lost = inside.names().len();
                inside = inside.restarted(&memory);
                inside.pass_step_by_step(60_000);
            }
            if !step(&mut inside, "", &|_| true) {
                break;
            }
        }
        assert_eq!(analysed(&memory), 3, "restarted at {restarted_at}");
        assert_eq!(inside.engine.count(ANALYSED), 3 + lost);
        let package = inside.json("/api/builds?package=p1&zig_version=0.16.0");
        assert_eq!(package["builds"][0]["targets"], known(), "{package}");
        assert_nothing_is_left(&memory);
        // All have been examined: another start asks for none of them.
        let inside = switched_on(inside, &memory);
        assert_eq!(inside.names(), Vec::<String>::new());
        assert!(inside.sleeps_ms().is_none_or(|ms| ms >= 1_000));
    }
}

#[test]
fn few_wait_at_a_time_and_the_most_used_packages_come_first() {
    let all = 2 * REBUILD_LIMIT + 5;
    let (inside, memory) = before("many earlier targets", all);
    let mut store = memory.open();
    // The order of their use is that of their ids, from the last.
    let views: Vec<_> = (1..=all as i64).map(|id| (PackageId(id), id)).collect();
    packages::add_views(&mut store, &views).unwrap();
    store.commit().unwrap();
    drop(store);
    let mut inside = switched_on(inside, &memory);
    let mut order = Vec::new();
    let waiting = "SELECT count(*) FROM queue";
    while let Some(name) = inside.names().into_iter().next() {
        let most = TARGETS_WAITING_LIMIT as i64 - 1 + REBUILD_LIMIT as i64;
        assert!(count(&memory, waiting) <= most);
        order.push(name);
        step(&mut inside, "", &|_| true);
        inside.pass_step_by_step(1);
        // None waits for another one to be asked for.
        let left = all as i64 - analysed(&memory);
        assert_eq!(inside.names().len() as i64, left.min(2));
    }
    assert_eq!((analysed(&memory), order.len()), (all as i64, all));
    let first = |build: i64| format!("zigcheck-targets-{build}-1");
    let newest_of_last = count(
        &memory,
        "SELECT max(build_id) FROM build_results WHERE zig_version = '0.16.0'",
    );
    assert!(order[..2].contains(&first(newest_of_last)), "{order:?}");
    let most_used = &order[..REBUILD_LIMIT];
    let is_early = |nth: usize| most_used.contains(&first(1 + 2 * nth as i64));
    assert!((all - REBUILD_LIMIT..all).all(is_early), "{order:?}");
    assert_nothing_is_left(&memory);
}

#[test]
fn what_was_not_analysed_in_vain_before_is_asked_for_once_and_what_fails_never() {
    let (mut inside, memory) = before("earlier targets in vain", 1);
    inside.submit("fails");
    while step(&mut inside, &commit(7), &|_| false) {}
    let mut inside = switched_on(inside, &memory);
    assert_eq!(inside.names(), ["zigcheck-targets-1-1"]);
    inside.container_ends("zigcheck-targets-1-1", b"", 127);
    inside.pass_step_by_step(60_000);
    let mut inside = switched_on(inside, &memory);
    end_all(&mut inside, "");
    assert_eq!((inside.engine.count(ANALYSED), analysed(&memory)), (1, 0));
    assert_nothing_is_left(&memory);
}

#[test]
fn a_verdict_that_came_while_it_was_switched_off_is_no_exception() {
    let (inside, memory) = before("earlier targets again", 1);
    let mut inside = switched_on(inside, &memory);
    end_all(&mut inside, "");
    let mut inside = inside.restarted_with(&memory, |settings| settings.targets = false);
    inside.pass_step_by_step(60_000);
    inside.request("POST", "/api/packages/p0/builds", &[], b"");
    end_all(&mut inside, &commit(8));
    assert_eq!(analysed(&memory), 0, "it has another source");
    let mut inside = switched_on(inside, &memory);
    end_all(&mut inside, "");
    assert_eq!((inside.engine.count(ANALYSED), analysed(&memory)), (2, 1));
}

/// The files of all sources are deleted, as retention does it.
fn lose_sources(inside: &Inside, memory: &Memory) {
    memory
        .db
        .execute("UPDATE sources SET kept = 0", [])
        .unwrap();
    for source in inside.sources() {
        std::fs::remove_file(inside.path_of_source(&source)).unwrap();
    }
}

#[test]
fn a_source_that_is_gone_waits_for_the_next_check() {
    let (inside, memory) = before("earlier targets of a lost source", 1);
    lose_sources(&inside, &memory);
    let mut inside = switched_on(inside, &memory);
    assert_eq!(inside.names(), Vec::<String>::new());
    assert_nothing_is_left(&memory);
    inside.request("POST", "/api/packages/p0/builds", &[], b"");
    end_all(&mut inside, &commit(0));
    assert_eq!((inside.engine.count(ANALYSED), analysed(&memory)), (1, 1));
}
