//! A package that is deleted while others have verdicts of its builds: their logs stay whole.

use std::fs;

use crate::common::core::Inside;
use crate::common::rows::in_memory;
use zigcheck::app::retention::SCAN_PAUSE_MS;

fn status(inside: &mut Inside, target: &str) -> u16 {
    inside.request("GET", target, &[], b"").status
}

/// A server with a build whose verdict and log the package `heir` has as well, in build 3.
fn bequeathed(name: &str) -> Inside {
    let mut inside = Inside::open(name, in_memory(), 2);
    inside.submit("gone");
    inside.source_is("zigcheck-source-1-1", b"one tree", false);
    inside.logs("zigcheck-1-1", "built once");
    inside.build_succeeds("zigcheck-1-1");
    inside.build_fails("zigcheck-2-1");
    inside.submit("heir");
    inside.source_is("zigcheck-source-2-1", b"one tree", false);
    assert_eq!(inside.build(3)["cached_from"], 1);
    inside
}

fn delete(inside: &mut Inside) {
    let deleted = inside.as_admin("DELETE", "/api/packages/gone", b"");
    assert_eq!(deleted.status, 200);
    inside.pass_step_by_step(1_000);
}

#[test]
fn a_build_stays_until_its_log_is_handed_over() {
    let mut inside = bequeathed("names-late-heir");
    // What is no file can neither be linked nor copied.
    let log = inside.settings.data.join("logs/1.log");
    let aside = inside.settings.data.join("aside");
    fs::rename(&log, &aside).unwrap();
    fs::create_dir(&log).unwrap();
    delete(&mut inside);
    assert_eq!(status(&mut inside, "/api/builds/1"), 200);
    assert_eq!(status(&mut inside, "/api/builds/2"), 404, "the others go");
    fs::remove_dir(&log).unwrap();
    fs::rename(&aside, &log).unwrap();
    inside.pass_step_by_step(SCAN_PAUSE_MS);
    assert_eq!(status(&mut inside, "/api/builds/1"), 404);
    assert_eq!(inside.curl("/api/builds/3/log"), "built once");
}

#[test]
fn a_file_that_a_crash_left_is_not_the_log_of_an_heir() {
    let mut inside = bequeathed("names-stray-heir");
    fs::write(inside.settings.data.join("logs/3.log"), "stray").unwrap();
    delete(&mut inside);
    assert_eq!(status(&mut inside, "/api/builds/1"), 404);
    assert_eq!(inside.curl("/api/builds/3/log"), "built once");
}
