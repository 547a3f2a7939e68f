//! Tokens that are made, used and taken back at run time.

use serde_json::{Value, json};
use zigcheck::app::domain::scope::Scope;
use zigcheck::app::store::tokens::TokenRow;
use zigcheck::app::web::access::{self, Admin};
use zigcheck::app::web::limits::{TOKEN_USE_STEP_MS, TOKENS_LIMIT};
use zigcheck::app::web::routes::route::Access;
use zigcheck::config::token::Token;
use zigcheck::interface::message::Head;
use zigcheck::interface::peer::Peer;

use crate::common::core::{Inside, START};
use crate::common::rows::in_memory;
use crate::common::settings::settings;

fn make(inside: &mut Inside, name: &str, scope: &str) -> String {
    let body = json!({ "name": name, "scope": scope });
    let (status, value) = inside.admin_json("POST", "/admin/tokens", &body);
    assert_eq!(status, 201, "{value}");
    value["token"].as_str().unwrap().to_string()
}

fn with(inside: &mut Inside, token: &str, method: &str, path: &str) -> u16 {
    let bearer = format!("Bearer {token}");
    inside
        .request(method, path, &[("authorization", &bearer)], b"")
        .status
}

#[test]
fn a_token_counts_from_its_answer_to_its_removal_also_after_a_restart() {
    let (mut inside, memory) = Inside::begin("tokens-life", 1);
    let token = make(&mut inside, "laptop", "admin");
    let other = make(&mut inside, "phone", "admin");
    assert_eq!((token.len(), token == other), (64, false));
    let mut inside = inside.restarted(&memory);
    for (given, status) in [
        (&token[..], 200),
        (&other, 200),
        (&token[1..], 403),
        (&token.to_uppercase(), 403),
        ("laptop", 403),
    ] {
        assert_eq!(with(&mut inside, given, "GET", "/admin/status"), status);
    }
    assert_eq!(
        with(&mut inside, &token, "POST", "/admin/check-builds"),
        202
    );
    let (status, gone) = inside.admin_json("DELETE", "/admin/tokens/laptop", &Value::Null);
    assert_eq!((status, &gone["name"]), (200, &json!("laptop")));
    assert_eq!(
        inside
            .admin_json("DELETE", "/admin/tokens/laptop", &Value::Null)
            .0,
        404
    );
    let mut inside = inside.restarted(&memory);
    assert_eq!(with(&mut inside, &token, "GET", "/admin/status"), 403);
    assert_eq!(with(&mut inside, &other, "GET", "/admin/status"), 200);
    // No answer has it again, and the audit names it.
    let (_, listed) = inside.admin_json("GET", "/admin/tokens", &Value::Null);
    let (_, audit) = inside.admin_json("GET", "/admin/audit", &Value::Null);
    for text in [listed.to_string(), audit.to_string()] {
        assert!(!text.contains(&token) && !text.contains(&other), "{text}");
    }
    let who: Vec<&Value> = audit["audit"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| &row["who"])
        .collect();
    assert_eq!(
        who,
        [
            "file (local)",
            "laptop (local)",
            "file (local)",
            "file (local)"
        ]
    );
}

#[test]
fn a_use_is_noted_once_a_day() {
    let (mut inside, memory) = Inside::begin("tokens-use", 1);
    let token = make(&mut inside, "laptop", "admin");
    let last_used = |inside: &mut Inside| {
        let (_, value) = inside.admin_json("GET", "/admin/tokens", &Value::Null);
        value["tokens"][0]["last_used"].clone()
    };
    assert_eq!(last_used(&mut inside), Value::Null);
    let mut seen = Vec::new();
    for _ in 0..3 {
        inside.pass(TOKEN_USE_STEP_MS as u64 * 2 / 3);
        assert_eq!(with(&mut inside, &token, "GET", "/admin/status"), 200);
        seen.push(last_used(&mut inside));
    }
    assert!(seen[0] != Value::Null && seen[0] == seen[1] && seen[1] != seen[2]);
    let mut inside = inside.restarted(&memory);
    assert_eq!(last_used(&mut inside), seen[2]);
}

#[test]
fn a_bad_token_is_refused_with_what_is_wrong() {
    let mut inside = Inside::open("tokens-bad", in_memory(), 1);
    for (body, wanted) in [
        (json!({ "scope": "admin" }), "name: is missing"),
        (json!({ "name": "a" }), "scope: is missing"),
        (
            json!({ "name": "a", "scope": "all" }),
            "scope: must be admin or notify",
        ),
        (json!({ "name": "a b", "scope": "admin" }), "name: must be"),
        (json!({ "name": "file", "scope": "admin" }), "name: file is"),
    ] {
        let (status, value) = inside.admin_json("POST", "/admin/tokens", &body);
        let sentence = value["error"].as_str().unwrap();
        assert!(status == 400 && sentence.starts_with(wanted), "{value}");
    }
    for nth in 0..TOKENS_LIMIT {
        make(&mut inside, &format!("t{nth}"), "notify");
    }
    for name in ["t0", "one-more"] {
        let body = json!({ "name": name, "scope": "notify" });
        assert_eq!(inside.admin_json("POST", "/admin/tokens", &body).0, 409);
    }
}

#[test]
fn a_token_makes_the_calls_of_its_scope() {
    let row = |name: &str, scope| TokenRow {
        name: name.to_string(),
        hash: Token::hash_of(name),
        scope,
        created_at: START,
        last_used: None,
    };
    let tokens = [
        row("an-admin", Scope::Admin),
        row("a-notifier", Scope::Notify),
    ];
    let settings = settings(&[]);
    let elsewhere = Peer::Address([192, 0, 2, 7].into());
    let ask = |access, from, token: &str| {
        let head = Head {
            headers: vec![("authorization".to_string(), format!("Bearer {token}"))],
            ..Head::default()
        };
        access::check(access, from, &head, &settings, &tokens).map_err(|refused| refused.status)
    };
    let named = |name: &str| Ok(Some(Admin::Token(name.to_string())));
    for access in [Access::Admin, Access::Notify, Access::Local] {
        assert_eq!(ask(access, elsewhere, "an-admin"), named("an-admin"));
        assert_eq!(ask(access, elsewhere, "nobody"), Err(403));
    }
    for access in [Access::Admin, Access::Notify] {
        let root = Peer::Admin { uid: 0 };
        assert_eq!(ask(access, root, "nobody"), Ok(Some(Admin::User(0))));
    }
    assert_eq!(
        ask(Access::Notify, elsewhere, "a-notifier"),
        named("a-notifier")
    );
    assert_eq!(ask(Access::Admin, elsewhere, "a-notifier"), Err(403));
    assert_eq!(ask(Access::Local, elsewhere, "a-notifier"), Err(403));
    assert_eq!(ask(Access::Local, Peer::Unix, "nobody"), Ok(None));
    assert_eq!(ask(Access::Anyone, elsewhere, "nobody"), Ok(None));
}
