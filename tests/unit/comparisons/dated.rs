//! What is behind a name such as `master` is compared with what was behind it before.

use crate::common::core::{Inside, Memory, START};
use crate::common::core_steps::good;
use crate::comparisons::data::{Data, FIRST, OWN, SECOND, fails, works};
use serde_json::Value;
use zigcheck::app::domain::comparison::Outcome;
use zigcheck::app::domain::ids::PackageId;
use zigcheck::app::domain::recheck::Toolchain;
use zigcheck::app::domain::verdict::Verdict;
use zigcheck::app::store::comparison_list::{self, Among, Asked};
use zigcheck::app::store::limits::DATED_LIMIT_VERSIONS;
use zigcheck::app::store::list::Paging;
use zigcheck::app::store::toolchains;

/// The nth version behind the name.
fn dated(nth: usize) -> String {
    format!("0.18.0-dev.{nth}")
}

/// A verdict on that commit in the nth image of `master`.
fn nightly(data: &mut Data, package: PackageId, commit: &str, nth: usize, verdict: Verdict) {
    let image = format!("sha256:master-{nth}");
    let toolchain = Toolchain {
        zig_version: "master".to_string(),
        image: image.clone(),
    };
    toolchains::insert(&mut data.store, &toolchain, START).unwrap();
    let verdict = Verdict {
        dated_version: Some(dated(nth)),
        ..verdict
    };
    data.check_in(package, commit, vec![("master", image, verdict)]);
}

fn counts(data: &Data, older: &str, newer: &str, outcome: Outcome) -> u64 {
    let found = comparison_list::counts(&data.store, older, newer).unwrap();
    found.count(outcome)
}

#[test]
fn a_package_that_the_next_nightly_breaks_is_newly_broken_between_the_two() {
    let mut data = Data::new();
    let breaks = data.both("breaks", 1, works(), works());
    let stays = data.both("stays", 1, works(), works());
    let moves = data.both("moves", 1, works(), works());
    for package in [breaks, stays, moves] {
        nightly(&mut data, package, FIRST, 100, works());
    }
    nightly(&mut data, breaks, FIRST, 101, fails(OWN));
    nightly(&mut data, stays, FIRST, 101, works());
    // It has another commit by now.
    nightly(&mut data, moves, SECOND, 101, works());
    let (older, newer) = (dated(100), dated(101));
    assert_eq!(counts(&data, &older, &newer, Outcome::NewlyBroken), 1);
    assert_eq!(counts(&data, &older, &newer, Outcome::StillWorking), 1);
    assert_eq!(counts(&data, "0.16.0", "master", Outcome::NewlyBroken), 1);
    // Only versions of one name are compared so.
    assert_eq!(counts(&data, "0.16.0", &newer, Outcome::NewlyBroken), 0);
    let asked = Asked {
        older,
        newer,
        among: Among::All,
        error_key: None,
        place: None,
    };
    let paging = Paging {
        page: 1,
        limit: 10,
        after: None,
    };
    let found = comparison_list::compare(&data.store, &asked, &paging).unwrap();
    assert_eq!((found.older_alone, found.newer_alone), (1, 1));
    let broken = &found.groups[0].packages[0];
    assert_eq!(broken.name, "breaks");
    assert!(broken.older_build.is_some() && broken.newer_build > broken.older_build);
}

#[test]
fn a_replaced_nightly_leads_the_next_one_back_to_it() {
    let mut data = Data::new();
    let package = data.both("p", 1, works(), works());
    for nth in [100, 101, 102] {
        nightly(&mut data, package, FIRST, nth, works());
    }
    let known = toolchains::dated_versions(&data.store).unwrap();
    assert_eq!(known.len(), 1);
    assert_eq!(
        (&known[0].zig_version, &known[0].dated_version),
        (&"master".to_string(), &dated(102))
    );
    assert_eq!(known[0].previous, Some(dated(101)));
    // An older one may come back, and is no newer than it was.
    nightly(&mut data, package, FIRST, 100, fails(OWN));
    assert_eq!(
        counts(&data, &dated(100), &dated(102), Outcome::NewlyBroken),
        0
    );
    assert_eq!(counts(&data, "0.16.0", "master", Outcome::NewlyBroken), 1);
}

#[test]
fn months_of_nightlies_keep_the_last_ones_and_every_release() {
    let mut data = Data::new();
    let package = data.both("p", 1, works(), works());
    for nth in 100..200 {
        nightly(&mut data, package, FIRST, nth, works());
    }
    assert_eq!(counts(&data, "0.15.2", "master", Outcome::StillWorking), 1);
    nightly(&mut data, package, FIRST, 200, fails(OWN));
    assert_eq!(counts(&data, "0.15.2", "master", Outcome::StillWorking), 0);
    assert_eq!(counts(&data, "0.15.2", "master", Outcome::NewlyBroken), 1);
    let mut versions = comparison_list::versions(&data.store).unwrap();
    versions.sort();
    let mut kept = vec!["0.15.2".to_string(), "0.16.0".to_string()];
    kept.extend((201 - DATED_LIMIT_VERSIONS..201).map(dated));
    kept.push("master".to_string());
    assert_eq!(versions, kept);
}

/// Ends all builds, those under `master` with that version behind it.
fn end_all(inside: &mut Inside, dated: &str, breaks: bool) {
    while let Some(name) = inside.names().pop() {
        let running = inside.json("/api/queue")["running"][0].clone();
        match (
            running["state"] == "building",
            running["zig_version"] == "master",
        ) {
            (false, _) => inside.commit_is_there(&name, FIRST),
            (true, is_master) => {
                let mut record: Value = serde_json::from_slice(&good(&name)).unwrap();
                let version = if is_master { dated } else { "0.16.0" };
                record["dated_version"] = version.into();
                if is_master && breaks {
                    record["test_status"] = "failed".into();
                    record["test_exit"] = 1.into();
                    record["reason"] = "test_failure".into();
                }
                inside.container_ends(&name, format!("{record}\n").as_bytes(), 0);
            }
        }
        inside.pass(1);
    }
}

/// A server whose newest toolchain is `master`, in that image.
fn with_master(mut inside: Inside, memory: &Memory, image: &str) -> Inside {
    let master = ("master".to_string(), image.to_string());
    inside
        .engine
        .images
        .retain(|(version, _)| version != "master");
    inside.engine.images.push(master);
    let mut inside = inside.restarted_with(memory, |settings| {
        settings.zig_versions = vec!["master".to_string(), "0.16.0".to_string()];
    });
    inside.pass_step_by_step(100);
    inside
}

#[test]
fn heads_name_what_is_behind_a_name_and_a_new_image_shows_what_it_breaks() {
    let (inside, memory) = Inside::begin("dated", 1);
    let mut inside = with_master(inside, &memory, "sha256:first");
    inside.submit("zeit");
    end_all(&mut inside, "0.18.0-dev.412", false);
    for page in ["/", "/packages/zeit"] {
        let text = inside.curl(page);
        assert!(text.contains("master (0.18.0-dev.412)"), "{page}: {text}");
        assert!(!text.contains("0.16.0 ("), "{page}: {text}");
    }
    let mut inside = with_master(inside, &memory, "sha256:second");
    for _ in 0..3 {
        inside.pass_step_by_step(60_000);
        end_all(&mut inside, "0.18.0-dev.500", true);
    }
    let text = inside.curl("/");
    assert!(text.contains("master (0.18.0-dev.500)"), "{text}");
    let sentence = "0.18.0-dev.500 breaks 1 of 1 package that 0.18.0-dev.412 built";
    assert!(text.contains(sentence), "{text}");
    let compared = inside.json("/api/compare/0.18.0-dev.412..0.18.0-dev.500");
    assert_eq!(compared["counts"]["newly_broken"], 1, "{compared}");
}
