//! The notifier's database: what is known is done once, in its order, and is kept for long enough.

use rusqlite::Connection;
use zigcheck::notify::store::{End, Kind, NewTask, Store};

fn new(key: &str, subject: &str, receiver: &str) -> NewTask {
    NewTask {
        key: key.to_string(),
        subject: subject.to_string(),
        kind: Kind::Webhook,
        receiver: receiver.to_string(),
        stage: "post",
        data: "{}".to_string(),
        supersedes: false,
    }
}

fn store() -> Store {
    Store::from_connection(Connection::open_in_memory().unwrap()).unwrap()
}

fn next(store: &Store, receiver: &str) -> Option<String> {
    store.next_for(receiver).unwrap().map(|task| task.key)
}

#[test]
fn a_key_is_taken_once_for_ever() {
    let mut store = store();
    store.add(&new("a", "a", "r"), 5).unwrap();
    store.add(&new("a", "a", "r"), 6).unwrap();
    assert_eq!(store.waiting(), 1);
    let task = store.next_for("r").unwrap().unwrap();
    assert_eq!((task.due, task.created_at, task.attempts), (5, 5, 0));
    store.end(task.id, End::Done, 7).unwrap();
    store.add(&new("a", "a", "r"), 8).unwrap();
    assert_eq!((store.waiting(), next(&store, "r")), (0, None));
}

#[test]
fn tasks_of_a_subject_wait_for_each_other_and_others_do_not() {
    let mut store = store();
    store.add(&new("open", "issue", "r"), 1).unwrap();
    store.add(&new("close", "issue", "r"), 2).unwrap();
    store.add(&new("other", "other", "r"), 3).unwrap();
    let open = store.next_for("r").unwrap().unwrap();
    store.retry(open.id, 1, 1_000).unwrap();
    assert_eq!(next(&store, "r").as_deref(), Some("other"));
    // At another receiver it still comes first.
    store
        .advance(open.id, ("record", "server", "{}"), 4)
        .unwrap();
    assert_eq!(next(&store, "server").as_deref(), Some("open"));
    assert_eq!(next(&store, "r").as_deref(), Some("other"));
    store.end(open.id, End::Failed, 5).unwrap();
    assert_eq!(next(&store, "r").as_deref(), Some("close"));
}

#[test]
fn a_later_status_takes_the_place_of_one_that_waits() {
    let mut store = store();
    let with = |key: &str| NewTask {
        supersedes: true,
        ..new(key, "status", "r")
    };
    store.add(&with("pending"), 1).unwrap();
    let pending = store.next_for("r").unwrap().unwrap();
    store.add(&with("success"), 2).unwrap();
    assert_eq!(store.waiting(), 1);
    assert_eq!(next(&store, "r").as_deref(), Some("success"));
    // The answer of what was sent meanwhile changes nothing.
    store.retry(pending.id, 1, 3).unwrap();
    store.end(pending.id, End::Done, 4).unwrap();
    assert_eq!(store.waiting(), 1);
    assert_eq!(next(&store, "r").as_deref(), Some("success"));
    // Known already: nothing is taken from what waits.
    store.add(&with("pending"), 5).unwrap();
    assert_eq!(next(&store, "r").as_deref(), Some("success"));
}

#[test]
fn receivers_are_those_that_something_waits_for() {
    let mut store = store();
    for (key, receiver) in [("1", "b"), ("2", "a"), ("3", "b"), ("4", "c")] {
        store.add(&new(key, key, receiver), 1).unwrap();
    }
    assert_eq!(store.receivers().unwrap(), ["a", "b", "c"]);
    let task = store.next_for("c").unwrap().unwrap();
    store.end(task.id, End::Done, 2).unwrap();
    assert_eq!(store.receivers().unwrap(), ["a", "b"]);
    let task = store.next_for("a").unwrap().unwrap();
    store.retry(task.id, 3, 90_000).unwrap();
    store.wake("b", 50).unwrap();
    assert_eq!(store.next_for("a").unwrap().unwrap().due, 90_000);
    store.wake("a", 50).unwrap();
    assert_eq!(store.next_for("a").unwrap().unwrap().due, 50);
}

#[test]
fn what_ended_is_deleted_by_age_and_by_number_and_what_waits_never() {
    let mut store = store();
    for nth in 0..10 {
        store.add(&new(&format!("{nth}"), "s", "r"), 0).unwrap();
    }
    for at in [10, 20, 30] {
        let task = store.next_for("r").unwrap().unwrap();
        store.end(task.id, End::Done, at).unwrap();
    }
    store.delete_old(15, 1_000, 10).unwrap();
    let mut again = |key: &str| {
        let before = store.waiting();
        store.add(&new(key, "again", "r"), 40).unwrap();
        store.waiting() > before
    };
    assert!(again("0") && !again("1") && !again("2"));
    store.delete_old(0, 3, 100).unwrap();
    store.add(&new("1", "again", "r"), 41).unwrap();
    assert_eq!(store.waiting(), 9);
    assert_eq!(next(&store, "r").as_deref(), Some("3"));
}

#[test]
fn position_and_tasks_are_of_one_commit() {
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("notify-store.db");
    for end in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{end}", path.display()));
    }
    let mut store = Store::open(&path).unwrap();
    assert_eq!(store.position().unwrap(), None);
    store.set_position(7).unwrap();
    store.add(&new("a", "a", "r"), 1).unwrap();
    store.commit().unwrap();
    store.set_position(8).unwrap();
    store.add(&new("b", "b", "r"), 1).unwrap();
    drop(store);
    let store = Store::open(&path).unwrap();
    assert_eq!((store.position().unwrap(), store.waiting()), (Some(7), 1));
    drop(store);
    let db = Connection::open(&path).unwrap();
    db.pragma_update(None, "user_version", 99).unwrap();
    drop(db);
    assert!(
        Store::open(&path)
            .unwrap_err()
            .contains("unknown schema version 99")
    );
}
