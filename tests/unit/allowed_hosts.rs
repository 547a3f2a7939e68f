//! Hosts that an admin allows while the server runs.

use serde_json::{Value, json};
use zigcheck::app::web::limits::ALLOWED_HOSTS_LIMIT;
use zigcheck::config::settings::Hosts;

use crate::common::core::Inside;
use crate::common::rows::in_memory;

const HOST: &str = "git.example.org";

fn allow(inside: &mut Inside, host: &str) -> (u16, Value) {
    inside.admin_json("POST", "/admin/hosts", &json!({ "host": host }))
}

fn submit(inside: &mut Inside, name: &str) -> u16 {
    let headers = [("content-type", "application/json")];
    let body = json!({ "url": format!("https://{HOST}/x/{name}") }).to_string();
    let response = inside.request("POST", "/api/packages", &headers, body.as_bytes());
    response.status
}

/// The hosts that the container of the newest fetch is given.
fn given(inside: &Inside) -> String {
    let words = inside
        .engine
        .asked
        .iter()
        .rev()
        .flat_map(|line| line.split(' '));
    let mut hosts = words.filter_map(|word| word.strip_prefix("--env=ZIGCHECK_HOSTS="));
    hosts.next().expect("a fetch").to_string()
}

#[test]
fn an_allowed_host_holds_for_submissions_and_fetches_until_it_is_taken_back() {
    let (mut inside, memory) = Inside::begin("hosts-allow", 4);
    assert_eq!(submit(&mut inside, "a"), 400);
    let (status, row) = allow(&mut inside, "Git.Example.org");
    assert_eq!((status, &row["host"]), (201, &json!(HOST)));
    assert_eq!(submit(&mut inside, "a"), 201);
    assert!(given(&inside).split(',').any(|host| host == HOST));
    let mut inside = inside.killed().starts(&memory);
    assert_eq!(submit(&mut inside, "b"), 201);
    let (_, listed) = inside.admin_json("GET", "/admin/hosts", &Value::Null);
    assert_eq!(listed["allowed"][0]["host"], HOST);
    assert!(listed["settings"].as_str().unwrap().contains("github.com"));
    assert_eq!(allow(&mut inside, HOST).0, 409);

    let target = format!("/admin/hosts?host={HOST}");
    assert_eq!(inside.admin_json("DELETE", &target, &Value::Null).0, 200);
    assert_eq!(submit(&mut inside, "c"), 400);
    assert_eq!(inside.admin_json("DELETE", &target, &Value::Null).0, 404);
    let (status, value) = inside.admin_json("DELETE", "/admin/hosts?host=github.com", &Value::Null);
    assert_eq!(status, 409);
    assert_eq!(value["error"], "the host is allowed by --allow-hosts");
}

#[test]
fn what_is_no_host_is_refused_in_one_sentence() {
    let (mut inside, _memory) = Inside::begin("hosts-wrong", 1);
    for host in [
        "a b",
        "a,b",
        "*",
        "a:80",
        "https://a",
        "",
        "ä.example",
        "-\u{0}",
    ] {
        let (status, value) = allow(&mut inside, host);
        assert_eq!(status, 400, "{host}: {value}");
        let error = value["error"].as_str().unwrap();
        assert!(error.starts_with("host: "), "{error}");
    }
    assert_eq!(allow(&mut inside, "github.com").0, 409);
    for nth in 0..ALLOWED_HOSTS_LIMIT {
        assert_eq!(allow(&mut inside, &format!("h{nth}.example")).0, 201);
    }
    assert_eq!(allow(&mut inside, "more.example").0, 409);
}

#[test]
fn where_every_host_is_allowed_none_can_be_added() {
    let mut inside = Inside::with("hosts-any", in_memory(), |settings| {
        settings.allow_hosts = Hosts::Any;
    });
    assert_eq!(allow(&mut inside, HOST).0, 409);
    assert_eq!(submit(&mut inside, "a"), 201);
}
