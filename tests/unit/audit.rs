//! What admins have changed is kept with the change.

use serde_json::{Value, json};
use zigcheck::app::store::audit;
use zigcheck::app::store::limits::AUDIT_LIMIT_ROWS;
use zigcheck::config::proxies::Proxies;
use zigcheck::interface::peer::Peer;

use crate::common::core::{Asked, Inside, TOKEN};
use crate::common::rows::in_memory;

fn kept(inside: &mut Inside, query: &str) -> (Vec<Value>, Value) {
    let response = inside.as_admin("GET", &format!("/admin/audit{query}"), b"");
    assert_eq!(response.status, 200);
    let value: Value = serde_json::from_slice(&response.body).unwrap();
    (
        value["audit"].as_array().unwrap().clone(),
        value["next"].clone(),
    )
}

#[test]
fn each_change_by_an_admin_is_a_row_and_nothing_else_is() {
    let mut inside = Inside::open("audit-calls", in_memory(), 1);
    inside.submit("p");
    let changes = [
        ("POST", "/admin/trigger-build", r#"{"package_name":"p"}"#),
        ("POST", "/admin/check-builds", ""),
        ("POST", "/admin/check-all", r#"{"zig_version":"0.16.0"}"#),
        ("POST", "/admin/drain", ""),
        ("POST", "/admin/undrain", ""),
        ("PATCH", "/api/packages/p", r#"{"name":"q"}"#),
        ("DELETE", "/api/builds/1", ""),
        ("DELETE", "/api/packages/q/compat", ""),
        ("DELETE", "/api/packages/q", ""),
    ];
    for (method, path, body) in changes {
        let response = inside.as_admin(method, path, body.as_bytes());
        assert!(response.status < 300, "{method} {path}: {response:?}");
        // One that changes nothing: refused, not found, or a read.
        assert!(
            inside
                .as_admin("PATCH", "/api/packages/none", br#"{"name":"x"}"#)
                .status
                >= 400
        );
        assert!(inside.as_admin("DELETE", "/api/builds/99", b"").status >= 400);
        assert_eq!(inside.as_admin("GET", "/admin/status", b"").status, 200);
        let wrong = [("authorization", "Bearer wrong-token-of-sixteen")];
        assert!(inside.request(method, path, &wrong, body.as_bytes()).status >= 400);
    }
    inside.submit("r");
    let (rows, next) = kept(&mut inside, "");
    assert_eq!((rows.len(), next), (changes.len(), Value::Null));
    for (row, (method, path, body)) in rows.iter().rev().zip(changes) {
        assert_eq!(row["call"], format!("{method} {path}"));
        let sent = serde_json::from_str(body).unwrap_or(Value::Null);
        assert_eq!((&row["body"], &row["who"]), (&sent, &json!("file (local)")));
        assert!(
            row["at"].as_str().is_some_and(|at| at.ends_with('Z')),
            "{row}"
        );
    }
    assert!(!rows.iter().any(|row| row.to_string().contains(TOKEN)));
}

#[test]
fn whoever_opens_the_admin_socket_is_an_admin_by_name() {
    // No token at all, and a header that would name another client.
    let mut inside = Inside::with("audit-socket", in_memory(), |settings| {
        settings.admin_token = None;
        settings.trusted_proxies = Proxies::read("unix").unwrap();
    });
    let asked = |headers: &[(&'static str, &'static str)]| Asked {
        method: "POST",
        target: "/admin/check-all",
        headers: [headers, &[("content-length", "24")]].concat(),
        body: vec![br#"{"zig_version":"0.16.0"}"#],
        whole: true,
    };
    let forwarded = [("x-forwarded-for", "192.0.2.7")];
    for (peer, headers, status) in [
        (Peer::Unix, &[][..], 403),
        (Peer::Address([127, 0, 0, 1].into()), &[], 403),
        (Peer::Admin { uid: 0 }, &[], 202),
        (Peer::Admin { uid: 997 }, &forwarded, 200),
    ] {
        let response = inside.ask_as(peer, &asked(headers)).unwrap();
        assert_eq!(response.status, status, "{peer:?}");
    }
    let audit = Asked {
        method: "GET",
        target: "/admin/audit",
        headers: Vec::new(),
        body: Vec::new(),
        whole: true,
    };
    let response = inside.ask_as(Peer::Admin { uid: 0 }, &audit).unwrap();
    let value: Value = serde_json::from_slice(&response.body).unwrap();
    let rows = value["audit"].as_array().unwrap();
    let who: Vec<&Value> = rows.iter().map(|row| &row["who"]).collect();
    assert_eq!(who, ["user 997", "root"]);
}

#[test]
fn a_server_that_drains_starts_nothing_until_that_is_taken_back() {
    let mut inside = Inside::open("audit-drain", in_memory(), 1);
    inside.submit("p");
    inside.submit("q");
    let drain = |word: &str, inside: &mut Inside| -> Value {
        let response = inside.as_admin("POST", &format!("/admin/{word}"), b"");
        assert_eq!(response.status, 200, "{word}");
        serde_json::from_slice(&response.body).unwrap()
    };
    let first = inside.names();
    assert_eq!(first, ["zigcheck-source-1-1"]);
    for _ in 0..2 {
        let answer = drain("drain", &mut inside);
        assert_eq!(
            (&answer["draining"], &answer["running"]),
            (&json!(true), &json!(1))
        );
    }
    inside.source_is_there(&first[0]);
    assert_eq!(inside.names(), Vec::<String>::new());
    for _ in 0..2 {
        assert_eq!(drain("undrain", &mut inside)["draining"], false);
    }
    inside.pass(0);
    assert_eq!(inside.names().len(), 1);
    assert_eq!(kept(&mut inside, "").0.len(), 4);
}

#[test]
fn pages_of_changes_join() {
    let mut store = in_memory();
    for nth in 1..=7 {
        audit::insert(
            &mut store,
            nth,
            "local",
            &format!("DELETE /api/builds/{nth}"),
            "",
        )
        .unwrap();
    }
    let mut inside = Inside::open("audit-pages", store, 1);
    let (mut ids, mut query) = (Vec::new(), "?limit=3".to_string());
    loop {
        let (rows, next) = kept(&mut inside, &query);
        ids.extend(rows.iter().map(|row| row["id"].as_i64().unwrap()));
        let Some(next) = next.as_i64() else { break };
        query = format!("?limit=3&before={next}");
    }
    assert_eq!(ids, [7, 6, 5, 4, 3, 2, 1]);
}

#[test]
fn the_oldest_changes_go() {
    let mut store = in_memory();
    for nth in 1..=AUDIT_LIMIT_ROWS + 3 {
        audit::insert(&mut store, nth, "local", "POST /admin/check-builds", "").unwrap();
    }
    let oldest = audit::before(&store, 6, 10).unwrap();
    let oldest: Vec<i64> = oldest.iter().map(|row| row.id).collect();
    assert_eq!(oldest, [5, 4]);
}
