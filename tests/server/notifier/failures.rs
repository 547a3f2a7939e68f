//! Receivers, the server and the notifier fail, and everything is told once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use super::World;
use super::forges::row;
use super::receiver::{Receiver, Request, json as answer};
use crate::common::standin::free_address;

const URL: &str = "https://github.com/x/turning";

fn hooks(receivers: &[&Receiver]) -> serde_json::Value {
    let urls: Vec<String> = receivers.iter().map(|one| one.url()).collect();
    json!({ "packages": [{ "package": "turning", "webhooks": urls }] })
}

fn kind(request: &Request) -> &str {
    request.header("x-zigcheck-event")
}

#[test]
fn what_was_not_delivered_when_it_was_killed_is_delivered_once() {
    let mut world = World::start("notifier-killed");
    world.submit("turning", URL);
    let is_open = Arc::new(AtomicBool::new(false));
    let open = is_open.clone();
    let receiver = Receiver::start(move |_, _| match open.load(Ordering::SeqCst) {
        true => answer(200, ""),
        false => None,
    });
    world.configure(&hooks(&[&receiver]));
    world.notify();
    world.check("turning", "second", false);
    receiver.wait_for(1, |_| true);
    world.kill();
    let unanswered = receiver.all().len();
    // Events that come while it is gone are not lost either.
    world.check("turning", "third", true);
    is_open.store(true, Ordering::SeqCst);
    world.notify_unseen();
    let requests = receiver.wait_for(unanswered + 4, |_| true);
    world.until(|world| world.log_lines(" is done") == 4);
    world.stop();
    let mut answered: BTreeMap<&str, usize> = BTreeMap::new();
    for request in &requests[unanswered..] {
        *answered
            .entry(request.header("x-zigcheck-delivery"))
            .or_default() += 1;
    }
    assert_eq!(answered.len(), 4, "{requests:?}");
    assert!(answered.values().all(|count| *count == 1), "{answered:?}");
    let first = requests[0].header("x-zigcheck-delivery");
    assert!(answered.contains_key(first), "it is known by its id");
    let mut kinds: Vec<&str> = requests[unanswered..].iter().map(kind).collect();
    kinds.sort_unstable();
    assert_eq!(kinds, ["build", "build", "newly_broken", "newly_fixed"]);
    // Started again, it says nothing again.
    world.notify_unseen();
    world.until(|world| world.log_lines("its events are followed") >= 3);
    world.check("turning", "fourth", true);
    let requests = receiver.wait_for(unanswered + 5, |_| true);
    assert_eq!(requests.len(), unanswered + 5);
    assert_eq!(kind(&requests[unanswered + 4]), "build");
}

#[test]
fn a_receiver_that_fails_gets_it_again_and_one_that_refuses_does_not() {
    let mut world = World::start("notifier-again");
    world.submit("turning", URL);
    let failing = Receiver::start(|_, before| match before {
        0 => answer(500, "not now"),
        1 => Some((429, "Retry-After: 3\r\n", "too many".to_string())),
        _ => answer(201, "{}"),
    });
    let refusing = Receiver::start(|_, _| answer(410, "gone"));
    world.configure(&hooks(&[&failing, &refusing]));
    world.notify();
    world.check("turning", "second", true);
    let requests = failing.wait_for(3, |_| true);
    let bodies: Vec<&String> = requests.iter().map(|request| &request.body).collect();
    assert!(bodies.iter().all(|body| *body == bodies[0]), "{bodies:?}");
    world.until(|world| world.log_lines(" is done") == 1);
    let log = world.log();
    assert!(
        log.contains("tried again in 1 s: status 500: not now"),
        "{log}"
    );
    assert!(
        log.contains("tried again in 3 s: status 429: too many"),
        "{log}"
    );
    world.until(|world| world.log().contains("given up: status 410: gone"));
    world.stop();
    assert_eq!((failing.all().len(), refusing.all().len()), (3, 1));
}

#[test]
fn a_receiver_that_never_answers_delays_nobody_else() {
    let mut world = World::start("notifier-slow");
    world.submit("turning", URL);
    let silent = Receiver::start(|_, _| None);
    let other = Receiver::start(|_, _| answer(200, ""));
    world.configure(&hooks(&[&silent, &other]));
    world.notify();
    world.check("turning", "second", false);
    world.check("turning", "third", true);
    world.check("turning", "fourth", false);
    let requests = other.wait_for(6, |_| true);
    let broken = requests
        .iter()
        .filter(|request| kind(request) == "newly_broken");
    assert_eq!((requests.len(), broken.count()), (6, 2));
    silent.wait_for(1, |_| true);
    assert_eq!(world.log_lines(&format!("{} is done", silent.url())), 0);
}

#[test]
fn an_issue_whose_answer_was_lost_is_not_opened_again() {
    let mut world = World::start("notifier-lost");
    world.submit("turning", URL);
    let mut opened: Option<Request> = None;
    let receiver = Receiver::start(move |request, _| match &request.line()[..] {
        // It is opened, and the answer never comes.
        "POST /repos/x/turning/issues" => {
            opened = Some(request.clone());
            None
        }
        "GET /repos/x/turning/issues?state=open&per_page=50" => {
            let issue = opened.as_ref().map_or(json!({}), Request::json);
            let url = "https://github.com/x/turning/issues/9";
            let list = json!([
                { "title": "another", "body": null, "html_url": "https://github.com/x/turning/pull/10" },
                { "title": issue["title"], "body": issue["body"], "html_url": url },
            ]);
            answer(200, &list.to_string())
        }
        _ => answer(404, "{}"),
    });
    let at = json!([{ "kind": "github", "url": "https://github.com", "api": receiver.url() }]);
    world.configure(&json!({ "forges": at, "packages": row(&["issue"]) }));
    world.notify();
    world.check("turning", "second", false);
    receiver.wait_for(1, |request| request.method == "POST");
    world.kill();
    world.notify_unseen();
    world.until(|world| !world.issues("turning").is_empty());
    assert_eq!(
        world.issues("turning")[0]["issue_url"],
        "https://github.com/x/turning/issues/9"
    );
    world.until(|world| world.log_lines(" is done") == 1);
    world.stop();
    let posts = receiver
        .all()
        .iter()
        .filter(|request| request.method == "POST")
        .count();
    assert_eq!(posts, 1);
}

#[test]
fn events_that_are_gone_are_said_to_be_and_it_goes_on() {
    let mut world = World::start("notifier-gone");
    world.submit("turning", URL);
    let receiver = Receiver::start(|_, _| answer(200, ""));
    world.configure(&hooks(&[&receiver]));
    world.notify();
    world.stop();
    let db = rusqlite::Connection::open(world.dir.join("data/notify.db")).expect("its database");
    db.execute("UPDATE position SET seq = 1000000", [])
        .expect("a position");
    drop(db);
    world.notify_unseen();
    world.until(|world| world.log().contains("events are gone that were never seen"));
    world.check("turning", "second", false);
    let requests = receiver.wait_for(2, |_| true);
    assert_eq!(
        requests.iter().map(kind).collect::<Vec<&str>>(),
        ["build", "newly_broken"]
    );
}

#[test]
fn a_server_that_restarts_is_followed_again() {
    let address = free_address(17).to_string();
    let mut world = World::at("notifier-restart", Some(&address));
    world.submit("turning", URL);
    let receiver = Receiver::start(|_, _| answer(200, ""));
    world.configure(&hooks(&[&receiver]));
    world.notify();
    world.check("turning", "second", false);
    receiver.wait_for(2, |_| true);
    let _ = world.server.child.kill();
    let _ = world.server.child.wait();
    world.until(|world| world.log().contains("the stream of events has ended"));
    world.restart_server(world.server.data.clone());
    // Before the notifier is back, or after: it is the same.
    world.check("turning", "third", true);
    let requests = receiver.wait_for(4, |_| true);
    let kinds: Vec<&str> = requests.iter().map(kind).collect();
    assert_eq!(kinds, ["build", "newly_broken", "build", "newly_fixed"]);
}
