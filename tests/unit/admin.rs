//! Admin calls: who is answered, and what.

use crate::ask::{admit, header, read};
use crate::common::core::{self, Inside, START, TOKEN};
use crate::common::rows::{self, in_memory};
use crate::common::settings::settings;
use serde_json::{Value, json};
use zigcheck::app::builds::limits::REQUESTED_CHECKS_LIMIT;
use zigcheck::app::domain::ids::PackageId;
use zigcheck::app::store::packages;
use zigcheck::app::web::routes::submit::{PackageRef, SubmitCall};
use zigcheck::app::web::routes::table::Call;
use zigcheck::config::settings::Settings;
use zigcheck::config::token::Token;
use zigcheck::interface::message::{Admission, Request, Response};

/// Every admin call, with a body where it needs one.
const CALLS: [(&str, &str, &str); 25] = [
    ("POST", "/admin/drain", ""),
    ("POST", "/admin/undrain", ""),
    ("GET", "/admin/audit", ""),
    ("GET", "/admin/tokens", ""),
    ("POST", "/admin/tokens", r#"{"name":"a","scope":"admin"}"#),
    ("DELETE", "/admin/tokens/a", ""),
    ("GET", "/admin/quotas", ""),
    (
        "PUT",
        "/admin/quotas",
        r#"{"address":"192.0.2.7","per_hour":0}"#,
    ),
    ("DELETE", "/admin/quotas?address=192.0.2.7", ""),
    ("GET", "/admin/hosts", ""),
    ("POST", "/admin/hosts", r#"{"host":"a.b"}"#),
    ("DELETE", "/admin/hosts?host=a.b", ""),
    ("GET", "/admin/nodes", ""),
    ("PATCH", "/admin/nodes/n2", r#"{"drained":true}"#),
    ("GET", "/admin/issues", ""),
    (
        "PUT",
        "/admin/issues",
        r#"{"package":"p","zig_version":"0.16.0","issue_url":"https://a.b/1","issue_status":"open"}"#,
    ),
    ("POST", "/admin/trigger-build", r#"{"package_name":"p"}"#),
    ("POST", "/admin/check-builds", ""),
    ("POST", "/admin/check-all", r#"{"zig_version":"0.16.0"}"#),
    ("POST", "/admin/retry-errors", ""),
    ("GET", "/admin/status", ""),
    ("HEAD", "/admin/status", ""),
    ("DELETE", "/api/builds/7", ""),
    ("DELETE", "/api/packages/p", ""),
    ("PATCH", "/api/packages/p", r#"{"name":"q"}"#),
];

fn with_token() -> Settings {
    let mut settings = settings(&[]);
    settings.admin_token = Some(Token::read(TOKEN).unwrap());
    settings
}

fn request(method: &str, target: &str, headers: &[(&str, &str)], body: &str) -> Request {
    let length = body.len().to_string();
    let headers = [headers, &[("content-length", &length)]].concat();
    core::request(method, target, &headers, body.as_bytes())
}

/// What the head alone is answered, and then the whole request: the same.
fn refused(request: &Request, settings: &Settings) -> Response {
    let response = read(request, settings).unwrap_err();
    let admitted = admit(&request.head, settings);
    assert_eq!(admitted, Admission::Refuse(response.clone()), "{request:?}");
    let open = header(&response, "Access-Control-Allow-Origin");
    assert_eq!(open, None, "{request:?} is nothing for other pages");
    response
}

#[test]
fn only_who_knows_the_token_is_answered() {
    let settings = with_token();
    let bearer = format!("Bearer {TOKEN}");
    let shorter = &bearer[..bearer.len() - 1];
    let upper = bearer.to_uppercase();
    let (longer, twice) = (format!("{bearer}x"), format!("{bearer} {TOKEN}"));
    let (comma, quoted) = (format!("{bearer},"), format!("Bearer \"{TOKEN}\""));
    let basic = format!("Basic {TOKEN}");
    let bare = TOKEN;
    for (value, status) in [
        (None, 401),
        (Some(""), 401),
        (Some("Bearer"), 401),
        (Some("Bearer   "), 401),
        (Some(basic.as_str()), 401),
        (Some(bare), 401),
        (Some(&bearer[1..]), 401),
        (Some("Bearer wrong"), 403),
        (Some(shorter), 403),
        (Some(&upper), 403),
        (Some(&longer), 403),
        (Some(&twice), 403),
        (Some(&comma), 403),
        (Some(&quoted), 403),
    ] {
        for (method, target, body) in CALLS {
            let headers: Vec<(&str, &str)> =
                value.map(|v| ("authorization", v)).into_iter().collect();
            let response = refused(&request(method, target, &headers, body), &settings);
            assert_eq!(response.status, status, "{method} {target} {value:?}");
            let asked = header(&response, "WWW-Authenticate");
            assert_eq!(asked, (status == 401).then_some("Bearer"), "{value:?}");
        }
    }
    let scheme = |word: &str| format!("{word} {TOKEN}");
    for value in [
        bearer.clone(),
        scheme("bearer"),
        scheme("BEARER"),
        scheme("Bearer   "),
        format!("  {bearer}  \t"),
    ] {
        for (method, target, body) in CALLS {
            let request = request(method, target, &[("authorization", &value)], body);
            let call = read(&request, &settings);
            assert!(call.is_ok(), "{method} {target} {value:?}: {call:?}");
            let admitted = admit(&request.head, &settings);
            let taken = matches!(admitted, Admission::Collect { .. });
            assert!(taken, "{method} {target} {value:?}: {admitted:?}");
        }
    }
}

#[test]
fn a_token_counts_in_one_header_and_nowhere_else() {
    let settings = with_token();
    let bearer = format!("Bearer {TOKEN}");
    let cookie = format!("access_token={TOKEN}");
    for query in ["access_token", "token", "authorization"] {
        let target = format!("/admin/status?{query}={TOKEN}");
        let request = request("GET", &target, &[("cookie", &cookie)], "");
        assert_eq!(refused(&request, &settings).status, 401, "{query}");
    }
    // With two headers it is unclear which one counts.
    for other in ["Bearer wrong", &bearer] {
        let two = [("authorization", bearer.as_str()), ("authorization", other)];
        let request = request("GET", "/admin/status", &two, "");
        assert_eq!(refused(&request, &settings).status, 401, "{other}");
    }
}

#[test]
fn without_a_token_of_its_own_the_server_takes_none() {
    let bearer = format!("Bearer {TOKEN}");
    for (method, target, body) in CALLS {
        for headers in [&[][..], &[("authorization", bearer.as_str())]] {
            let response = refused(&request(method, target, headers, body), &settings(&[]));
            assert_eq!(response.status, 403, "{method} {target}");
            assert_eq!(header(&response, "WWW-Authenticate"), None);
        }
    }
}

#[test]
fn nothing_else_of_a_request_is_looked_at_before_the_token() {
    let settings = with_token();
    let bearer = format!("Bearer {TOKEN}");
    let right = [("authorization", bearer.as_str())];
    let kind = [right[0], ("content-type", "text/html")];
    let json = ("content-type", "application/json");
    for (method, target, headers, body, status) in [
        ("DELETE", "/api/builds/x", &right[..], "", 400),
        ("POST", "/admin/trigger-build", &kind, "{}", 415),
        ("POST", "/admin/trigger-build", &[right[0], json], "[]", 400),
        ("POST", "/admin/trigger-build", &[right[0], json], "{", 400),
    ] {
        let mut asked = request(method, target, headers, body);
        let response = read(&asked, &settings).unwrap_err();
        assert_eq!(response.status, status, "{method} {target} {body}");
        asked
            .head
            .headers
            .retain(|(name, _)| name != "authorization");
        assert_eq!(refused(&asked, &settings).status, 401);
    }
    let mut bodyless = request("POST", "/admin/trigger-build", &right, "");
    bodyless
        .head
        .headers
        .retain(|(name, _)| name != "content-length");
    let admitted = admit(&bodyless.head, &settings);
    assert!(matches!(admitted, Admission::Refuse(response) if response.status == 411));
    // The one call that shares its path with another leaves that open to all.
    assert!(read(&request("GET", "/api/builds/7", &[], ""), &settings).is_ok());
}

#[test]
fn an_admin_says_which_package() {
    let settings = with_token();
    let bearer = format!("Bearer {TOKEN}");
    let ask = |body: &str| {
        let headers = [("authorization", bearer.as_str())];
        read(
            &request("POST", "/admin/trigger-build", &headers, body),
            &settings,
        )
    };
    let by_name = PackageRef::Name("a.b-c".to_string());
    for (body, package) in [
        (r#"{"package_id": 7}"#, PackageRef::Id(PackageId(7))),
        (r#"{"package_name": "a.b-c"}"#, by_name.clone()),
        (r#"{"package_name": "a.b-c", "package_id": null}"#, by_name),
        (
            r#"{"package_name": "", "package_id": 7, "x": 1}"#,
            PackageRef::Id(PackageId(7)),
        ),
        (
            r#"{"package_id": 7, "fresh": true}"#,
            PackageRef::Id(PackageId(7)),
        ),
        (
            r#"{"package_id": 7, "fresh": false}"#,
            PackageRef::Id(PackageId(7)),
        ),
    ] {
        assert_eq!(
            ask(body),
            Ok(Call::Submit(SubmitCall::Trigger {
                package,
                fresh: body.contains("fresh\": true")
            })),
            "{body}"
        );
    }
    for (body, words) in [
        ("", "the body is not JSON"),
        ("7", "the body must be a JSON object"),
        ("{}", "package_id or package_name: one of them is needed"),
        (
            r#"{"package_id": 7, "fresh": 1}"#,
            "fresh: must be true or false",
        ),
        (
            r#"{"package_id": 7, "package_name": "a"}"#,
            "package_id, package_name: only one",
        ),
        (
            r#"{"package_id": 0}"#,
            "package_id: must be a whole number from 1",
        ),
        (
            r#"{"package_id": "7"}"#,
            "package_id: must be a whole number",
        ),
        (
            r#"{"package_id": 1.5}"#,
            "package_id: must be a whole number",
        ),
        (
            r#"{"package_id": 9223372036854775808}"#,
            "package_id: must be a whole number",
        ),
        (r#"{"package_name": 7}"#, "package_name: must be a string"),
        (
            r#"{"package_name": "a/b"}"#,
            "package_name: must be 1 to 100 of",
        ),
        (
            r#"{"package_name": ".."}"#,
            "package_name: must be 1 to 100 of",
        ),
    ] {
        let response = ask(body).unwrap_err();
        let sentence = String::from_utf8(response.body).unwrap();
        assert!(sentence.contains(words), "{body}: {sentence}");
        assert_eq!(response.status, 400);
    }
}

fn admin(inside: &mut Inside, method: &str, target: &str, body: &Value) -> (u16, Value) {
    let body = match body {
        Value::Null => String::new(),
        body => body.to_string(),
    };
    let response = inside.as_admin(method, target, body.as_bytes());
    assert_eq!(header(&response, "Access-Control-Allow-Origin"), None);
    let value = serde_json::from_slice(&response.body).unwrap();
    (response.status, value)
}

#[test]
fn a_build_is_triggered_by_name_or_number() {
    let mut inside = Inside::open("admin-trigger", in_memory(), 1);
    inside.submit("p");
    let trigger = "/admin/trigger-build";
    for (body, check) in [
        (json!({"package_name": "p"}), 2),
        (json!({"package_id": 1}), 3),
    ] {
        let (status, answer) = admin(&mut inside, "POST", trigger, &body);
        assert_eq!((status, &answer["check"]), (202, &json!(check)), "{answer}");
        assert_eq!(answer["message"], "Build triggered");
        let builds = answer["builds"].as_array().unwrap();
        let said = builds.iter().map(|b| (&b["check"], &b["state"]));
        let waits = (&json!(check), &json!("queued"));
        assert_eq!(said.collect::<Vec<_>>(), [waits; 2]);
    }
    for body in [json!({"package_name": "q"}), json!({"package_id": 2})] {
        let (status, answer) = admin(&mut inside, "POST", trigger, &body);
        let error = json!({"error": "there is no such package"});
        assert_eq!((status, answer), (404, error));
    }
}

#[test]
fn without_an_engine_nothing_is_triggered() {
    let mut store = in_memory();
    packages::insert(&mut store, &rows::new("p"), 0).unwrap();
    let mut inside = Inside::without_engine("admin-no-engine", store);
    let body = json!({"package_name": "p"});
    let (status, _) = admin(&mut inside, "POST", "/admin/trigger-build", &body);
    assert_eq!(status, 503);
    let (status, answer) = admin(&mut inside, "GET", "/admin/status", &Value::Null);
    assert_eq!((status, &answer["engine"]), (200, &json!("unavailable")));
    assert!(answer["error"].is_string());
}

#[test]
fn an_admin_has_each_remote_checked_once_in_slices_that_survive_a_restart() {
    const PACKAGES: usize = 2 * REQUESTED_CHECKS_LIMIT + 1;
    let place = rows::Place::on_disk("admin-check");
    let mut store = place.open();
    for nth in 0..PACKAGES {
        packages::insert(&mut store, &rows::new(&format!("p{nth}")), START).unwrap();
    }
    let mut inside = Inside::open("admin-check", store, 1);
    let db = rusqlite::Connection::open(place.path()).unwrap();
    let count = |sql: &str| -> i64 { db.query_row(sql, [], |row| row.get(0)).unwrap() };
    let due = format!("SELECT count(*) FROM packages WHERE next_check <= {START}");
    let (status, answer) = admin(&mut inside, "POST", "/admin/check-builds", &Value::Null);
    assert_eq!((status, &answer["packages"]), (202, &json!(PACKAGES)));
    assert!(answer["message"].is_string());
    assert_eq!(count(&due), 0, "the answer comes first");
    inside.pass(0);
    assert_eq!(count(&due), REQUESTED_CHECKS_LIMIT as i64);
    let mut inside = inside.killed().starts_on(place.open());
    inside.submit("submitted-meanwhile");
    for _ in 0..PACKAGES {
        inside.pass(0);
    }
    assert_eq!(count(&due), 0);
    let waiting = "SELECT count(*) FROM queue WHERE kind = 2";
    assert_eq!(
        count(waiting),
        PACKAGES as i64,
        "the submission holds the slot"
    );
    let mut inside = inside.killed().starts_on(place.open());
    inside.pass(0);
    assert_eq!((count(&due), count(waiting)), (0, PACKAGES as i64));
}

#[test]
fn the_status_says_how_much_there_is() {
    let mut inside = Inside::open("admin-status", in_memory(), 1);
    inside.submit("p");
    inside.pass(5_000);
    let (status, answer) = admin(&mut inside, "GET", "/admin/status", &Value::Null);
    assert_eq!(status, 200);
    for (name, wanted) in [
        ("running", json!(1)),
        ("waiting", json!(1)),
        ("slots", json!(1)),
        ("engine", json!("ok")),
        ("draining", json!(false)),
        ("uptime_seconds", json!(5)),
        ("version", json!(env!("CARGO_PKG_VERSION"))),
        ("packages", json!(1)),
        ("builds", json!(2)),
        ("toolchains", json!(["0.16.0", "0.15.2"])),
    ] {
        assert_eq!(answer[name], wanted, "{name} in {answer}");
    }
    assert!(answer["database_bytes"].as_i64().unwrap() > 10_000);
}
