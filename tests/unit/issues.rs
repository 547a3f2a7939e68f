//! What was reported to the repositories of packages: the notifier asks, and says what it did.

use std::panic::{AssertUnwindSafe, catch_unwind};

use serde_json::{Value, json};
use zigcheck::app::domain::ids::PackageId;
use zigcheck::app::store::issues::{self, IssueRow};
use zigcheck::app::store::packages::{self, NewPackage};

use crate::common::core::Inside;
use crate::common::rows::in_memory;
use crate::targets::count;

const URL: &str = "https://forge.example/x/p/issues/5";

fn entry(package: &str, version: &str, url: &str, status: &str) -> Value {
    json!({ "package": package, "zig_version": version, "issue_url": url, "issue_status": status })
}

fn put(inside: &mut Inside, issue: &Value) -> (u16, Value) {
    inside.admin_json("PUT", "/admin/issues", issue)
}

fn get(inside: &mut Inside, target: &str) -> Value {
    let response = inside.as_admin("GET", target, b"");
    assert_eq!(response.status, 200, "{target}");
    serde_json::from_slice(&response.body).unwrap()
}

fn page(inside: &mut Inside, kind: &str) -> String {
    let response = inside.request("GET", "/packages/p", &[("accept", kind)], b"");
    String::from_utf8(response.body).unwrap()
}

#[test]
fn an_issue_is_open_until_it_is_closed_and_shown_as_long() {
    let mut inside = Inside::open("issues", in_memory(), 1);
    inside.submit("p");
    inside.submit("q");
    assert_eq!(
        get(&mut inside, "/admin/issues?package=p")["issues"],
        json!([])
    );
    let (status, body) = put(&mut inside, &entry("p", "0.16.0", URL, "open"));
    assert_eq!(status, 200, "{body}");
    let open = body["issues"][0].clone();
    assert_eq!(open["issue_url"], URL);
    assert_eq!(
        (&open["issue_status"], &open["resolved_at"]),
        (&json!("open"), &Value::Null)
    );
    assert_eq!(open["auto_created"], true);
    // To say it twice changes nothing.
    put(&mut inside, &entry("p", "0.16.0", URL, "open"));
    assert_eq!(
        get(&mut inside, "/admin/issues?package=p")["issues"],
        json!([open])
    );
    assert_eq!(get(&mut inside, "/admin/issues")["issues"], json!([open]));
    assert_eq!(
        get(&mut inside, "/api/packages/p")["open_issues"],
        json!([open])
    );
    assert_eq!(
        get(&mut inside, "/api/packages/q")["open_issues"],
        json!([])
    );
    let link = format!("href=\"{URL}\"");
    assert!(page(&mut inside, "text/html").contains(&link));
    assert!(page(&mut inside, "text/plain").contains(URL));

    inside.ms += 1_000;
    let (_, body) = put(&mut inside, &entry("p", "0.16.0", URL, "closed"));
    let closed = body["issues"][0].clone();
    assert_eq!(
        (&closed["id"], &closed["created_at"]),
        (&open["id"], &open["created_at"])
    );
    assert!(closed["resolved_at"].is_string(), "{closed}");
    inside.ms += 1_000;
    let (_, body) = put(&mut inside, &entry("p", "0.16.0", URL, "closed"));
    assert_eq!(
        body["issues"],
        json!([closed]),
        "it was resolved when it was resolved"
    );
    assert_eq!(get(&mut inside, "/admin/issues")["issues"], json!([]));
    assert_eq!(
        get(&mut inside, "/api/packages/p")["open_issues"],
        json!([])
    );
    assert!(!page(&mut inside, "text/html").contains(&link));
    assert!(!page(&mut inside, "text/plain").contains(URL));
}

#[test]
fn a_token_of_the_notifier_is_for_issues_alone() {
    let mut inside = Inside::open("issues-token", in_memory(), 1);
    inside.submit("p");
    let body = json!({ "name": "notifier", "scope": "notify" }).to_string();
    let made = inside.as_admin("POST", "/admin/tokens", body.as_bytes());
    let made: Value = serde_json::from_slice(&made.body).unwrap();
    let bearer = format!("Bearer {}", made["token"].as_str().unwrap());
    let headers = [("authorization", &bearer[..])];
    let issue = entry("p", "0.16.0", URL, "open").to_string();
    let put = inside.request("PUT", "/admin/issues", &headers, issue.as_bytes());
    assert_eq!(put.status, 200, "{put:?}");
    let got = inside.request("GET", "/admin/issues", &headers, b"");
    assert_eq!(got.status, 200);
    for (method, path) in [
        ("GET", "/admin/status"),
        ("GET", "/admin/tokens"),
        ("GET", "/admin/audit"),
        ("DELETE", "/api/packages/p"),
    ] {
        let refused = inside.request(method, path, &headers, b"");
        assert_eq!(refused.status, 403, "{method} {path}");
    }
    let audit = inside.as_admin("GET", "/admin/audit", b"");
    let audit: Value = serde_json::from_slice(&audit.body).unwrap();
    assert_eq!(audit["audit"][0]["call"], "PUT /admin/issues");
    assert_eq!(audit["audit"][0]["who"], "notifier (local)");
}

#[test]
fn an_issue_that_is_wrong_is_refused_by_its_field() {
    let mut inside = Inside::open("issues-wrong", in_memory(), 1);
    inside.submit("p");
    for (issue, field) in [
        (entry("../p", "0.16.0", URL, "open"), "package"),
        (entry("p", "the newest", URL, "open"), "zig_version"),
        (
            entry("p", "0.16.0", "javascript:alert(1)", "open"),
            "issue_url",
        ),
        (entry("p", "0.16.0", "https://a.b/ c", "open"), "issue_url"),
        (entry("p", "0.16.0", URL, "resolved"), "issue_status"),
        (
            json!({ "package": "p", "zig_version": "0.16.0", "issue_url": URL }),
            "issue_status",
        ),
    ] {
        let (status, body) = put(&mut inside, &issue);
        let sentence = body["error"].as_str().unwrap();
        assert!(
            status == 400 && sentence.starts_with(&format!("{field}: ")),
            "{status} {body}"
        );
    }
    assert_eq!(
        put(&mut inside, &entry("nobody", "0.16.0", URL, "open")).0,
        404
    );
    assert_eq!(
        inside
            .as_admin("GET", "/admin/issues?package=nobody", b"")
            .status,
        404
    );
    assert_eq!(get(&mut inside, "/admin/issues")["issues"], json!([]));
}

#[test]
fn an_issue_of_the_system_before_this_one_is_open_by_its_word() {
    let mut store = in_memory();
    let row = |status: Option<&str>, resolved_at, nth: i64| IssueRow {
        package: PackageId(1),
        zig_version: "0.15.2".to_string(),
        url: Some(format!("{URL}{nth}")),
        status: status.map(str::to_string),
        auto_created: false,
        resolved_at,
        created_at: nth,
    };
    let new = NewPackage {
        name: "p".to_string(),
        url: "https://forge.example/x/p".to_string(),
        ..NewPackage::default()
    };
    packages::insert(&mut store, &new, 0).unwrap();
    for (status, resolved_at, nth) in [
        (Some("open"), None, 1),
        (None, None, 2),
        (Some("closed"), None, 3),
        (Some("open"), Some(9), 4),
    ] {
        issues::insert(&mut store, &row(status, resolved_at, nth)).unwrap();
    }
    let open = issues::open(&store).unwrap();
    let urls: Vec<_> = open
        .iter()
        .map(|issue| issue.url.clone().unwrap())
        .collect();
    assert_eq!(urls, [format!("{URL}2"), format!("{URL}1")]);
    assert!(open.iter().all(|issue| !issue.auto_created));
}

/// The answer would have to be 503, and the issue would be there without a word about who entered it.
#[test]
fn an_issue_that_cannot_be_shown_is_not_entered() {
    let (mut inside, memory) = Inside::begin("issues-half", 1);
    inside.submit("p");
    let unreadable = "CREATE TRIGGER unreadable AFTER INSERT ON issues BEGIN \
        UPDATE issues SET zig_version = CAST(x'ff' AS TEXT) WHERE id = NEW.id; END";
    memory.db.execute_batch(unreadable).unwrap();
    let issue = entry("p", "0.16.0", URL, "open");
    // The commit fails, and with it the server ends.
    let put = AssertUnwindSafe(|| put(&mut inside, &issue));
    assert!(catch_unwind(put).is_err());
    drop(inside);
    assert_eq!(count(&memory, "SELECT count(*) FROM issues"), 0);
}
