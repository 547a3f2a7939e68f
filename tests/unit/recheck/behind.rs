//! Versions whose verdicts are on an older commit than the latest known one: they are built as well.

use crate::common::core::{Inside, Memory};
use crate::hooks::COMMIT;
use crate::retirement::with_versions;

const NEXT: &str = "fedcba9876543210fedcba9876543210fedcba98";

/// A server whose package `p` has its verdicts on that commit.
fn at(name: &str, commit: &str) -> (Inside, Memory) {
    let (mut inside, memory) = Inside::begin(name, 1);
    inside.submit("p");
    end_all(&mut inside, commit);
    (inside, memory)
}

/// All containers end: the remote has that commit.
fn end_all(inside: &mut Inside, commit: &str) {
    inside.pass_step_by_step(1_000);
    while let Some(name) = inside.names().pop() {
        match name.split('-').nth(1) {
            Some("remote") => inside.container_ends(&name, format!("{commit}\n").as_bytes(), 0),
            Some("source") => inside.commit_is_there(&name, commit),
            _ => inside.build_succeeds(&name),
        }
        inside.pass_step_by_step(1_000);
    }
}

/// The remotes are asked, and have that commit; what follows from it is built.
fn recheck(inside: &mut Inside, commit: &str) {
    let asked = inside.as_admin("POST", "/admin/check-builds", b"");
    assert_eq!(asked.status, 202);
    end_all(inside, commit);
}

fn has_image(inside: &mut Inside, version: &str, id: Option<&str>) {
    inside.engine.set_image(version, id.map(str::to_string));
    inside.pass(6_000);
    inside.json("/api/health");
    inside.pass_step_by_step(1_000);
}

/// The commits that were built under that version, the newest first.
fn commits(inside: &mut Inside, version: &str) -> Vec<String> {
    let builds = inside.json(&format!("/api/builds?package=p&zig_version={version}"));
    let builds = builds["builds"].as_array().unwrap().iter();
    builds
        .map(|build| build["commit"].as_str().unwrap().to_string())
        .collect()
}

#[test]
fn a_version_whose_image_was_away_when_the_commit_was_found_is_built_later() {
    let (mut inside, _memory) = at("behind-no-image", COMMIT);
    let images = inside.engine.images.clone();
    has_image(&mut inside, "0.15.2", None);
    recheck(&mut inside, NEXT);
    assert_eq!(commits(&mut inside, "0.16.0"), [NEXT, COMMIT]);
    assert_eq!(commits(&mut inside, "0.15.2"), [COMMIT]);
    inside.engine.images = images;
    inside.pass(6_000);
    inside.json("/api/health");
    // Each has it once.
    for _ in 0..3 {
        recheck(&mut inside, NEXT);
        for version in ["0.16.0", "0.15.2"] {
            assert_eq!(commits(&mut inside, version), [NEXT, COMMIT]);
        }
    }
}

#[test]
fn a_commit_that_a_new_image_of_one_version_found_is_built_under_the_others() {
    let (mut inside, _memory) = at("behind-new-image", COMMIT);
    has_image(&mut inside, "0.16.0", Some("sha256:new"));
    end_all(&mut inside, NEXT);
    assert_eq!(commits(&mut inside, "0.16.0"), [NEXT, COMMIT]);
    for _ in 0..2 {
        recheck(&mut inside, NEXT);
        assert_eq!(commits(&mut inside, "0.16.0"), [NEXT, COMMIT]);
        assert_eq!(commits(&mut inside, "0.15.2"), [NEXT, COMMIT]);
    }
}

#[test]
fn a_version_that_comes_back_has_the_latest_commit_built() {
    let (inside, memory) = at("behind-retired", COMMIT);
    let mut inside = with_versions(inside, &memory, &["0.16.0"]);
    recheck(&mut inside, NEXT);
    let mut inside = with_versions(inside, &memory, &["0.16.0", "0.15.2"]);
    end_all(&mut inside, NEXT);
    for version in ["0.16.0", "0.15.2"] {
        assert_eq!(commits(&mut inside, version), [NEXT, COMMIT]);
    }
}
