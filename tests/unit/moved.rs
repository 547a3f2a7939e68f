//! A package that gets another remote, ref or directory while the old one is being asked.

use serde_json::{Value, json};

use crate::busy_hosts::head;
use crate::common::core::Inside;
use crate::retirement::end_all;
use zigcheck::app::engine::exit;

const NEXT: &[u8] = b"fedcba9876543210fedcba9876543210fedcba98\n";

#[track_caller]
fn change(inside: &mut Inside, change: &Value) {
    let (status, package) = inside.admin_json("PATCH", "/api/packages/p", change);
    assert_eq!(status, 200, "{package}");
    inside.pass_step_by_step(1_000);
}

/// The only container that runs, and the words that it was started with.
#[track_caller]
fn running(inside: &Inside) -> (String, String) {
    let [name] = &inside.names()[..] else {
        panic!("{:?}", inside.names());
    };
    let runs = |words: &&String| words.starts_with("run ");
    let words = inside.engine.asked.iter().rfind(runs).unwrap();
    (name.clone(), words.clone())
}

#[test]
fn it_is_asked_once_the_old_one_has_answered_which_counts_for_nothing() {
    let changes = [
        (
            json!({"url": "https://github.com/y/p"}),
            "https://github.com/y/p",
        ),
        (json!({"ref": "coming"}), "coming"),
    ];
    for (nth, (to, word)) in changes.into_iter().enumerate() {
        for (answer, code) in [(NEXT, 0), (b"", 1)] {
            let (mut inside, _memory) = Inside::begin(&format!("moved-{nth}-{code}"), 1);
            inside.submit("p");
            end_all(&mut inside);
            let asked = inside.as_admin("POST", "/admin/check-builds", b"");
            assert_eq!(asked.status, 202);
            inside.pass_step_by_step(1_000);
            let (old, words) = running(&inside);
            assert!(old.contains("-remote-") && !words.contains(word), "{words}");
            change(&mut inside, &to);
            inside.container_ends(&old, answer, code);
            inside.pass_step_by_step(1_000);
            assert_eq!(inside.json("/api/builds?package=p")["total"], 2);
            let (new, words) = running(&inside);
            assert!(new.contains("-remote-") && words.contains(word), "{words}");
            assert_ne!(old, new, "the old one may still be there");
            inside.container_ends(&new, NEXT, 0);
            let (source, words) = running(&inside);
            assert!(
                source.contains("-source-") && words.contains(word),
                "{words}"
            );
        }
    }
}

#[test]
fn its_commits_are_listed_again() {
    for (answer, code) in [
        (format!("complete\n{:040x} 17 - -\n", 5), 0),
        (String::new(), 1),
    ] {
        let (mut inside, _memory) = Inside::begin(&format!("moved-list-{code}"), 1);
        inside.submit("p");
        inside.source_is_there("zigcheck-source-1-1");
        inside.build_fails("zigcheck-1-1");
        inside.build_fails("zigcheck-2-1");
        let asked = inside.request("POST", "/api/packages/p/compat", &[], b"");
        assert_eq!(asked.status, 202);
        let (old, _) = running(&inside);
        assert!(old.contains("-commits-"), "{old}");
        change(&mut inside, &json!({"url": "https://github.com/y/p"}));
        inside.container_ends(&old, answer.as_bytes(), code);
        // The new remote is asked for its commit as well.
        while !running(&inside).0.contains("-commits-") {
            let (name, _) = running(&inside);
            assert!(name.contains("-remote-"), "{name}");
            inside.container_ends(&name, b"0123456789abcdef\n", 0);
            inside.pass_step_by_step(60_000);
        }
        let (new, words) = running(&inside);
        assert!(words.contains("https://github.com/y/p"), "{words}");
        assert_ne!(old, new);
        assert_eq!(inside.json("/api/builds?package=p")["total"], 2);
    }
}

#[test]
fn a_check_that_waits_for_a_source_of_the_old_one_brings_none_of_the_new_one() {
    let changes = [
        (
            json!({"url": "https://github.com/y/p"}),
            "https://github.com/y/p",
        ),
        (json!({"ref": "coming"}), "coming"),
        (json!({"dir": "lib"}), "lib"),
    ];
    for (to, word) in changes {
        let (mut inside, _memory) = Inside::begin(&format!("moved-waits-{word}"), 1);
        inside.submit("p");
        // The host is busy, and asks to be left alone for an hour.
        let head = head("[]", "3600");
        inside.container_ends("zigcheck-source-1-1", head.as_bytes(), exit::BUSY);
        assert_eq!(inside.names(), [""; 0]);
        change(&mut inside, &to);
        let (remote, words) = running(&inside);
        assert!(remote.contains("-remote-"), "{words}");
        inside.container_ends(&remote, NEXT, 0);
        inside.pass_step_by_step(1_000);
        let (source, words) = running(&inside);
        assert!(source.contains("zigcheck-source-2-"), "{source}");
        assert!(words.contains(word) || word == "lib", "{words}");
    }
}
