//! How much addresses may submit in place of the limit for all, and those that may submit nothing.

use std::net::IpAddr;

use serde_json::{Value, json};
use zigcheck::app::web::limits::QUOTAS_LIMIT;
use zigcheck::base::client_addr::ClientAddr;
use zigcheck::base::client_net::ClientNet;

use crate::common::core::{Asked, Inside};

const HOUR_MS: u64 = 3_600_000;

fn net(text: &str) -> ClientNet {
    ClientNet::parse(text).unwrap_or_else(|| panic!("{text}"))
}

fn client(text: &str) -> ClientAddr {
    ClientAddr::from_forwarded(text.parse().unwrap())
}

#[test]
fn a_network_holds_the_addresses_that_begin_with_its_bits() {
    for (network, shown, within, without) in [
        ("192.0.2.7", "192.0.2.7", "192.0.2.7", "192.0.2.8"),
        ("192.0.2.7/24", "192.0.2.0/24", "192.0.2.255", "192.0.3.0"),
        ("10.0.0.0/8", "10.0.0.0/8", "10.255.0.1", "11.0.0.0"),
        ("0.0.0.0/0", "0.0.0.0/0", "203.0.113.9", "2001:db8::1"),
        (
            "2001:db8::7",
            "2001:db8::/64",
            "2001:db8::ffff",
            "2001:db8:0:1::7",
        ),
        (
            "2001:db8::/32",
            "2001:db8::/32",
            "2001:db8:ffff::1",
            "2001:db9::",
        ),
        ("::/0", "::/0", "2001:db8::1", "192.0.2.7"),
        (
            "192.0.2.7/32",
            "192.0.2.7",
            "::ffff:192.0.2.7",
            "::ffff:192.0.2.8",
        ),
    ] {
        let network = net(network);
        assert_eq!(network.to_string(), shown);
        assert_eq!(net(shown), network);
        assert!(network.contains(client(within)), "{shown} {within}");
        assert!(!network.contains(client(without)), "{shown} {without}");
    }
    for wrong in [
        "",
        "x",
        "192.0.2",
        "192.0.2.7/33",
        "192.0.2.7/",
        "192.0.2.7/-1",
        "2001:db8::/65",
        "::ffff:192.0.2.0/120",
        "::ffff:192.0.2.7",
        "192.0.2.7/24/8",
        " 192.0.2.7",
    ] {
        assert_eq!(ClientNet::parse(wrong), None, "{wrong}");
    }
}

fn set(inside: &mut Inside, body: Value) -> Value {
    let (status, value) = inside.admin_json("PUT", "/admin/quotas", &body);
    assert_eq!(status, 200, "{value}");
    value
}

/// Status and error of one request from that address.
fn ask(inside: &mut Inside, from: &str, target: &str, body: &str) -> (u16, String) {
    let from: IpAddr = from.parse().unwrap();
    let length = body.len().to_string();
    let asked = Asked {
        method: "POST",
        target,
        headers: vec![
            ("content-type", "application/json"),
            ("content-length", &length),
        ],
        body: vec![body.as_bytes()],
        whole: true,
    };
    let response = inside.ask_from(Some(from), &asked).expect("an answer");
    let value: Value = serde_json::from_slice(&response.body).unwrap_or_default();
    let error = value["error"].as_str().unwrap_or_default();
    (response.status, error.to_string())
}

fn submit(inside: &mut Inside, from: &str, name: &str) -> (u16, String) {
    let body = json!({ "url": format!("https://github.com/x/{name}") }).to_string();
    ask(inside, from, "/api/packages", &body)
}

#[test]
fn a_banned_network_submits_nothing_and_reads_all() {
    let (mut inside, memory) = Inside::begin("quotas-ban", 1);
    let row = set(
        &mut inside,
        json!({"address": "192.0.2.7/24", "per_hour": 0, "reason": "a flood"}),
    );
    assert_eq!(
        (&row["address"], &row["until"]),
        (&json!("192.0.2.0/24"), &Value::Null)
    );
    let mut inside = inside.killed().starts(&memory);
    let refused = (
        403,
        "your address may submit nothing here: a flood".to_string(),
    );
    assert_eq!(submit(&mut inside, "192.0.2.9", "a"), refused);
    assert_eq!(
        ask(&mut inside, "192.0.2.9", "/api/check", "a tree"),
        refused
    );
    assert_eq!(ask(&mut inside, "192.0.2.9", "/hooks/push", "{}"), refused);
    assert_eq!(submit(&mut inside, "192.0.3.9", "a").0, 201);
    // Nothing of the refused ones is there, and pages are.
    let mut headers = vec![("accept", "application/json")];
    headers.push(("content-length", "0"));
    let asked = Asked {
        method: "GET",
        target: "/api/packages",
        headers,
        body: Vec::new(),
        whole: true,
    };
    let from: IpAddr = "192.0.2.9".parse().unwrap();
    let read = inside.ask_from(Some(from), &asked).expect("an answer");
    assert_eq!(read.status, 200);
    // The nearest network decides.
    set(
        &mut inside,
        json!({"address": "192.0.2.9", "per_hour": 600}),
    );
    assert_eq!(submit(&mut inside, "192.0.2.9", "b").0, 201);
    assert_eq!(submit(&mut inside, "192.0.2.8", "c").0, 403);
    let (status, ended) = inside.admin_json(
        "DELETE",
        "/admin/quotas?address=192.0.2.0%2F24",
        &Value::Null,
    );
    assert_eq!((status, &ended["reason"]), (200, &json!("a flood")));
    assert_eq!(submit(&mut inside, "192.0.2.8", "c").0, 201);
    let (status, _) = inside.admin_json(
        "DELETE",
        "/admin/quotas?address=192.0.2.0%2F24",
        &Value::Null,
    );
    assert_eq!(status, 404);
    // The audit has each change.
    let (_, audit) = inside.admin_json("GET", "/admin/audit", &Value::Null);
    let calls: Vec<&str> = audit["audit"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["call"].as_str().unwrap())
        .collect();
    assert_eq!(
        calls,
        [
            "DELETE /admin/quotas",
            "PUT /admin/quotas",
            "PUT /admin/quotas"
        ]
    );
}

#[test]
fn a_quota_takes_the_place_of_the_limit_for_all_until_it_ends() {
    let (mut inside, _memory) = Inside::begin("quotas-hour", 1);
    set(
        &mut inside,
        json!({"address": "198.51.100.0/24", "per_hour": 1, "hours": 2}),
    );
    assert_eq!(submit(&mut inside, "198.51.100.1", "a").0, 201);
    let (status, error) = submit(&mut inside, "198.51.100.1", "b");
    assert_eq!(status, 429);
    assert!(error.contains("at most 1 submissions an hour"), "{error}");
    // Another client of the network has its own.
    assert_eq!(submit(&mut inside, "198.51.100.2", "b").0, 201);
    // Another quota changes nothing of what was counted.
    set(
        &mut inside,
        json!({"address": "203.0.113.1", "per_hour": 5}),
    );
    assert_eq!(submit(&mut inside, "198.51.100.2", "c").0, 429);
    inside.pass(2 * HOUR_MS + 1);
    for name in ["d", "e"] {
        assert_eq!(submit(&mut inside, "198.51.100.1", name).0, 201);
    }
    let (_, listed) = inside.admin_json("GET", "/admin/quotas", &Value::Null);
    let rows = listed["quotas"].as_array().unwrap();
    assert_eq!(rows.len(), 1, "{listed}");
    assert_eq!(rows[0]["address"], "203.0.113.1");
}

#[test]
fn a_quota_that_is_none_is_refused_in_one_sentence() {
    let (mut inside, _memory) = Inside::begin("quotas-wrong", 1);
    for (body, sentence) in [
        (json!({"per_hour": 1}), "address: is missing"),
        (
            json!({"address": "x", "per_hour": 1}),
            "address: must be an IPv4 or IPv6 address",
        ),
        (json!({"address": "192.0.2.7"}), "per_hour: is missing"),
        (
            json!({"address": "192.0.2.7", "per_hour": -1}),
            "per_hour: must be a number from 0",
        ),
        (
            json!({"address": "192.0.2.7", "per_hour": "9"}),
            "per_hour: must be a number from 0",
        ),
        (
            json!({"address": "192.0.2.7", "per_hour": 1, "hours": 1.5}),
            "hours: must be a number",
        ),
        (
            json!({"address": "192.0.2.7", "per_hour": 1, "reason": "x".repeat(201)}),
            "reason: must be",
        ),
    ] {
        let (status, value) = inside.admin_json("PUT", "/admin/quotas", &body);
        assert_eq!(status, 400, "{body}");
        let error = value["error"].as_str().unwrap();
        assert!(error.starts_with(sentence), "{error}");
    }
    let quota =
        |nth: usize| json!({"address": format!("10.0.{}.{}", nth / 256, nth % 256), "per_hour": 1});
    for nth in 0..QUOTAS_LIMIT {
        set(&mut inside, quota(nth));
    }
    assert_eq!(
        inside
            .admin_json("PUT", "/admin/quotas", &quota(QUOTAS_LIMIT))
            .0,
        409
    );
    // One that is there can be changed.
    set(&mut inside, quota(0));
}
