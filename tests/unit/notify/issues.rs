//! An issue is opened once, and closed once the package works.

use serde_json::{Value, json};
use zigcheck::app::domain::transition::Transition;
use zigcheck::notify::issue::{answered, send, stage_without_answer, task};
use zigcheck::notify::outcome::{Next, Outcome};
use zigcheck::shell::ask::Reply;

use super::{GITHUB, config, facts};

const URL: &str = "https://github.com/x/zeit/issues/5";

fn reply(status: u16, body: &Value) -> Result<Reply, String> {
    Ok(Reply {
        status,
        retry_after_s: None,
        body: body.to_string(),
    })
}

/// An issue that the server knows.
fn known(version: &str, status: &str, auto_created: bool, url: &str) -> Value {
    json!({
        "zig_version": version,
        "issue_url": url,
        "issue_status": status,
        "auto_created": auto_created,
        "resolved_at": null,
    })
}

fn package(build_status: &str) -> Value {
    json!({ "build_results": [
        { "zig_version": "0.17.1", "build_status": "success", "compiled": 1 },
        { "zig_version": "0.16.0", "build_status": build_status, "compiled": 1 },
    ]})
}

fn start(transition: Transition) -> Value {
    let config = config();
    let facts = facts(transition.as_str(), &json!({}), GITHUB);
    let forge = &config.forges[0];
    let task = task(&config, &facts, (forge, "x/zeit"), transition);
    assert_eq!(
        (&task.subject[..], task.stage),
        ("issue/zeit/0.16.0", "known")
    );
    serde_json::from_str(&task.data).unwrap()
}

/// The stages that a task goes through with these answers, each with the request of the stage; and its last outcome.
fn walk(transition: Transition, answers: &[(u16, Value)]) -> (Vec<String>, Option<Outcome>) {
    let config = config();
    let (mut stage, mut data) = ("known", start(transition));
    let mut calls = Vec::new();
    for (status, body) in answers {
        let call = send(&config, stage, &data).unwrap();
        let (_, path) = call.url.split_once("://").unwrap();
        calls.push(format!("{stage}: {} {path}", call.method));
        match answered(&config, stage, data.clone(), reply(*status, body)) {
            Outcome::Next(Next {
                stage: next,
                data: new,
                receiver,
            }) => {
                let call = send(&config, next, &serde_json::from_str(&new).unwrap()).unwrap();
                assert!(
                    call.url.contains(&format!("://{receiver}/")),
                    "{receiver} {}",
                    call.url
                );
                stage = next;
                data = serde_json::from_str(&new).unwrap();
            }
            outcome => return (calls, Some(outcome)),
        }
    }
    (calls, None)
}

#[test]
fn a_package_that_breaks_gets_an_issue_which_the_server_is_told_of() {
    let (calls, outcome) = walk(
        Transition::NewlyBroken,
        &[
            (
                200,
                json!({ "issues": [known("0.17.1", "open", true, URL)] }),
            ),
            (200, package("failed")),
            (201, json!({ "html_url": URL })),
            (200, json!({ "issues": [] })),
        ],
    );
    assert_eq!(outcome, Some(Outcome::Done(Vec::new())));
    let expected = [
        "known: GET 127.0.0.1:3000/admin/issues?package=zeit",
        "verdict: GET 127.0.0.1:3000/api/packages/zeit",
        "post: POST api.github.com/repos/x/zeit/issues",
        "record: PUT 127.0.0.1:3000/admin/issues",
    ];
    assert_eq!(calls, expected);
}

#[test]
fn no_issue_is_opened_where_one_is_open_or_the_package_works_by_now() {
    let open = json!({ "issues": [known("0.16.0", "open", false, URL)] });
    for answers in [
        vec![(200, open), (200, package("failed"))],
        vec![(200, json!({ "issues": [] })), (200, package("success"))],
        vec![(404, json!({}))],
        vec![(200, json!({ "issues": [] })), (404, json!({}))],
    ] {
        let (calls, outcome) = walk(Transition::NewlyBroken, &answers);
        assert_eq!(outcome, Some(Outcome::Done(Vec::new())));
        assert_eq!(calls.len(), answers.len());
    }
}

#[test]
fn each_issue_of_ours_is_closed_once_the_package_works() {
    let others = [
        known("0.17.1", "open", true, URL),
        known(
            "0.16.0",
            "open",
            false,
            "https://github.com/x/zeit/issues/1",
        ),
        known(
            "0.16.0",
            "open",
            true,
            "https://elsewhere.example/x/zeit/issues/2",
        ),
        known(
            "0.16.0",
            "closed",
            true,
            "https://github.com/x/zeit/issues/3",
        ),
    ];
    let ours = known("0.16.0", "open", true, URL);
    let with = [&others[..], &[ours]].concat();
    let (calls, outcome) = walk(
        Transition::NewlyFixed,
        &[
            (200, json!({ "issues": with })),
            (200, package("success")),
            (200, json!({})),
            (201, json!({})),
            (200, json!({ "issues": [] })),
            (200, json!({ "issues": others })),
            (200, package("success")),
        ],
    );
    assert_eq!(outcome, Some(Outcome::Done(Vec::new())));
    let expected = [
        "close: PATCH api.github.com/repos/x/zeit/issues/5",
        "comment: POST api.github.com/repos/x/zeit/issues/5/comments",
        "record_closed: PUT 127.0.0.1:3000/admin/issues",
        "known: GET 127.0.0.1:3000/admin/issues?package=zeit",
    ];
    assert_eq!(calls[2..6], expected);
    // One that is gone is not open, and a comment that is not wanted stops nothing.
    for answers in [
        [(404, json!({})), (200, json!({}))],
        [(200, json!({})), (403, json!({}))],
    ] {
        let ours = known("0.16.0", "open", true, URL);
        let start = [
            (200, json!({ "issues": [ours] })),
            (200, package("success")),
        ];
        let (calls, outcome) = walk(Transition::NewlyFixed, &[&start[..], &answers[..]].concat());
        assert_eq!(outcome, None, "it goes on: {calls:?}");
    }
    // A package that fails again by now keeps its issue.
    let ours = known("0.16.0", "open", true, URL);
    let answers = [(200, json!({ "issues": [ours] })), (200, package("failed"))];
    assert_eq!(
        walk(Transition::NewlyFixed, &answers).1,
        Some(Outcome::Done(Vec::new()))
    );
}

#[test]
fn a_verdict_that_says_nothing_leaves_what_the_event_said() {
    let answers = [(200, json!({ "issues": [] })), (200, package("error"))];
    let (_, outcome) = walk(Transition::NewlyBroken, &answers);
    assert_eq!(outcome, None, "it is opened");
}

#[test]
fn an_issue_whose_answer_was_lost_is_found_and_not_opened_again() {
    let config = config();
    assert_eq!(stage_without_answer("post"), Some("find"));
    assert_eq!(stage_without_answer("comment"), None);
    let data = start(Transition::NewlyBroken);
    let found = json!([{ "title": data["title"], "body": data["text"], "html_url": URL }]);
    let Outcome::Next(next) = answered(&config, "find", data.clone(), reply(200, &found)) else {
        panic!()
    };
    assert_eq!(next.stage, "record");
    let Outcome::Next(next) = answered(&config, "find", data, reply(200, &json!([]))) else {
        panic!()
    };
    assert_eq!(next.stage, "post");
}

#[test]
fn a_forge_that_refuses_ends_it_and_a_server_that_refuses_does_not() {
    let config = config();
    let data = start(Transition::NewlyBroken);
    for status in [401, 403, 404, 410, 422] {
        let outcome = answered(&config, "post", data.clone(), reply(status, &json!({})));
        assert!(matches!(outcome, Outcome::Failed(_)), "{status}");
    }
    for stage in ["known", "record"] {
        let outcome = answered(&config, stage, data.clone(), reply(403, &json!({})));
        assert!(matches!(outcome, Outcome::Retry { .. }), "{stage}");
    }
    let outcome = answered(&config, "post", data, reply(201, &json!({})));
    assert!(matches!(outcome, Outcome::Failed(_)));
}
