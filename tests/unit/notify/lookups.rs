//! From an event to what is sent, and to whom.

use serde_json::{Value, json};
use zigcheck::notify::config::{Asked, Config};
use zigcheck::notify::facts::Facts;
use zigcheck::notify::lookup::{self, Owners, tasks};
use zigcheck::notify::outcome::Outcome;
use zigcheck::notify::store::{Kind, NewTask};
use zigcheck::notify::webhook;
use zigcheck::shell::ask::Reply;

use super::{GITHUB, config, everything, facts, read};

fn kinds(tasks: &[NewTask]) -> Vec<Kind> {
    tasks.iter().map(|task| task.kind).collect()
}

fn data(task: &NewTask) -> Value {
    serde_json::from_str(&task.data).unwrap()
}

fn answer(status: u16, body: &Value) -> Result<Reply, String> {
    Ok(Reply {
        status,
        retry_after_s: None,
        body: body.to_string(),
    })
}

fn asked() -> Asked {
    config().asked("zeit")
}

#[test]
fn an_event_is_sent_to_those_who_asked_for_it() {
    let config = config();
    let of =
        |kind: &str, build: Value| kinds(&tasks(&config, &facts(kind, &build, GITHUB), &asked()));
    let finished = json!({});
    assert_eq!(of("build", finished.clone()), [Kind::Status, Kind::Webhook]);
    assert_eq!(
        of("newly_broken", finished.clone()),
        [Kind::Issue, Kind::Webhook, Kind::Mail]
    );
    assert_eq!(
        of("newly_fixed", finished),
        [Kind::Issue, Kind::Webhook, Kind::Mail]
    );
    assert_eq!(of("build", json!({ "state": "building" })), [Kind::Status]);
    assert_eq!(of("build", json!({ "state": "queued" })), []);
    assert_eq!(of("build", json!({ "commit": null })), [Kind::Webhook]);
    let elsewhere = facts(
        "newly_broken",
        &json!({}),
        "https://elsewhere.example/x/zeit",
    );
    assert_eq!(
        kinds(&tasks(&config, &elsewhere, &asked())),
        [Kind::Webhook, Kind::Mail]
    );
    let nobody = Asked::default();
    assert!(tasks(&config, &facts("newly_broken", &json!({}), GITHUB), &nobody).is_empty());
}

#[test]
fn a_status_says_what_the_build_is_now() {
    let config = config();
    let of = |build: Value| {
        let all = tasks(&config, &facts("build", &build, GITHUB), &asked());
        let status = all
            .into_iter()
            .find(|task| task.kind == Kind::Status)
            .unwrap();
        (data(&status)["state"].as_str().unwrap().to_string(), status)
    };
    let works = json!({ "build_status": "success", "test_status": "success", "compiled": 1 });
    for (build, state) in [
        (json!({}), "failure"),
        (works.clone(), "success"),
        (
            json!({ "build_status": "success", "test_status": "failed" }),
            "failure",
        ),
        (json!({ "build_status": "error" }), "error"),
        (
            json!({ "state": "building", "build_status": "pending" }),
            "pending",
        ),
        (
            json!({ "state": "cancelled", "build_status": "pending" }),
            "cancelled",
        ),
    ] {
        assert_eq!(of(build.clone()).0, state, "{build}");
    }
    let (_, status) = of(works);
    assert!(status.supersedes);
    assert_eq!(status.receiver, "api.github.com");
    let data = data(&status);
    assert_eq!(data["context"], "zigcheck/0.16.0");
    assert_eq!(data["target_url"], "https://zig.example.org/builds/7");
    assert_eq!(data["sha"], "0123456789abcdef0123456789abcdef01234567");
    let (_, pending) = of(json!({ "state": "building", "build_status": "pending" }));
    assert_eq!(
        pending.subject, status.subject,
        "they are of one commit and version"
    );
    // No forge takes more; a text of the package is one line.
    let long = json!({ "detail": format!("{}\u{1b}[31m\nmore", "ä".repeat(300)) });
    let description = self::data(&of(long).1)["description"]
        .as_str()
        .unwrap()
        .to_string();
    assert_eq!(description.chars().count(), 140);
    assert!(description.starts_with("failed: ää"), "{description}");
    let hostile = json!({ "commit": "../../x" });
    assert_eq!(
        kinds(&tasks(&config, &facts("build", &hostile, GITHUB), &asked())),
        [Kind::Webhook]
    );
}

#[test]
fn a_webhook_has_the_event_and_its_package_and_is_signed() {
    let config = config();
    let all = tasks(
        &config,
        &facts("newly_broken", &json!({}), GITHUB),
        &asked(),
    );
    let task = all.iter().find(|task| task.kind == Kind::Webhook).unwrap();
    assert_eq!(task.receiver, "hooks.example.org");
    let call = webhook::send(&config, &data(task)).unwrap();
    let body = call.body.clone().unwrap();
    let value: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(value["type"], "newly_broken");
    assert_eq!(value["seq"], 12);
    assert_eq!(value["package_url"], GITHUB);
    assert_eq!(value["build_url"], "https://zig.example.org/builds/7");
    let signature = call
        .headers
        .iter()
        .find(|(name, _)| *name == "X-Zigcheck-Signature-256");
    let signed = format!(
        "sha256={}",
        webhook::signature("secret-secret", body.as_bytes())
    );
    assert_eq!(signature.unwrap().1, signed);
    // RFC 4231, test case 2.
    assert_eq!(
        webhook::signature("Jefe", b"what do ya want for nothing?"),
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    );
    assert_eq!(
        call,
        webhook::send(&config, &data(task)).unwrap(),
        "each try is the same"
    );
    let mut value = everything();
    value["packages"] = json!([]);
    let other = read(&value).unwrap();
    assert!(
        webhook::send(&other, &data(task)).is_err(),
        "it is not asked for any more"
    );
}

/// The outcome of a stage of a lookup.
fn at(
    config: &Config,
    owners: &mut Owners,
    (stage, facts): (&str, &Facts),
    reply: Result<Reply, String>,
) -> Outcome {
    lookup::answered(config, owners, (stage, facts.0.clone()), reply, 1_000)
}

#[test]
fn the_server_is_asked_for_the_build_and_then_for_its_package() {
    let (config, mut owners) = (config(), Owners::default());
    let event = facts("build", &json!({}), GITHUB).event().to_string();
    let task = lookup::task(&config, &event, (12, "at")).unwrap();
    assert_eq!(
        (&task.key[..], &task.receiver[..], task.stage),
        ("event/12/at", "127.0.0.1:3000", "build")
    );
    let call = lookup::send(&config, "build", &data(&task)).unwrap();
    assert_eq!(call.url, "http://127.0.0.1:3000/api/builds/7");
    assert!(
        call.headers
            .iter()
            .all(|(name, _)| *name != "Authorization")
    );
    let known = Facts(data(&task));
    let build =
        json!({ "id": 7, "package": "now", "uploaded": false, "priority": 3, "commit": "c0ffee" });
    let outcome = at(&config, &mut owners, ("build", &known), answer(200, &build));
    let Outcome::Next(next) = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(next.stage, "package");
    let found: Value = serde_json::from_str(&next.data).unwrap();
    let call = lookup::send(&config, "package", &found).unwrap();
    assert_eq!(call.url, "http://127.0.0.1:3000/api/packages/now");
    // An upload, a try of a search, and what is gone are nothing to report.
    for (status, build) in [
        (200, json!({ "uploaded": true, "priority": 0 })),
        (200, json!({ "uploaded": false, "priority": 4 })),
        (404, json!({})),
    ] {
        let outcome = at(
            &config,
            &mut owners,
            ("build", &known),
            answer(status, &build),
        );
        assert_eq!(outcome, Outcome::Done(Vec::new()), "{build}");
    }
    let outcome = at(
        &config,
        &mut owners,
        ("build", &known),
        answer(503, &json!({})),
    );
    assert!(matches!(outcome, Outcome::Retry { .. }));
}

#[test]
fn an_owner_is_asked_once_in_a_while_and_what_others_want_does_not_wait() {
    let mut value = everything();
    value["packages"][0]["notify"] = json!([]);
    let (config, mut owners) = (read(&value).unwrap(), Owners::default());
    let known = facts("newly_broken", &json!({}), "");
    let package = json!({ "name": "zeit", "url": GITHUB, "ref": null });
    let done = |outcome| match outcome {
        Outcome::Done(tasks) => tasks,
        other => panic!("{other:?}"),
    };
    let all = done(at(
        &config,
        &mut owners,
        ("package", &known),
        answer(200, &package),
    ));
    assert_eq!(kinds(&all), [Kind::Webhook, Kind::Mail, Kind::Owner]);
    let question = all.last().unwrap();
    assert_eq!(
        (&question.receiver[..], question.stage),
        ("api.github.com", "file")
    );
    let facts = Facts(data(question));
    let file = json!({ "notify": ["issue"] });
    let asked = done(at(
        &config,
        &mut owners,
        ("file", &facts),
        answer(200, &file),
    ));
    assert_eq!(kinds(&asked), [Kind::Issue]);
    let again = done(at(
        &config,
        &mut owners,
        ("package", &known),
        answer(200, &package),
    ));
    assert_eq!(
        kinds(&again),
        [Kind::Webhook, Kind::Mail, Kind::Issue],
        "it is known"
    );
    let later = lookup::answered(
        &config,
        &mut owners,
        ("package", known.0.clone()),
        answer(200, &package),
        1_000_000,
    );
    assert_eq!(
        kinds(&done(later)),
        [Kind::Webhook, Kind::Mail, Kind::Owner]
    );

    // A repository without the file asks for nothing.
    let mut owners = Owners::default();
    assert!(
        done(at(
            &config,
            &mut owners,
            ("file", &facts),
            answer(404, &json!({}))
        ))
        .is_empty()
    );
    let outcome = at(
        &config,
        &mut owners,
        ("file", &facts),
        answer(500, &json!({})),
    );
    assert!(matches!(outcome, Outcome::Retry { .. }));
    // A package of another branch is not what the owner speaks of.
    let mut owners = Owners::default();
    let pull = json!({ "name": "zeit", "url": GITHUB, "ref": "refs/pull/7/head" });
    let all = done(at(
        &config,
        &mut owners,
        ("package", &known),
        answer(200, &pull),
    ));
    assert_eq!(kinds(&all), [Kind::Webhook, Kind::Mail]);
}
