//! Builds, case by case.

use super::place::*;
use crate::common::rows::finish;
use crate::common::seed::Seed;
use zigcheck::app::domain::ids::BuildId;
use zigcheck::app::domain::verdict::{Reason, Verdict};
use zigcheck::app::live::limits::LOG_LIMIT_BYTES;
use zigcheck::app::retention::RetentionLimits;
use zigcheck::app::retention::{DELETE_LIMIT_COUNT, SCAN_PAUSE_MS};
use zigcheck::app::store::builds::{self, LogSize};
use zigcheck::app::store::totals;

#[test]
fn a_bounded_number_goes_at_a_time_and_the_oldest_first() {
    let keep = RetentionLimits { builds: 10, ..ALL };
    let mut place = Place::new("bounded", keep);
    for _ in 0..100 {
        place.finished(None, "0.16.0");
    }
    let mut left = place.ids();
    while left.len() > 10 {
        place.delete_expired();
        let gone = left.len().min(DELETE_LIMIT_COUNT).min(left.len() - 10);
        left.drain(..gone);
        assert_eq!(place.ids(), left);
        assert_eq!(place.files("logs").len(), left.len());
    }
    place.delete_expired();
    assert_eq!(place.history.due_ms, None, "nothing is left to do");
    place.delete_expired();
    assert_eq!(place.ids(), left);
}

/// The log of a build that floods is as large as that of a thousand others.
#[test]
fn logs_have_room_for_so_many_bytes() {
    let cap = 3 * LOG_LIMIT_BYTES;
    let keep = RetentionLimits {
        log_bytes: cap,
        ..ALL
    };
    let mut place = Place::new("log-bytes", keep);
    let mut seed = Seed(3);
    let mut logs: Vec<(i64, u64)> = Vec::new();
    let held = |logs: &[(i64, u64)]| logs.iter().map(|(_, bytes)| bytes).sum::<u64>();
    let mut gone = 0;
    for _ in 0..300 {
        let build = place.check(None, &["0.16.0"])[0];
        // More than is kept of a log is not there.
        let log_bytes = *seed.pick(&[0, 1, 90_000, LOG_LIMIT_BYTES / 2, LOG_LIMIT_BYTES, 1 << 40]);
        let log = LogSize {
            written: log_bytes,
            is_truncated: false,
        };
        let at = place.now.unix_ms;
        builds::finish(&mut place.store, BuildId(build), &failed(), log, at).unwrap();
        logs.push((build, log_bytes.min(LOG_LIMIT_BYTES)));
        place.come_to_rest();
        while held(&logs) > cap {
            logs.remove(0);
            gone += 1;
        }
        let left: Vec<i64> = logs.iter().map(|(build, _)| *build).collect();
        assert_eq!(place.ids(), left);
        assert_eq!(place.files("logs").len(), left.len());
        assert_eq!(totals::read(&place.store).unwrap().log_bytes, held(&logs));
    }
    assert!(gone > 200, "{gone}");
}

#[test]
fn the_latest_verdict_stays_whatever_its_age() {
    let keep = RetentionLimits {
        builds: 0,
        age_ms: 1,
        ..ALL
    };
    let mut place = Place::new("latest", keep);
    let package = place.package("a");
    let old = place.finished(Some(package), "0.16.0");
    let other = place.finished(Some(package), "0.15.2");
    place.now.unix_ms += 1 << 40;
    place.come_to_rest();
    assert_eq!(place.ids(), [old, other]);
    // Our own error is no verdict on it.
    let error = place.check(Some(package), &["0.16.0"])[0];
    let lost = Verdict::error(Reason::Lost, "");
    finish(&mut place.store, BuildId(error), &lost, place.now.unix_ms);
    place.come_to_rest();
    assert_eq!(place.ids(), [old, other]);
    let newer = place.finished(Some(package), "0.16.0");
    place.now.mono_ms += SCAN_PAUSE_MS;
    place.come_to_rest();
    assert_eq!(place.ids(), [other, newer]);
    assert_eq!(place.files("logs").len(), 2);
}

#[test]
fn age_alone_lets_go_as_well() {
    let keep = RetentionLimits {
        age_ms: 1_000,
        ..ALL
    };
    let mut place = Place::new("age", keep);
    let old = place.finished(None, "0.16.0");
    place.now.unix_ms += 1_000;
    let young = place.finished(None, "0.16.0");
    place.come_to_rest();
    assert_eq!(place.ids(), [old, young], "as old as it may be");
    place.now.unix_ms += 1;
    place.come_to_rest();
    assert_eq!(place.ids(), [young]);
}

#[test]
fn what_something_rests_on_stays_as_long_as_that() {
    let keep = RetentionLimits { builds: 0, ..ALL };
    let event = "INSERT INTO events (build_id, state, build_status, at) \
        VALUES (1, 'finished', 'failed', 0)";
    for (name, ties, unties) in [
        (
            "cached",
            "UPDATE builds SET state = 'building' WHERE id = 2; \
             UPDATE builds SET cached_from = 1 WHERE id = 2",
            "UPDATE builds SET cached_from = NULL WHERE id = 2",
        ),
        (
            "waits_for",
            "UPDATE builds SET state = 'queued', waits_for = 1 WHERE id = 2",
            "UPDATE builds SET waits_for = NULL WHERE id = 2",
        ),
        ("event", event, "DELETE FROM events"),
        (
            "sibling",
            "UPDATE builds SET state = 'testing', check_id = 1 WHERE id = 2",
            "UPDATE builds SET state = 'cancelled' WHERE id = 2",
        ),
        (
            "verdict",
            "INSERT INTO packages (id, name, url, created_at, last_updated) \
                VALUES (1, 'n', 'u', 0, 0); \
             INSERT INTO build_results (package_id, zig_version, build_status) VALUES (1, '1', 'failed'); \
             UPDATE build_results SET build_id = 1",
            "DELETE FROM build_results",
        ),
    ] {
        let mut place = Place::new(name, keep);
        for _ in 0..2 {
            place.finished(None, "0.16.0");
        }
        place.sql(ties);
        place.come_to_rest();
        assert!(place.ids().contains(&1), "{name}");
        assert!(place.files("logs").contains("1.log"), "{name}");
        place.sql(unties);
        place.now.mono_ms += SCAN_PAUSE_MS;
        place.come_to_rest();
        assert!(!place.ids().contains(&1), "{name}");
        assert!(!place.files("logs").contains("1.log"), "{name}");
    }
}

#[test]
fn an_original_goes_right_after_the_last_that_was_cached_from_it() {
    let keep = RetentionLimits { builds: 3, ..ALL };
    let mut place = Place::new("original", keep);
    for _ in 0..6 {
        place.finished(None, "0.16.0");
    }
    // 2 and 3 are of 1, which is the oldest all the same once they are gone.
    place.sql("UPDATE builds SET cached_from = 1 WHERE id IN (2, 3)");
    place.come_to_rest();
    assert_eq!(place.ids(), [4, 5, 6]);
}

#[test]
fn where_nothing_may_go_it_is_not_tried_again_at_once() {
    let keep = RetentionLimits { builds: 0, ..ALL };
    let mut place = Place::new("pause", keep);
    let builds = place.check(None, &["0.16.0", "0.15.2"]);
    finish(&mut place.store, BuildId(builds[0]), &failed(), 0);
    assert!(place.come_to_rest() <= 2);
    assert_eq!(place.ids(), builds);
    // Woken, it waits for the end of its pause; then it looks again.
    finish(&mut place.store, BuildId(builds[1]), &failed(), 0);
    place.history.wake();
    place.delete_expired();
    assert_eq!(place.ids(), builds);
    assert_eq!(place.history.due_ms, Some(SCAN_PAUSE_MS));
    place.come_to_rest();
    assert!(place.ids().is_empty());
    assert_eq!(place.number("SELECT count(*) FROM checks"), 0);
}
