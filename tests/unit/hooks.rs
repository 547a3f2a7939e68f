//! Push hooks: what forges send, who may send it, and what follows from it.

use std::net::IpAddr;

use crate::common::core::{Asked, Inside};
use crate::common::rows::in_memory;
use data_encoding::HEXLOWER;
use hmac::{Hmac, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use zigcheck::app::builds::limits::PUSH_PAUSE_MS;
use zigcheck::app::domain::push::{EXPECTED, Push};
use zigcheck::app::web::limits::{BURSTS_PER_HOUR, HOOK_LIMIT_BYTES, HOOKS_PER_HOUR};
use zigcheck::config::hook_secret::HookSecret;
use zigcheck::interface::message::Admission;

const JSON: (&str, &str) = ("content-type", "application/json");
const REMOTE: &str = "zigcheck-remote-1-1";
pub const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
/// The answer of a remote without a new commit.
pub const KNOWN: &[u8] = b"0123456789abcdef0123456789abcdef01234567\n";

/// What GitHub sends, as far as it matters; Forgejo and Gitea send the same.
fn github(reference: &str) -> Value {
    json!({
        "ref": reference,
        "before": "1111111111111111111111111111111111111111",
        "after": "2222222222222222222222222222222222222222",
        "created": false, "deleted": false, "forced": false,
        "commits": [{"id": "2222222222222222222222222222222222222222", "message": "m", "added": []}],
        "repository": {
            "id": 1, "name": "p", "full_name": "x/p", "private": false,
            "html_url": "https://github.com/x/p", "url": "https://api.github.com/repos/x/p",
            "clone_url": "https://github.com/x/p.git", "ssh_url": "git@github.com:x/p.git",
            "default_branch": "main",
        },
        "pusher": {"name": "x"},
    })
}

fn gitlab(reference: &str) -> Value {
    json!({
        "object_kind": "push", "event_name": "push", "ref": reference, "ref_protected": true,
        "checkout_sha": "2222222222222222222222222222222222222222",
        "project": {
            "id": 15, "name": "p", "web_url": "https://gitlab.com/x/p",
            "git_ssh_url": "git@gitlab.com:x/p.git", "git_http_url": "https://gitlab.com/x/p.git",
            "path_with_namespace": "x/p", "default_branch": "main",
        },
        "repository": {"name": "p", "url": "git@gitlab.com:x/p.git", "homepage": "https://gitlab.com/x/p"},
        "total_commits_count": 1,
    })
}

fn sourcehut(reference: &str) -> Value {
    json!({"data": {"webhook": {
        "uuid": "2e2ad5bb", "event": "GIT_POST_RECEIVE", "date": "2026-03-01T12:00:00Z",
        "repository": {"name": "p", "owner": {"canonicalName": "~x"}},
        "updates": [{"ref": {"name": "refs/heads/other"}}, {"ref": {"name": reference}}],
    }}})
}

/// Sends a hook as JSON; status and answer.
fn hook(inside: &mut Inside, headers: &[(&str, &str)], body: &Value) -> (u16, Value) {
    send(inside, "", headers, body.to_string().as_bytes())
}

fn send(inside: &mut Inside, query: &str, headers: &[(&str, &str)], body: &[u8]) -> (u16, Value) {
    let headers = [&[JSON], headers].concat();
    let target = format!("/hooks/push{query}");
    let response = inside.request("POST", &target, &headers, body);
    (
        response.status,
        serde_json::from_slice(&response.body).unwrap(),
    )
}

/// A server that knows the package of that URL, with that ref; its source was fetched and built.
fn knows(name: &str, url: &str, reference: Option<&str>) -> Inside {
    let mut inside = Inside::open(name, in_memory(), 1);
    let body = json!({"url": url, "ref": reference}).to_string();
    let response = inside.request("POST", "/api/packages", &[], body.as_bytes());
    assert_eq!(response.status, 201);
    inside.commit_is_there("zigcheck-source-1-1", COMMIT);
    inside.build_succeeds("zigcheck-1-1");
    inside.build_succeeds("zigcheck-2-1");
    assert!(inside.names().is_empty());
    inside
}

#[test]
fn a_push_at_each_forge_has_the_remote_asked_at_once() {
    let sourcehut_url = "https://git.sr.ht/~x/p";
    let legacy =
        json!({"push": "1d", "refs": [{"name": "refs/heads/main", "old": null, "new": {}}]});
    let bare = json!({"ref": "refs/heads/main"});
    let main = "refs/heads/main";
    for (nth, (url, query, header, body)) in [
        (
            "https://github.com/x/p",
            "",
            ("x-github-event", "push"),
            github(main),
        ),
        (
            "https://codeberg.org/x/p",
            "",
            ("x-forgejo-event", "push"),
            {
                let text = github(main)
                    .to_string()
                    .replace("github.com", "codeberg.org");
                serde_json::from_str(&text).unwrap()
            },
        ),
        (
            "https://gitlab.com/x/p",
            "",
            ("x-gitlab-event", "Push Hook"),
            gitlab(main),
        ),
        (
            sourcehut_url,
            "",
            ("x-webhook-event", "GIT_POST_RECEIVE"),
            sourcehut(main),
        ),
        (
            sourcehut_url,
            "?url=https://git.sr.ht/~x/p",
            ("x-webhook-event", "repo:post-update"),
            legacy,
        ),
        (
            "https://github.com/x/p",
            "?url=https://github.com/X/p.git",
            ("accept", "*/*"),
            bare,
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let mut inside = knows(&format!("hooks-forge-{nth}"), url, None);
        let (status, answer) = send(&mut inside, query, &[header], body.to_string().as_bytes());
        assert_eq!(
            (status, &answer["packages"]),
            (202, &json!(["p"])),
            "{answer}"
        );
        assert_eq!(inside.names(), [REMOTE], "{url}");
        // A new commit is checked as if somebody had asked for it.
        inside.container_ends(REMOTE, b"fedcba9876543210fedcba9876543210fedcba98\n", 0);
        assert_eq!(inside.names(), ["zigcheck-source-2-1"]);
        assert_eq!(inside.build(3)["priority"], 0);
    }
}

#[test]
fn a_form_with_the_payload_is_taken_as_well() {
    let mut inside = knows("hooks-form", "https://github.com/x/p", None);
    let payload = github("refs/heads/main").to_string();
    let mut form = form_urlencoded::Serializer::new(String::new());
    let body = form.append_pair("payload", &payload).finish();
    let headers = [
        ("content-type", "application/x-www-form-urlencoded"),
        ("x-github-event", "push"),
    ];
    let response = inside.request("POST", "/hooks/push", &headers, body.as_bytes());
    assert_eq!(response.status, 202);
    assert_eq!(inside.names(), [REMOTE]);
}

#[test]
fn only_the_ref_of_the_package_counts() {
    for (nth, (reference, pushed, is_its)) in [
        (None, "refs/heads/main", true),
        (None, "refs/heads/other", false),
        (None, "refs/tags/main", false),
        (Some("dev"), "refs/heads/dev", true),
        (Some("dev"), "refs/heads/main", false),
        (Some("dev"), "refs/heads/x/dev", false),
        (Some("x/dev"), "refs/heads/x/dev", true),
        (Some("v1"), "refs/tags/v1", true),
        (Some("v1"), "refs/tags/v1.1", false),
        (Some("refs/heads/dev"), "refs/heads/dev", true),
    ]
    .into_iter()
    .enumerate()
    {
        let mut inside = knows(
            &format!("hooks-ref-{nth}"),
            "https://github.com/x/p",
            reference,
        );
        let (status, answer) = hook(&mut inside, &[], &github(pushed));
        let case = format!("{reference:?} {pushed} {answer}");
        assert_eq!(status, if is_its { 202 } else { 200 }, "{case}");
        assert_eq!(inside.names().len(), usize::from(is_its), "{case}");
        let packages = if is_its { json!(["p"]) } else { json!([]) };
        assert_eq!(answer["packages"], packages, "{case}");
    }
    // Where the forge does not name the default branch, any branch may be it.
    let body = json!({"ref": "refs/heads/any", "repository": {"html_url": "https://x.org/p"}});
    let push = Push::read(&body, None).unwrap();
    assert!(push.changes(None));
    assert!(
        !Push {
            refs: vec!["refs/tags/any".to_string()],
            ..push
        }
        .changes(None)
    );
}

#[test]
fn what_is_no_push_is_answered_in_one_sentence() {
    let mut inside = knows("hooks-others", "https://github.com/x/p", None);
    let push = github("refs/heads/main");
    for (name, event) in [
        ("x-github-event", "ping"),
        ("x-github-event", "issues"),
        ("x-gitea-event", "create"),
        ("x-gitlab-event", "Issue Hook"),
        ("x-webhook-event", "REPO_CREATED"),
    ] {
        let (status, answer) = hook(&mut inside, &[(name, event)], &json!({"zen": "z"}));
        assert_eq!((status, &answer["packages"]), (200, &json!([])), "{event}");
    }
    let cases: [(&[u8], u16, &str); 7] = [
        (b"{}", 400, EXPECTED),
        (b"[1]", 400, EXPECTED),
        (b"{\"ref\":\"refs/heads/main\"}", 400, EXPECTED),
        (
            b"{\"repository\":{\"clone_url\":\"https://github.com/x/p\"}}",
            400,
            EXPECTED,
        ),
        (
            b"{\"ref\":\"r\",\"repository\":{\"clone_url\":\"no url\"}}",
            400,
            EXPECTED,
        ),
        (b"payload=", 400, "the body is not JSON"),
        (
            b"{\"ref\":\"r\",\"repository\":{\"clone_url\":\"https://github.com/x/q\"}}",
            404,
            "no package of this repository is known; submit it with POST /api/packages",
        ),
    ];
    for (body, status, sentence) in cases {
        let (found, answer) = send(&mut inside, "", &[], body);
        let said = answer["error"].as_str().unwrap();
        assert!(said.starts_with(sentence) && !said.contains('\n'), "{said}");
        assert_eq!(found, status, "{said}");
    }
    assert!(inside.names().is_empty());
    let body = push.to_string();
    let wrong = [("content-type", "text/xml")];
    let response = inside.request("POST", "/hooks/push", &wrong, body.as_bytes());
    assert_eq!(response.status, 415);
    let from_a_page = [
        JSON,
        ("origin", "https://evil.example"),
        ("host", "zig.example"),
    ];
    let response = inside.request("POST", "/hooks/push", &from_a_page, body.as_bytes());
    assert_eq!(response.status, 403);
    let admission = inside.admit("POST", "/hooks/push");
    let limit_bytes = HOOK_LIMIT_BYTES;
    assert_eq!(admission, Admission::Collect { limit_bytes });
}

#[test]
fn a_flood_of_hooks_is_one_question_while_one_waits() {
    let mut inside = knows("hooks-flood", "https://github.com/x/p", None);
    let push = github("refs/heads/main");
    let push = |inside: &mut Inside| assert_eq!(hook(inside, &[], &push).0, 202);
    for _ in 0..20 {
        push(&mut inside);
    }
    assert_eq!(inside.names(), [REMOTE]);
    inside.container_ends(REMOTE, KNOWN, 0);
    // The pushes while it was asked may be newer than its answer. The container of that may still be there.
    inside.pass(1);
    let second = "zigcheck-remote-1-2";
    assert_eq!(inside.names(), [second]);
    inside.container_ends(second, KNOWN, 0);
    inside.pass(1);
    assert!(inside.names().is_empty());
    // The next one waits for the rest of the pause, and is one.
    for _ in 0..20 {
        push(&mut inside);
    }
    inside.pass(PUSH_PAUSE_MS - 1_000);
    assert!(inside.names().is_empty());
    let queue = inside.json("/api/queue");
    assert_eq!(queue["total"], 0, "no build waits: {queue}");
    inside.pass(1_000);
    let third = "zigcheck-remote-1-3";
    assert_eq!(inside.names(), [third]);
    inside.container_ends(third, KNOWN, 0);
    inside.pass(PUSH_PAUSE_MS);
    assert!(inside.names().is_empty());
    push(&mut inside);
    assert_eq!(inside.names(), ["zigcheck-remote-1-4"], "at once again");
}

#[test]
fn a_push_overtakes_the_daily_question() {
    let (mut inside, memory) = Inside::begin("hooks-daily", 1);
    inside.submit("p");
    inside.submit("q");
    assert_eq!(
        inside.as_admin("POST", "/admin/check-builds", b"").status,
        202
    );
    // They are made due in one turn, and wait in the next.
    inside.pass(0);
    inside.pass(0);
    let waiting = || -> Vec<(i64, i64)> {
        let sql = "SELECT id, priority FROM queue WHERE kind = 2 ORDER BY id";
        let mut statement = memory.db.prepare(sql).unwrap();
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
        rows.unwrap().map(Result::unwrap).collect()
    };
    assert_eq!(waiting(), [(1, 3), (2, 3)]);
    assert_eq!(hook(&mut inside, &[], &github("refs/heads/main")).0, 202);
    assert_eq!(waiting(), [(1, 0), (2, 3)]);
}

#[test]
fn an_address_may_send_so_many_and_one_that_knows_the_secret_any_number() {
    let secret = "a-secret-of-sixteen-letters";
    for is_secret in [false, true] {
        let mut inside = Inside::with("hooks-limit", in_memory(), |settings| {
            settings.hook_secret = is_secret.then(|| HookSecret::read(secret).unwrap());
        });
        let from: Option<IpAddr> = Some("192.0.2.7".parse().unwrap());
        let body = b"{}".as_slice();
        let mut send = |from| {
            let asked = Asked {
                method: "POST",
                target: "/hooks/push",
                headers: vec![
                    JSON,
                    ("content-length", "2"),
                    ("x-gitlab-token", secret),
                    ("x-github-event", "ping"),
                ],
                body: vec![body],
                whole: true,
            };
            inside.ask_from(from, &asked).expect("an answer")
        };
        for _ in 0..HOOKS_PER_HOUR / BURSTS_PER_HOUR {
            assert_eq!(send(from).status, 200);
        }
        let next = send(from);
        assert_eq!(next.status, if is_secret { 200 } else { 429 });
        let waits = next.headers.iter().any(|(name, _)| *name == "Retry-After");
        assert_eq!(waits, !is_secret);
        assert_eq!(send(Some("192.0.2.8".parse().unwrap())).status, 200);
    }
}

fn signature(secret: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(body);
    HEXLOWER.encode(&mac.finalize().into_bytes())
}

#[test]
fn a_secret_is_proved_in_the_way_of_each_forge() {
    let secret = "a-secret-of-sixteen-letters";
    let mut inside = Inside::with("hooks-secret", in_memory(), |settings| {
        settings.hook_secret = Some(HookSecret::read(secret).unwrap());
    });
    let body = github("refs/heads/main").to_string();
    let body = body.as_bytes();
    let right = signature(secret, body);
    let upper = right.to_uppercase();
    let prefixed = format!("sha256={right}");
    let other = signature("another-secret-of-letters", body);
    let of_other_body = signature(secret, b"{}");
    let prefixed_other = format!("sha256={other}");
    let bearer = format!("Bearer {secret}");
    let cut = &right[..62];
    let mut status = |headers: &[(&str, &str)]| {
        let (status, answer) = send(&mut inside, "", headers, body);
        let said = answer["error"].as_str().unwrap();
        assert!(!said.contains(secret) && !said.contains('\n'), "{said}");
        status
    };
    // The package is not known: 404 is behind the check.
    for good in [
        ("x-hub-signature-256", prefixed.as_str()),
        ("x-gitea-signature", &right),
        ("x-forgejo-signature", &right),
        ("x-gitea-signature", &upper),
        ("x-gitlab-token", secret),
        ("authorization", &bearer),
    ] {
        assert_eq!(status(&[good]), 404, "{good:?}");
    }
    for bad in [
        ("x-hub-signature-256", right.as_str()),
        ("x-hub-signature-256", &prefixed_other),
        ("x-hub-signature-256", "sha256="),
        ("x-hub-signature", &right),
        ("x-gitea-signature", &other),
        ("x-gitea-signature", &of_other_body),
        ("x-gitea-signature", cut),
        ("x-forgejo-signature", "no hex"),
        ("x-forgejo-signature", ""),
        ("x-gitlab-token", ""),
        ("x-gitlab-token", "a-secret-of-sixteen-letterz"),
        ("authorization", "Bearer another-secret-of-letters"),
        ("accept", "*/*"),
    ] {
        assert_eq!(status(&[bad]), 401, "{bad:?}");
    }
    // One right proof does not make up for a wrong one.
    let both = [
        ("x-gitea-signature", right.as_str()),
        ("x-forgejo-signature", &other),
    ];
    assert_eq!(status(&both), 401);
    // Nor is a ping answered to anybody.
    assert_eq!(status(&[("x-github-event", "ping")]), 401);
}

/// Test case 2 of RFC 4231: its key is too short for a secret here.
#[test]
fn signatures_are_those_of_the_standard() {
    assert_eq!(
        signature("Jefe", b"what do ya want for nothing?"),
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    );
    let secret = HookSecret::read("0123456789abcdef\n").unwrap();
    let signed = signature("0123456789abcdef", b"body");
    assert!(secret.has_signed(b"body", &signed));
    assert!(!secret.has_signed(b"bodz", &signed));
    assert_eq!(format!("{secret:?}"), "HookSecret");
    assert!(HookSecret::read("short").is_err());
}
