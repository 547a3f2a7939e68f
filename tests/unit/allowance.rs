//! What one client may ask for in an hour, and what all together may: who is told to wait, and how long.

use std::net::IpAddr;

use crate::common::core::{Asked, Inside, Memory, TOKEN};
use crate::common::rows::in_memory;
use serde_json::{Value, json};
use zigcheck::app::web::limits::{ADDRESS_UPLOADS_LIMIT, ADDRESS_UPLOADS_LIMIT_BYTES, QUEUE_LIMIT};
use zigcheck::config::limits::SOURCE_LIMIT_BYTES;
use zigcheck::config::proxies::Proxies;
use zigcheck::config::settings::Settings;
use zigcheck::interface::message::Response;

/// Fit for an upload, though no archive: it is looked through, and answered 400.
const TREE: &[u8] = b"no archive";

fn address(text: &str) -> Option<IpAddr> {
    Some(text.parse().unwrap())
}

/// Status, and the seconds to wait where there are any.
fn told(response: &Response) -> (u16, Option<u64>) {
    let named = |(name, _): &&(&str, String)| *name == "Retry-After";
    let wait = response.headers.iter().find(named);
    let sentence: Value = serde_json::from_slice(&response.body).unwrap();
    assert!(wait.is_none() || sentence["error"].is_string());
    (
        response.status,
        wait.map(|(_, value)| value.parse().unwrap()),
    )
}

/// Somebody asks; what is told.
fn ask(
    inside: &mut Inside,
    from: Option<IpAddr>,
    (method, target): (&str, &str),
    headers: &[(&str, &str)],
    body: &[u8],
) -> (u16, Option<u64>) {
    let length = body.len().to_string();
    let mut headers = headers.to_vec();
    headers.push(("content-length", &length));
    let asked = Asked {
        method,
        target,
        headers,
        body: vec![body],
        whole: true,
    };
    told(&inside.ask_from(from, &asked).expect("an answer"))
}

fn submit(inside: &mut Inside, from: Option<IpAddr>, name: &str) -> (u16, Option<u64>) {
    let body = json!({"url": format!("https://github.com/x/{name}")}).to_string();
    ask(
        inside,
        from,
        ("POST", "/api/packages"),
        &[],
        body.as_bytes(),
    )
}

fn rate(submissions: u64) -> impl Fn(&mut Settings) {
    move |settings| settings.submit_rate = submissions
}

#[test]
fn every_way_to_submit_takes_from_one_bucket() {
    // Four at once, one a quarter of an hour, more or less.
    let mut inside = Inside::with("allow-ways", in_memory(), rate(16));
    let (one, other) = (address("192.0.2.1"), address("2001:db8::1"));
    let again = ("POST", "/api/packages/p/builds");
    assert_eq!(submit(&mut inside, one, "p"), (201, None));
    assert_eq!(ask(&mut inside, one, again, &[], b""), (202, None));
    for way in [("POST", "/api/check"), ("PUT", "/api/check?follow")] {
        assert_eq!(ask(&mut inside, one, way, &[], TREE), (400, None));
    }
    for way in [
        ("POST", "/api/packages"),
        again,
        ("POST", "/api/check"),
        ("PUT", "/api/check"),
    ] {
        let told = ask(&mut inside, one, way, &[], b"{}");
        assert_eq!(told, (429, Some(225)), "{way:?}");
    }
    // What is no submission goes on, and so does everybody else.
    let get = ("GET", "/api/packages/p");
    assert_eq!(ask(&mut inside, one, get, &[], b""), (200, None));
    assert_eq!(submit(&mut inside, other, "q"), (201, None));
    inside.pass(224_001);
    assert_eq!(ask(&mut inside, one, again, &[], b""), (429, Some(1)));
    inside.pass(999);
    assert_eq!(ask(&mut inside, one, again, &[], b""), (202, None));
    assert_eq!(ask(&mut inside, one, again, &[], b""), (429, Some(225)));
}

#[test]
fn a_network_is_one_client_and_this_machine_none() {
    let mut inside = Inside::with("allow-network", in_memory(), rate(1));
    for (nth, from, status) in [
        (1, "2001:db8::1", 201),
        (2, "2001:db8::2:0:0:1", 429),
        (3, "2001:db8:0:1::1", 201),
        (4, "192.0.2.1", 201),
        (5, "::ffff:192.0.2.1", 429),
        (6, "127.0.0.1", 201),
        (7, "127.0.0.1", 201),
        (8, "::1", 201),
        (9, "::1", 201),
    ] {
        let (told, _) = submit(&mut inside, address(from), &format!("p{nth}"));
        assert_eq!(told, status, "{from}");
    }
    for nth in 10..15 {
        assert_eq!(submit(&mut inside, None, &format!("p{nth}")), (201, None));
    }
    // Without a limit nobody is told to wait.
    let mut inside = Inside::with("allow-all", in_memory(), rate(0));
    for nth in 0..200 {
        let from = address("192.0.2.1");
        assert_eq!(submit(&mut inside, from, &format!("p{nth}")), (201, None));
    }
}

#[test]
fn behind_a_trusted_proxy_each_client_counts_for_itself() {
    let memory = Memory::new("allow-proxy");
    let mut inside = Inside::with("allow-proxy", memory.open(), |settings| {
        settings.submit_rate = 1;
        settings.trusted_proxies = Proxies::read("loopback,unix").unwrap();
    });
    let mut nth = 0;
    let mut comes = |from: Option<IpAddr>, said: &[(&str, &str)]| {
        nth += 1;
        let body = json!({"url": format!("https://github.com/x/p{nth}")}).to_string();
        let way = ("POST", "/api/packages");
        ask(&mut inside, from, way, said, body.as_bytes()).0
    };
    let said = |value| [("x-forwarded-for", value)];
    let local = address("127.0.0.1");
    assert_eq!(comes(local, &said("192.0.2.1")), 201);
    assert_eq!(comes(local, &said("192.0.2.1")), 429);
    // The same by another way, and with what it made up before its own address.
    assert_eq!(comes(None, &said("192.0.2.1")), 429);
    assert_eq!(comes(local, &said("192.0.2.9, 192.0.2.1")), 429);
    assert_eq!(comes(address("192.0.2.1"), &said("192.0.2.7")), 429);
    assert_eq!(comes(local, &said("192.0.2.2")), 201);
    // A proxy that cannot say for whom is counted itself; who asks from here is not.
    assert_eq!(comes(local, &said("unknown")), 201);
    assert_eq!(comes(local, &said("unknown")), 429);
    assert_eq!(comes(local, &[]), 201);
    assert_eq!(comes(local, &[]), 201);
    let sql = "SELECT tenant FROM checks ORDER BY id";
    let mut statement = memory.db.prepare(sql).unwrap();
    let tenants = statement.query_map([], |row| row.get(0)).unwrap();
    let tenants: Vec<String> = tenants.map(Result::unwrap).collect();
    assert_eq!(tenants, ["192.0.2.1", "192.0.2.2", "127.0.0.1", "", ""]);
}

#[test]
fn connections_of_a_trusted_proxy_are_nobody_s() {
    let plain = Inside::open("allow-plain", in_memory(), 1);
    let behind = Inside::with("allow-behind", in_memory(), |settings| {
        settings.trusted_proxies = Proxies::read("10.0.0.0/8").unwrap();
    });
    for (from, without, with) in [
        (address("10.1.2.3"), true, false),
        (address("11.1.2.3"), true, true),
        (address("127.0.0.1"), false, false),
        (None, false, false),
    ] {
        assert_eq!(plain.counts(from), without, "{from:?}");
        assert_eq!(behind.counts(from), with, "{from:?}");
    }
}

/// The head of an upload, with its length where one is said, and pieces of its body.
fn upload<'a>(length: &'a Option<String>, pieces: &[&'a [u8]], whole: bool) -> Asked<'a> {
    let header = match length {
        Some(length) => ("content-length", length.as_str()),
        None => ("transfer-encoding", "chunked"),
    };
    Asked {
        method: "POST",
        target: "/api/check",
        headers: vec![header],
        body: pieces.to_vec(),
        whole,
    }
}

#[test]
fn bytes_of_uploads_are_counted_when_they_are_announced_and_else_when_they_come() {
    let most = SOURCE_LIMIT_BYTES;
    let mut inside = Inside::with("allow-bytes", in_memory(), |settings| {
        settings.upload_rate_bytes = most;
    });
    let (one, other) = (address("192.0.2.1"), address("192.0.2.2"));
    let (half, whole) = (Some((most / 2).to_string()), Some(most.to_string()));
    let mut comes = |from, length: &Option<String>, pieces: &[&[u8]]| {
        let response = inside.ask_from(from, &upload(length, pieces, true));
        told(&response.expect("an answer"))
    };
    // The largest there is passes, if nothing was sent before; what is announced counts.
    assert_eq!(comes(one, &whole, &[TREE]), (400, None));
    assert_eq!(comes(one, &half, &[TREE]), (429, Some(1_800)));
    assert_eq!(comes(other, &half, &[TREE]), (400, None));
    assert_eq!(comes(other, &whole, &[TREE]), (429, Some(1_800)));
    assert_eq!(comes(other, &half, &[TREE]), (400, None));
    // Without a length it is what comes, in the middle of it if need be.
    let mib = vec![0; 1 << 20];
    let chunks = vec![mib.as_slice(); 40];
    let third = address("192.0.2.3");
    assert_eq!(comes(third, &None, &chunks), (400, None));
    let (status, wait) = comes(third, &None, &chunks);
    assert!(
        status == 429 && wait.is_some_and(|wait| wait <= 57),
        "{wait:?}"
    );
    assert!(inside.sources().is_empty(), "{:?}", inside.sources());
    // This machine sends what it likes.
    for _ in 0..3 {
        let response = inside.ask_from(None, &upload(&whole, &[TREE], true));
        assert_eq!(response.unwrap().status, 400);
    }
}

#[test]
fn one_client_cannot_hold_the_uploads_of_all() {
    let (one, other) = (address("192.0.2.1"), address("192.0.2.2"));
    let small = Some("100".to_string());
    let start = |inside: &mut Inside, from, length: &Option<String>, pieces: &[&[u8]]| {
        inside.ask_from(from, &upload(length, pieces, false))
    };
    let mut inside = Inside::with("allow-many", in_memory(), rate(0));
    for _ in 0..ADDRESS_UPLOADS_LIMIT {
        assert_eq!(start(&mut inside, one, &small, &[b"x"]), None);
    }
    let refused = start(&mut inside, one, &small, &[b"x"]).map(|r| told(&r));
    assert_eq!(refused, Some((429, Some(5))));
    assert_eq!(start(&mut inside, other, &small, &[b"x"]), None);
    // By what they hold of the disk: who sends almost all of it, and then no more.
    let mut inside = Inside::with("allow-held", in_memory(), |settings| {
        settings.upload_rate_bytes = 0;
    });
    let mib = vec![0; 1 << 20];
    let most = (SOURCE_LIMIT_BYTES >> 20) as usize;
    let large = vec![mib.as_slice(); most];
    for _ in 0..ADDRESS_UPLOADS_LIMIT_BYTES / SOURCE_LIMIT_BYTES {
        assert_eq!(start(&mut inside, one, &None, &large), None);
    }
    let refused = start(&mut inside, one, &small, &[b"x"]).map(|r| told(&r));
    assert_eq!(refused, Some((429, Some(5))));
    assert_eq!(start(&mut inside, other, &small, &[b"x"]), None);
}

#[test]
fn a_full_queue_is_503_by_every_way_and_hurts_nothing_else() {
    let (mut inside, memory) = Inside::begin("allow-queue", 1);
    inside.submit("p");
    // All but one place, of works that wait for long.
    let sql = "WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < ?1) \
        INSERT INTO queue (kind, id, priority, tenant, popularity, not_before) \
        SELECT 1, 1000000 + i, 0, '', 0, 9000000000000 FROM n";
    let waits = QUEUE_LIMIT - 1;
    memory.db.execute(sql, [waits as i64]).unwrap();
    let mut inside = inside.restarted(&memory);
    let bearer = format!("Bearer {TOKEN}");
    let admin = [("authorization", bearer.as_str())];
    let package = br#"{"url": "https://github.com/x/q", "zig_versions": ["0.16.0"]}"#;
    let from = address("192.0.2.1");
    let submit = |inside: &mut Inside| ask(inside, from, ("POST", "/api/packages"), &[], package);
    assert_eq!(submit(&mut inside), (201, None), "there is room for one");
    let json = [("accept", "application/x-ndjson")];
    let (new, again) = (
        &b"{\"url\": \"https://github.com/x/r\"}"[..],
        &b"{\"package_name\": \"p\"}"[..],
    );
    let ways = [
        ("POST", "/api/packages", &[][..], new),
        ("POST", "/api/packages/p/builds", &[], b""),
        ("POST", "/api/check", &[], TREE),
        ("PUT", "/api/check", &[], TREE),
        ("POST", "/api/check?follow", &[], TREE),
        ("POST", "/api/check", &json, TREE),
        ("POST", "/admin/trigger-build", &admin, again),
    ];
    for (method, target, headers, body) in ways {
        let told = ask(&mut inside, from, (method, target), headers, body);
        assert_eq!(told, (503, Some(60)), "{method} {target}");
    }
    for target in [
        "/",
        "/packages/p",
        "/api/packages",
        "/api/builds/1",
        "/api/queue",
    ] {
        let response = inside.request("GET", target, &[], b"");
        assert_eq!(response.status, 200, "{target}");
    }
    let sql = "SELECT count(*) FROM checks";
    let checks: i64 = memory.db.query_row(sql, [], |row| row.get(0)).unwrap();
    assert_eq!(checks, 2);
}
