//! What answers mean, and when something is tried again.

use zigcheck::interface::event::Exit;
use zigcheck::notify::limits::{GIVE_UP_MS, PAUSE_LIMIT_MS};
use zigcheck::notify::mail;
use zigcheck::notify::outcome::{Outcome, good, good_of_server, next_try};
use zigcheck::shell::ask::Reply;

fn answer(status: u16, retry_after_s: Option<u64>) -> Result<Reply, String> {
    Ok(Reply {
        status,
        retry_after_s,
        body: "why\nso".to_string(),
    })
}

#[test]
fn a_refusal_is_final_unless_it_may_pass() {
    for status in [200, 201, 204] {
        assert!(good(answer(status, None)).is_ok(), "{status}");
    }
    for status in [301, 400, 401, 403, 404, 410, 422] {
        let outcome = good(answer(status, None)).unwrap_err();
        assert_eq!(outcome, Outcome::Failed(format!("status {status}: why so")));
        // The server is ours: what it refuses may be mended.
        let outcome = good_of_server(answer(status, None)).unwrap_err();
        assert!(matches!(outcome, Outcome::Retry { .. }), "{status}");
    }
    for (status, after_s) in [
        (408, None),
        (429, Some(7)),
        (403, Some(9)),
        (500, None),
        (503, Some(1)),
    ] {
        let outcome = good(answer(status, after_s)).unwrap_err();
        let why = format!("status {status}: why so");
        assert_eq!(outcome, Outcome::Retry { after_s, why });
    }
    let outcome = good(Err("no route".to_string())).unwrap_err();
    assert!(matches!(outcome, Outcome::Retry { after_s: None, .. }));
}

#[test]
fn pauses_double_up_to_a_limit_and_end_after_days() {
    let at =
        |attempts, after_s, age| next_try(attempts, after_s, 60_000, (0, age)).map(|due| due - age);
    assert_eq!(at(1, None, 5), Some(60_000));
    assert_eq!(at(2, None, 5), Some(120_000));
    assert_eq!(at(5, None, 5), Some(960_000));
    assert_eq!(at(30, None, 5), Some(PAUSE_LIMIT_MS));
    assert_eq!(at(u32::MAX, None, 5), Some(PAUSE_LIMIT_MS));
    // Whichever is longer, and no receiver holds a task for ever.
    assert_eq!(at(1, Some(600), 5), Some(600_000));
    assert_eq!(at(4, Some(1), 5), Some(480_000));
    assert_eq!(at(1, Some(u64::MAX), 5), Some(24 * 3_600_000));
    assert!(at(9, None, GIVE_UP_MS - 1).is_some());
    assert_eq!(at(9, None, GIVE_UP_MS), None);
}

#[test]
fn sendmail_says_by_its_exit_code_whether_to_try_again() {
    assert_eq!(mail::answered(Exit::Code(0), ""), Outcome::Done(Vec::new()));
    let failed = mail::answered(Exit::Code(67), "no such user\nmore");
    assert_eq!(
        failed,
        Outcome::Failed("sendmail ended with 67: no such user".to_string())
    );
    for exit in [
        Exit::Code(75),
        Exit::Code(1),
        Exit::Signal(9),
        Exit::NotStarted("no".to_string()),
    ] {
        assert!(matches!(mail::answered(exit, ""), Outcome::Retry { .. }));
    }
}
