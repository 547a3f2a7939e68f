//! Reads: answered again while nothing changes, and at most so many in one turn.

use serde_json::json;
use zigcheck::base::slab::Key;
use zigcheck::interface::event::{Action, Core, Event};
use zigcheck::interface::message::{Admission, Response};
use zigcheck::interface::peer::Peer;

use crate::common::core::{Inside, Memory, request};

const PACKAGES: u64 = 40;

fn submit(inside: &mut Inside, name: &str) {
    let url = format!("https://github.com/o/{name}");
    let body = json!({ "url": url }).to_string();
    let headers = [("content-type", "application/json")];
    let answer = inside.request("POST", "/api/packages", &headers, body.as_bytes());
    assert_eq!(answer.status, 201, "{answer:?}");
}

/// A server that knows some packages.
fn server(name: &str) -> (Inside, Memory) {
    let (mut inside, memory) = Inside::begin(name, 1);
    for package in 0..PACKAGES {
        submit(&mut inside, &format!("p{package}"));
    }
    (inside, memory)
}

impl Inside {
    /// True if the answer to this is one that was kept.
    fn is_kept(&mut self, target: &str) -> bool {
        let before = self.app().answered_again();
        let answer = self.request("GET", target, &[], b"");
        assert_eq!(answer.status, 200, "{target}: {answer:?}");
        self.app().answered_again() > before
    }
}

#[test]
fn what_did_not_change_is_not_rendered_again() {
    let (mut inside, _memory) = server("reads-kept");
    let targets = [
        "/",
        "/packages/p1",
        "/api/packages",
        "/api/packages/p1",
        "/api/packages/p1/history",
        "/api/checks/1",
        "/api/builds",
        "/api/builds/1",
    ];
    for target in targets {
        assert!(!inside.is_kept(target), "{target} for the first time");
    }
    for target in targets {
        assert!(inside.is_kept(target), "{target} again");
    }
    // What is asked otherwise is rendered for itself.
    for target in ["/?color", "/?search=p1", "/api/packages?page=2"] {
        assert!(!inside.is_kept(target), "{target}");
    }
    let html = [("accept", "text/html")];
    let page = inside.request("GET", "/", &html, b"");
    assert!(page.body.starts_with(b"<!"), "{page:?}");
    // How long builds take is said to the millisecond.
    for _ in 0..2 {
        assert!(!inside.is_kept("/api/queue"));
    }
}

#[test]
fn the_compressed_form_of_a_kept_answer_is_made_once() {
    let (mut inside, _memory) = server("reads-compressed");
    let first = inside.request("GET", "/", &[], b"");
    let made = first.compressed.get_or_make(|| b"compressed".to_vec());
    let again = inside.request("GET", "/", &[], b"");
    assert_eq!(again.compressed.get_or_make(Vec::new), made);
    // It goes with the answer, and is that of no other.
    submit(&mut inside, "another");
    for target in ["/", "/api/packages"] {
        let other = inside.request("GET", target, &[], b"");
        assert_eq!(other.compressed.get_or_make(Vec::new), b"", "{target}");
    }
}

type Change = fn(&mut Inside);

#[test]
fn every_change_and_every_second_is_rendered() {
    let (mut inside, _memory) = server("reads-changed");
    let changes: [(&str, Change); 4] = [
        ("a submission", |inside| submit(inside, "another")),
        ("a cancelled build", |inside| {
            let answer = inside.as_admin("DELETE", "/api/builds/9", b"");
            assert_eq!(answer.status, 200, "{answer:?}");
        }),
        ("a second", |inside| inside.ms += 1_000),
        ("the engine's answer", |inside| {
            inside.engine.up = false;
            inside.pass(60_000);
            inside.request("GET", "/api/health", &[], b"");
        }),
    ];
    for (name, change) in changes {
        inside.is_kept("/");
        assert!(inside.is_kept("/"), "before {name}");
        change(&mut inside);
        assert!(!inside.is_kept("/"), "after {name}");
    }
}

#[test]
fn a_kept_answer_is_sent_in_each_of_its_forms() {
    let (mut inside, _memory) = server("reads-forms");
    let target = "/api/packages/p1";
    let first = inside.request("GET", target, &[], b"");
    let (_, etag) = first
        .headers
        .iter()
        .find(|(name, _)| *name == "ETag")
        .unwrap();
    let known = inside.request("GET", target, &[("if-none-match", etag)], b"");
    assert_eq!((known.status, known.body.len()), (304, 0));
    let other = inside.request("GET", target, &[("if-match", "\"other\"")], b"");
    assert_eq!(other.status, 412);
    assert_eq!(inside.request("GET", target, &[], b""), first);
    assert_eq!(inside.app().answered_again(), 3);
}

#[test]
fn each_view_is_counted_also_of_a_kept_answer() {
    let (mut inside, _memory) = server("reads-views");
    for _ in 0..5 {
        inside.request("GET", "/api/packages/p1", &[], b"");
    }
    submit(&mut inside, "another");
    assert_eq!(
        inside.json("/api/packages/p1")["popularity_score"],
        json!(5)
    );
}

/// Sends a request of a client, without the end of the turn.
fn ask(inside: &mut Inside, target: &str) -> Key {
    let conn = inside.key();
    let request = request("GET", target, &[("content-length", "0")], b"");
    let now = inside.now();
    let admission = inside.app().admit(conn, Peer::Unix, &request.head, now);
    assert!(!matches!(admission, Admission::Refuse(_)), "{target}");
    inside.tell(Event::Request { conn, request });
    conn
}

/// The answers that this turn has given so far.
fn answers(inside: &mut Inside) -> Vec<(Key, Response)> {
    let mut answers = Vec::new();
    while let Some(action) = inside.app().next_action() {
        match action {
            Action::Respond { conn, response } => answers.push((conn, response)),
            other => panic!("{other:?}"),
        }
    }
    answers
}

#[test]
fn reads_share_a_turn_and_the_others_wait_their_turn() {
    let (mut inside, _memory) = server("reads-budget");
    let asked: Vec<Key> = (0..PACKAGES)
        .map(|package| ask(&mut inside, &format!("/packages/p{package}")))
        .collect();
    let gone = asked[PACKAGES as usize - 1];
    inside.tell(Event::Aborted { conn: gone });
    let health = ask(&mut inside, "/api/health");
    let mut turns = Vec::new();
    while turns.is_empty() || inside.app().deadline() == Some(0) {
        if !turns.is_empty() {
            inside.tell(Event::Time);
        }
        turns.push(answers(&mut inside));
        let now = inside.now();
        inside.app().commit(now).unwrap();
    }
    assert!(turns.len() > 2, "{} turns", turns.len());
    assert!(
        turns.iter().all(|turn| turn.len() < 12),
        "a turn has a limit"
    );
    assert_eq!(turns[0].last().map(|(conn, _)| *conn), Some(health));
    let read: Vec<Key> = turns.concat().iter().map(|(conn, _)| *conn).collect();
    let read: Vec<Key> = read.into_iter().filter(|conn| *conn != health).collect();
    assert_eq!(read, asked[..asked.len() - 1], "first come, first served");
}

#[test]
fn those_who_wait_for_the_same_are_answered_by_one_read() {
    let (mut inside, _memory) = server("reads-same");
    for package in 0..PACKAGES {
        ask(&mut inside, &format!("/packages/p{package}"));
    }
    let waiting: Vec<Key> = (0..30).map(|_| ask(&mut inside, "/packages/p39")).collect();
    while inside.app().deadline() == Some(0) {
        answers(&mut inside);
        let now = inside.now();
        inside.app().commit(now).unwrap();
        inside.tell(Event::Time);
    }
    // A turn may begin among them, and forgets what earlier ones have kept.
    let again = inside.app().answered_again();
    let all = waiting.len() as u64;
    assert!([all - 1, all].contains(&again), "{again} of {all}");
}

#[test]
fn a_read_that_waited_is_refused_by_a_page_as_well() {
    let (mut inside, _memory) = server("reads-refused");
    for package in 0..PACKAGES {
        ask(&mut inside, &format!("/packages/p{package}"));
    }
    let conn = inside.key();
    let request = request("GET", "/docs/nothing", &[("accept", "text/html")], b"");
    let now = inside.now();
    inside.app().admit(conn, Peer::Unix, &request.head, now);
    inside.tell(Event::Request { conn, request });
    let mut last = None;
    while inside.app().deadline() == Some(0) {
        last = answers(&mut inside).pop().or(last);
        let now = inside.now();
        inside.app().commit(now).unwrap();
        inside.tell(Event::Time);
    }
    let last = answers(&mut inside).pop().or(last).unwrap();
    assert_eq!((last.0, last.1.status), (conn, 404));
    assert!(last.1.body.starts_with(b"<!"), "{last:?}");
}
