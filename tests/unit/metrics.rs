//! The metrics: what they say, how many series they have, and who may read them.

use std::collections::BTreeSet;

use crate::common::core::{Asked, Inside, Memory, TOKEN};
use crate::common::exposition::{Metrics, parse};
use crate::common::rows::in_memory;
use serde_json::Value;
use zigcheck::app::domain::task::Priority;
use zigcheck::app::domain::verdict::{BuildStatus, Reason};
use zigcheck::app::render::exposition::{CONTENT_TYPE, Exposition, Kind};
use zigcheck::app::render::limits::{METRICS_LIMIT_SERIES, METRICS_LIMIT_VERSIONS};
use zigcheck::base::histogram::Histogram;
use zigcheck::config::proxies::Proxies;
use zigcheck::interface::counters::{DropCause, ShellCounters};
use zigcheck::interface::event::Core;

fn scrape(inside: &mut Inside) -> Metrics {
    let response = inside.request("GET", "/metrics", &[], b"");
    let text = String::from_utf8(response.body).unwrap();
    assert_eq!(response.status, 200, "{text}");
    let header = |name: &str| {
        let found = response.headers.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| value.clone())
    };
    assert_eq!(header("Content-Type").unwrap(), CONTENT_TYPE);
    assert_eq!(header("Cache-Control").unwrap(), "no-store");
    let metrics = parse(&text).unwrap();
    for (name, metric) in &metrics.0 {
        assert!(name.starts_with("zigcheck_"), "{name}");
        assert!(metric.help.ends_with('.'), "{name}: {}", metric.help);
    }
    metrics
}

#[test]
fn a_new_server_has_a_value_for_every_word() {
    let mut inside = Inside::open("metrics-new", in_memory(), 3);
    let metrics = scrape(&mut inside);
    let zero = |name: &str, labels: &[(&str, &str)]| {
        assert_eq!(metrics.sum(name, labels), 0.0, "{name} {labels:?}");
    };
    for version in ["0.16.0", "0.15.2", "other"] {
        for verdict in ["success", "failed", "error", "cancelled"] {
            let labels = [("zig_version", version), ("verdict", verdict)];
            zero("zigcheck_builds_total", &labels);
        }
        for verdict in ["works", "fails"] {
            let labels = [("zig_version", version), ("verdict", verdict)];
            zero("zigcheck_package_verdicts", &labels);
        }
    }
    for reason in Reason::ALL {
        let labels = [("reason", reason.as_str())];
        zero("zigcheck_build_reasons_total", &labels);
    }
    for priority in Priority::ALL {
        for state in ["ready", "paused"] {
            let labels = [("priority", priority.as_str()), ("state", state)];
            zero("zigcheck_queue_tasks", &labels);
        }
    }
    for cause in DropCause::ALL {
        let labels = [("cause", cause.as_str())];
        zero("zigcheck_connections_dropped_total", &labels);
    }
    for name in [
        "zigcheck_waiting_builds",
        "zigcheck_queue_oldest_seconds",
        "zigcheck_verdict_cache_hits_total",
        "zigcheck_last_verdict_timestamp_seconds",
        "zigcheck_packages",
        "zigcheck_uptime_seconds",
    ] {
        zero(name, &[]);
    }
    assert_eq!(metrics.sum("zigcheck_slots", &[]), 3.0);
    assert_eq!(metrics.sum("zigcheck_engine_up", &[]), 1.0);
    let version = [("version", env!("CARGO_PKG_VERSION"))];
    assert_eq!(metrics.sum("zigcheck_info", &version), 1.0);
    // The disk was not measured yet.
    assert!(metrics.sum("zigcheck_disk_free_bytes", &[]).is_nan());
}

/// A row for each status and reason of 40 versions, with that many builds each.
fn many_counts(memory: &Memory) -> f64 {
    let mut builds = 0;
    for version in 0..40 {
        for (nth, reason) in [""]
            .into_iter()
            .chain(Reason::ALL.iter().map(|r| r.as_str()))
            .enumerate()
        {
            for status in BuildStatus::ALL {
                builds += nth + 1;
                let sql = "INSERT INTO build_counts VALUES (?1, ?2, ?3, ?4, 1, 1700000000000)";
                let name = format!("0.{version}.0");
                let row = (name, status.as_str(), reason, nth + 1);
                memory.db.execute(sql, row).unwrap();
            }
        }
        let sql = "INSERT INTO durations VALUES ('', ?1, 1500, 1, ?2), ('', '', 700, 1, 0) ON CONFLICT DO NOTHING";
        let row = (format!("0.{version}.0"), version);
        memory.db.execute(sql, row).unwrap();
        let sql = "INSERT INTO share_days VALUES (0, ?1, 19000, 5, 2), (0, ?1, 19001, 7, 3)";
        memory.db.execute(sql, [format!("0.{version}.0")]).unwrap();
    }
    builds as f64
}

#[test]
fn there_is_a_limit_on_series_and_what_is_over_it_is_in_one() {
    let memory = Memory::new("metrics-series");
    let store = memory.open();
    let builds = many_counts(&memory);
    let versions: Vec<String> = (0..30).rev().map(|minor| format!("0.{minor}.0")).collect();
    let mut inside = Inside::with("metrics-series", store, |settings| {
        settings.zig_versions = versions.clone();
    });
    let metrics = scrape(&mut inside);
    let series = metrics.series();
    assert!(series <= METRICS_LIMIT_SERIES, "{series}");
    assert!(
        series > METRICS_LIMIT_SERIES / 2,
        "they are all there: {series}"
    );
    assert_eq!(metrics.sum("zigcheck_builds_total", &[]), builds);
    let reasons = metrics.sum("zigcheck_build_reasons_total", &[]);
    let without = 40.0 * BuildStatus::ALL.len() as f64;
    assert_eq!(reasons, builds - without);
    let own = metrics.sum("zigcheck_builds_total", &[("zig_version", "0.29.0")]);
    assert_eq!(own, builds / 40.0);
    let other = metrics.sum("zigcheck_builds_total", &[("zig_version", "other")]);
    assert_eq!(other, builds / 40.0 * (40 - METRICS_LIMIT_VERSIONS) as f64);
    // Only the versions of the server count here.
    let works = |version| {
        let labels = [("zig_version", version), ("verdict", "works")];
        metrics.sum("zigcheck_package_verdicts", &labels)
    };
    let others = (30 - METRICS_LIMIT_VERSIONS) as f64;
    assert_eq!((works("0.29.0"), works("other")), (7.0, 7.0 * others));
    let averages = metrics.samples("zigcheck_build_duration_average_seconds", &[]);
    assert_eq!(averages, vec![1.5; METRICS_LIMIT_VERSIONS]);
}

#[test]
fn builds_are_counted_by_verdict_and_stay_counted() {
    let (mut inside, memory) = Inside::begin("metrics-builds", 1);
    inside.submit("p");
    inside.pass(20_000);
    let metrics = scrape(&mut inside);
    assert_eq!(metrics.sum("zigcheck_slots_used", &[]), 1.0);
    assert_eq!(metrics.sum("zigcheck_waiting_builds", &[]), 1.0);
    inside.source_is("zigcheck-source-1-1", b"one", false);
    inside.pass(7_000);
    inside.build_succeeds("zigcheck-1-1");
    inside.pass(8_000);
    inside.build_fails("zigcheck-2-1");
    let metrics = scrape(&mut inside);
    let count = |metrics: &Metrics, version, verdict| {
        let labels = [("zig_version", version), ("verdict", verdict)];
        metrics.sum("zigcheck_builds_total", &labels)
    };
    assert_eq!(count(&metrics, "0.16.0", "success"), 1.0);
    assert_eq!(count(&metrics, "0.15.2", "failed"), 1.0);
    let why = [("reason", "compile_error")];
    assert_eq!(metrics.sum("zigcheck_build_reasons_total", &why), 1.0);
    assert_eq!(
        metrics.sum("zigcheck_build_duration_seconds_count", &[]),
        2.0
    );
    assert_eq!(
        metrics.sum("zigcheck_build_duration_seconds_sum", &[]),
        15.0
    );
    assert_eq!(
        metrics.sum("zigcheck_build_wait_seconds_sum", &[]),
        20.0 + 27.0
    );
    let up_to = |le| metrics.sum("zigcheck_build_duration_seconds_bucket", &[("le", le)]);
    assert_eq!((up_to("5"), up_to("10")), (0.0, 2.0));
    let last = metrics.sum("zigcheck_last_verdict_timestamp_seconds", &[]);
    assert_eq!(last, 1_700_000_035.0);
    assert_eq!(metrics.sum("zigcheck_packages", &[]), 1.0);
    let works = [("zig_version", "0.16.0"), ("verdict", "works")];
    assert_eq!(metrics.sum("zigcheck_package_verdicts", &works), 1.0);
    // The same source again: both verdicts are known. Then a build that nobody wants.
    inside.request("POST", "/api/packages/p/builds", &[], b"");
    inside.source_is("zigcheck-source-2-1", b"one", false);
    inside.submit("q");
    assert_eq!(inside.as_admin("DELETE", "/api/builds/5", b"").status, 200);
    let mut inside = inside.restarted(&memory);
    let metrics = scrape(&mut inside);
    assert_eq!(count(&metrics, "0.16.0", "success"), 2.0);
    assert_eq!(count(&metrics, "0.15.2", "failed"), 2.0);
    assert_eq!(count(&metrics, "0.16.0", "cancelled"), 1.0);
    assert_eq!(metrics.sum("zigcheck_verdict_cache_hits_total", &[]), 2.0);
    assert_eq!(
        metrics.sum("zigcheck_build_duration_seconds_count", &[]),
        0.0
    );
}

#[test]
fn the_queue_is_counted_by_priority_and_its_oldest_request_is_known() {
    let mut inside = Inside::open("metrics-queue", in_memory(), 1);
    inside.submit("p");
    inside.pass(5_000);
    inside.submit("q");
    inside.pass(30_000);
    inside.submit("r");
    inside.pass(60_000);
    let metrics = scrape(&mut inside);
    let ready = [("priority", "interactive"), ("state", "ready")];
    assert_eq!(metrics.sum("zigcheck_queue_tasks", &ready), 2.0);
    assert_eq!(metrics.sum("zigcheck_queue_tasks", &[]), 2.0);
    assert_eq!(metrics.sum("zigcheck_waiting_builds", &[]), 5.0);
    assert_eq!(metrics.sum("zigcheck_queue_oldest_seconds", &[]), 90.0);
    // What an admin asked for may wait as long as it likes.
    let mut inside = Inside::open("metrics-queue-admin", in_memory(), 1);
    inside.submit("p");
    let asked = inside.as_admin("POST", "/admin/trigger-build", br#"{"package_name":"p"}"#);
    assert_eq!(asked.status, 202);
    inside.pass(60_000);
    let metrics = scrape(&mut inside);
    let ready = [("priority", "admin"), ("state", "ready")];
    assert_eq!(metrics.sum("zigcheck_queue_tasks", &ready), 1.0);
    assert_eq!(metrics.sum("zigcheck_queue_oldest_seconds", &[]), 0.0);
}

#[test]
fn what_the_shell_counts_and_what_is_answered_is_passed_on() {
    let mut inside = Inside::open("metrics-shell", in_memory(), 1);
    let mut counters = ShellCounters::default();
    counters.turns.add(300);
    counters.turns.add(2_000_000);
    counters.clients.received_bytes = 1 << 50;
    counters.clients.sent_bytes = 5;
    counters.clients.open = 7;
    counters.clients.accepted = 9;
    counters.clients.note_drop(DropCause::SlowReader);
    inside.app().note_counters(&counters);
    inside.room(5 << 30, 100 << 30);
    assert_eq!(inside.request("GET", "/nothing", &[], b"").status, 404);
    let metrics = scrape(&mut inside);
    let value = |name: &str| metrics.sum(name, &[]);
    assert_eq!(value("zigcheck_received_bytes_total"), (1_u64 << 50) as f64);
    assert_eq!(value("zigcheck_sent_bytes_total"), 5.0);
    assert_eq!(value("zigcheck_connections"), 7.0);
    assert_eq!(value("zigcheck_connections_accepted_total"), 9.0);
    let slow = [("cause", "slow_reader")];
    assert_eq!(
        metrics.sum("zigcheck_connections_dropped_total", &slow),
        1.0
    );
    assert_eq!(value("zigcheck_connections_dropped_total"), 1.0);
    assert_eq!(value("zigcheck_turn_duration_seconds_count"), 2.0);
    assert_eq!(value("zigcheck_turn_duration_seconds_sum"), 2.0003);
    let up_to = |le| metrics.sum("zigcheck_turn_duration_seconds_bucket", &[("le", le)]);
    assert_eq!(
        (up_to("0.00025"), up_to("0.0005"), up_to("1")),
        (0.0, 1.0, 1.0)
    );
    assert_eq!(value("zigcheck_disk_free_bytes"), (5_u64 << 30) as f64);
    assert_eq!(value("zigcheck_disk_floor_bytes"), (1_u64 << 30) as f64);
    let gone = [("code", "4xx")];
    assert_eq!(metrics.sum("zigcheck_http_responses_total", &gone), 1.0);
    let again = scrape(&mut inside);
    let good = [("code", "2xx")];
    assert_eq!(again.sum("zigcheck_http_responses_total", &good), 1.0);
}

#[test]
fn a_scrape_asks_an_engine_that_is_away() {
    let mut inside = Inside::open("metrics-engine", in_memory(), 1);
    inside.engine.up = false;
    inside.pass(60_000);
    scrape(&mut inside);
    let metrics = scrape(&mut inside);
    assert_eq!(metrics.sum("zigcheck_engine_up", &[]), 0.0);
    inside.engine.up = true;
    inside.pass(60_000);
    scrape(&mut inside);
    let metrics = scrape(&mut inside);
    assert_eq!(metrics.sum("zigcheck_engine_up", &[]), 1.0);
}

/// The status of a scrape from there, with that header.
fn status(inside: &mut Inside, from: Option<&str>, header: Option<(&str, &str)>) -> u16 {
    let headers = [("host", "zig.example.org")].into_iter().chain(header);
    let asked = Asked {
        method: "GET",
        target: "/metrics",
        headers: headers.collect(),
        body: vec![],
        whole: true,
    };
    let from = from.map(|address| address.parse().unwrap());
    inside.ask_from(from, &asked).expect("an answer").status
}

#[test]
fn only_this_machine_reads_them_without_the_token() {
    let bearer = format!("Bearer {TOKEN}");
    for proxies in ["", "loopback,unix"] {
        let mut inside = Inside::with("metrics-access", in_memory(), |settings| {
            settings.trusted_proxies = Proxies::read(proxies).unwrap_or_default();
        });
        for here in [
            None,
            Some("127.0.0.1"),
            Some("127.8.9.1"),
            Some("::1"),
            Some("::ffff:127.0.0.1"),
        ] {
            assert_eq!(status(&mut inside, here, None), 200, "{here:?}");
            // The client of a proxy is elsewhere, also where the proxy says that it is here.
            for header in [
                ("x-forwarded-for", "192.0.2.7"),
                ("x-forwarded-for", "127.0.0.1"),
                ("x-forwarded-for", ""),
                ("forwarded", "for=127.0.0.1"),
                ("x-real-ip", "127.0.0.1"),
                ("x-forwarded-proto", "https"),
                ("via", "1.1 proxy"),
            ] {
                let found = status(&mut inside, here, Some(header));
                assert_eq!(found, 401, "{here:?} {header:?}");
            }
        }
        for elsewhere in ["192.0.2.7", "10.0.0.1", "2001:db8::1"] {
            let here = Some(elsewhere);
            assert_eq!(status(&mut inside, here, None), 401);
            let wrong = ("authorization", "Bearer another-word-of-mine");
            assert_eq!(status(&mut inside, here, Some(wrong)), 403);
            let right = ("authorization", bearer.as_str());
            assert_eq!(status(&mut inside, here, Some(right)), 200);
        }
    }
    let mut inside = Inside::with("metrics-no-token", in_memory(), |settings| {
        settings.admin_token = None;
    });
    assert_eq!(status(&mut inside, Some("192.0.2.7"), None), 403);
    assert_eq!(status(&mut inside, Some("127.0.0.1"), None), 200);
}

#[test]
fn labels_and_help_are_escaped() {
    let mut out = Exposition::default();
    let mark = "a\\b\"c\nd{},=";
    out.metric("odd", Kind::Gauge, mark)
        .sample(&[("one", mark), ("two", "")], 1.5);
    let mut times = Histogram::new([500, 2_000]);
    times.add(501);
    out.metric("times", Kind::Histogram, "h")
        .histogram(&times, 1e3);
    let text = out.finish();
    let metrics = parse(&text).unwrap();
    assert_eq!(metrics.0["odd"].help, mark);
    assert_eq!(metrics.samples("odd", &[("one", mark), ("two", "")]), [1.5]);
    assert_eq!(metrics.samples("times_bucket", &[("le", "0.5")]), [0.0]);
    assert_eq!(metrics.samples("times_bucket", &[("le", "2")]), [1.0]);
    assert_eq!(metrics.samples("times_sum", &[]), [0.501]);
    assert_eq!(text.lines().count(), 2 + 1 + 2 + 5);
}

/// The reader that judges them is strict.
#[test]
fn what_is_malformed_is_not_read() {
    let good = "# HELP a_total h\n# TYPE a_total counter\na_total{x=\"1\"} 1\n";
    assert!(parse(good).is_ok());
    let histogram = "# HELP h h\n# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 2\nh_sum 3\nh_count 2\n";
    assert!(parse(histogram).is_ok());
    for (from, to) in [
        ("a_total{x=\"1\"} 1\n", "a_total{x=\"1\"} 1"),
        ("# HELP a_total h\n", ""),
        ("# TYPE a_total counter\n", ""),
        ("# TYPE a_total counter", "# TYPE a_total number"),
        ("} 1", "} one"),
        ("} 1", "} -1"),
        ("} 1", "}  1"),
        ("{x=\"1\"}", "{x=\"1\"\"}"),
        ("{x=\"1\"}", "{x=\"\\q\"}"),
        ("{x=\"1\"}", "{x=\"1\",}"),
        ("{x=\"1\"}", "{x=\"1\",x=\"2\"}"),
        ("{x=\"1\"}", "{1x=\"1\"}"),
        ("a_total{", "b_total{"),
        ("a_total", "a"),
        (
            "a_total{x=\"1\"} 1\n",
            "a_total{x=\"1\"} 1\na_total{x=\"1\"} 1\n",
        ),
        ("# TYPE a_total counter\n", "# TYPE a_total counter\n\n"),
    ] {
        let bad = good.replace(from, to);
        assert_ne!(bad, good);
        assert!(parse(&bad).is_err(), "{bad}");
    }
    for (from, to) in [
        ("+Inf\"} 2", "+Inf\"} 3"),
        ("le=\"1\"} 1", "le=\"1\"} 3"),
        ("h_bucket{le=\"+Inf\"} 2\n", ""),
        ("h_sum 3\n", ""),
        ("h_count 2\n", ""),
        ("h_bucket{le=\"1\"} 1\n", "h_bucket 1\n"),
    ] {
        let bad = histogram.replace(from, to);
        assert_ne!(bad, histogram);
        assert!(parse(&bad).is_err(), "{bad}");
    }
}

/// The names of metrics in a text.
fn names_in(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let names = words.filter(|word| word.starts_with("zigcheck_"));
    names.map(str::to_string).collect()
}

#[test]
fn the_manual_the_alerts_and_the_dashboard_name_metrics_that_there_are() {
    let mut inside = Inside::open("metrics-manual", in_memory(), 1);
    let metrics = scrape(&mut inside);
    let there: BTreeSet<String> = metrics.0.keys().cloned().collect();
    let is_bucket = |name: &String| {
        let whole = name.strip_suffix("_bucket").unwrap_or("");
        metrics
            .0
            .get(whole)
            .is_some_and(|metric| metric.kind == "histogram")
    };
    let manual = include_str!("../../docs/operations.md");
    let (_, table) = manual.split_once("\n## Metrics\n").unwrap();
    let (table, _) = table.split_once("\n## ").unwrap();
    assert_eq!(names_in(table), there);
    assert!(table.contains(&format!("at most {METRICS_LIMIT_SERIES} series")));
    assert!(table.contains(&format!("The first {METRICS_LIMIT_VERSIONS} of")));
    let words = Priority::ALL.map(Priority::as_str).into_iter();
    for word in words.chain(DropCause::ALL.map(DropCause::as_str)) {
        assert!(table.contains(&format!("`{word}`")), "{word}");
    }
    let dashboard = include_str!("../../systemd/monitoring/dashboard.json");
    let parsed: Value = serde_json::from_str(dashboard).unwrap();
    let mut asked = BTreeSet::new();
    for panel in parsed["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().unwrap() {
            let names = names_in(target["expr"].as_str().unwrap());
            assert!(!names.is_empty(), "{target}");
            asked.extend(names);
        }
    }
    assert!(asked.len() > 20, "{asked:?}");
    let alerts = names_in(include_str!("../../systemd/monitoring/alerts.yml"));
    assert!(alerts.len() > 8, "{alerts:?}");
    for name in asked.union(&alerts) {
        assert!(there.contains(name) || is_bucket(name), "{name}");
    }
}
