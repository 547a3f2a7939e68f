//! The doctor's judgement: every value of each fact by itself, and all of them together.

use zigcheck::app::engine::capabilities::Capabilities;
use zigcheck::app::engine::kind::EngineKind;
use zigcheck::commands::doctor::facts::*;
use zigcheck::commands::doctor::findings::*;
use zigcheck::commands::doctor::report;

use crate::common::settings::settings;

const DAY_MS: i64 = 24 * 3_600_000;
const NOW: i64 = 1_000 * DAY_MS;
const GIB: u64 = 1 << 30;

type Change = fn(&mut Facts);

/// A server without a fault on a machine without one.
fn well() -> Facts {
    Facts {
        now_unix_ms: NOW,
        settings: settings(&["--fetch-network=zigcheck-fetch"]),
        server: Ok(Health {
            version: env!("CARGO_PKG_VERSION").to_string(),
            is_healthy: true,
            error: None,
            proxy_headers: "none".to_string(),
        }),
        engine: Ok(EngineFacts {
            version: "20.10".to_string(),
            capabilities: Capabilities::default(),
        }),
        images: vec![ImageFacts {
            zig_version: "0.16.0".to_string(),
            id: Some("sha256:aa".to_string()),
            made_unix_ms: Some(NOW - DAY_MS),
        }],
        network: Some(Ok("closed\n".to_string())),
        disk: Ok(DiskFacts {
            free_bytes: 2 * GIB,
            floor_bytes: GIB,
            free_files: 50,
            all_files: 1_000,
        }),
        is_synchronised: Some(true),
        open_files: OPEN_FILES_FEW,
        database: DatabaseFacts::Whole {
            newest_unix_ms: Some(NOW + CLOCK_BEHIND_MS),
        },
        newest_backup_unix_ms: Ok(Some(NOW - BACKUP_OLD_HOURS * 3_600_000)),
        backups: "/b".to_string(),
        builds: vec![BuildFacts {
            zig_version: "0.16.0".to_string(),
            result: Ok(4_200),
        }],
    }
}

fn disk(facts: &mut Facts) -> &mut DiskFacts {
    facts.disk.as_mut().expect("it is known")
}

fn health(facts: &mut Facts) -> &mut Health {
    facts.server.as_mut().expect("it answers")
}

fn capabilities(facts: &mut Facts) -> &mut Capabilities {
    &mut facts.engine.as_mut().expect("it answers").capabilities
}

fn listen(facts: &mut Facts, address: &str) {
    let listen = format!("--listen={address}");
    facts.settings = settings(&[
        "--fetch-network=zigcheck-fetch",
        "--admin-token-file=/t",
        &listen,
    ]);
}

/// Each value of a fact that is not as it should be: the one finding that changes, its level, and a part of its text.
const CHANGES: &[(Change, &str, Level, &str)] = &[
    (
        |f| f.server = Err("refused".to_string()),
        "server",
        Level::Warning,
        "refused",
    ),
    (
        |f| health(f).version = "0.0.9".to_string(),
        "server",
        Level::Warning,
        "version 0.0.9 runs",
    ),
    (
        |f| health(f).is_healthy = false,
        "server",
        Level::Fault,
        "database is gone",
    ),
    (
        |f| {
            *health(f) = Health {
                error: Some("no engine".to_string()),
                ..Health::default()
            }
        },
        "server",
        Level::Fault,
        "no engine",
    ),
    (
        |f| health(f).proxy_headers = "untrusted".to_string(),
        "proxy",
        Level::Warning,
        "not trusted",
    ),
    (
        |f| health(f).proxy_headers = "trusted".to_string(),
        "proxy",
        Level::Ok,
        "trusted proxy",
    ),
    (
        |f| f.engine = Err("no socket".to_string()),
        "engine",
        Level::Fault,
        "no socket",
    ),
    (
        |f| capabilities(f).missing = vec!["seccomp", "memory limit"],
        "engine",
        Level::Fault,
        "no seccomp, no memory limit",
    ),
    (
        |f| capabilities(f).recommended = vec!["user namespaces"],
        "engine",
        Level::Warning,
        "no user namespaces",
    ),
    (
        |f| capabilities(f).kind = EngineKind::Podman,
        "engine",
        Level::Ok,
        "podman 20.10",
    ),
    (
        |f| f.images[0].id = None,
        "image 0.16.0",
        Level::Fault,
        "zigcheck:0.16.0",
    ),
    (
        |f| f.images[0].made_unix_ms = None,
        "image 0.16.0",
        Level::Ok,
        "there",
    ),
    (
        |f| f.images[0].made_unix_ms = Some(NOW - 181 * DAY_MS),
        "image 0.16.0",
        Level::Warning,
        "181 days",
    ),
    (
        |f| f.images[0].made_unix_ms = Some(NOW - 180 * DAY_MS),
        "image 0.16.0",
        Level::Ok,
        "180 days",
    ),
    (
        |f| f.network = Some(Ok("it reaches private".to_string())),
        "network",
        Level::Fault,
        "it reaches private",
    ),
    (
        |f| f.network = Some(Err("no such network".to_string())),
        "network",
        Level::Fault,
        "no such network",
    ),
    (
        |f| f.settings.fetch_network = "bridge".to_string(),
        "network",
        Level::Warning,
        "private addresses",
    ),
    (
        |f| f.settings.fetch_network = "mine".to_string(),
        "network",
        Level::Ok,
        "mine",
    ),
    (
        |f| f.disk = Err("gone".to_string()),
        "disk",
        Level::Fault,
        "gone",
    ),
    (
        |f| disk(f).free_bytes = 2 * GIB - 1,
        "disk",
        Level::Warning,
        "2047 MiB",
    ),
    (
        |f| disk(f).free_bytes = GIB,
        "disk",
        Level::Warning,
        "1024 MiB",
    ),
    (
        |f| disk(f).free_bytes = GIB - 1,
        "disk",
        Level::Fault,
        "1023 MiB",
    ),
    (
        |f| {
            *disk(f) = DiskFacts {
                free_bytes: 0,
                floor_bytes: 0,
                ..*disk(f)
            }
        },
        "disk",
        Level::Fault,
        "0 MiB",
    ),
    (
        |f| disk(f).floor_bytes = 0,
        "disk",
        Level::Ok,
        "below 0 MiB",
    ),
    (
        |f| disk(f).free_files = 49,
        "disk",
        Level::Warning,
        "49 more files",
    ),
    (
        |f| {
            *disk(f) = DiskFacts {
                free_files: 0,
                all_files: 0,
                ..*disk(f)
            }
        },
        "disk",
        Level::Ok,
        "MiB",
    ),
    (
        |f| f.is_synchronised = Some(false),
        "clock",
        Level::Warning,
        "not synchronised",
    ),
    (
        |f| f.is_synchronised = None,
        "clock",
        Level::Ok,
        "does not say",
    ),
    (
        |f| {
            f.database = DatabaseFacts::Whole {
                newest_unix_ms: Some(NOW + CLOCK_BEHIND_MS + 1),
            }
        },
        "clock",
        Level::Fault,
        "1 minutes behind",
    ),
    (
        |f| f.open_files = OPEN_FILES_FEW - 1,
        "files",
        Level::Warning,
        "4095 files",
    ),
    (
        |f| f.database = DatabaseFacts::Missing,
        "database",
        Level::Warning,
        "none",
    ),
    (
        |f| f.database = DatabaseFacts::Unexamined,
        "database",
        Level::Warning,
        "too large",
    ),
    (
        |f| f.database = DatabaseFacts::Damaged("a page".to_string()),
        "database",
        Level::Fault,
        "a page",
    ),
    (
        |f| f.newest_backup_unix_ms = Ok(None),
        "backup",
        Level::Warning,
        "none in /b",
    ),
    (
        |f| f.newest_backup_unix_ms = Err("denied".to_string()),
        "backup",
        Level::Warning,
        "denied",
    ),
    (
        |f| f.newest_backup_unix_ms = Ok(Some(NOW - 49 * 3_600_000)),
        "backup",
        Level::Warning,
        "49 hours",
    ),
    (
        |f| f.newest_backup_unix_ms = Ok(Some(NOW)),
        "backup",
        Level::Ok,
        "0 hours",
    ),
    (
        |f| f.builds[0].result = Err("no answer within 120 s".to_string()),
        "build 0.16.0",
        Level::Fault,
        "no answer",
    ),
    (
        |f| listen(f, "127.0.0.1:1"),
        "address",
        Level::Ok,
        "this machine only",
    ),
    (
        |f| listen(f, "[::1]:1"),
        "address",
        Level::Ok,
        "this machine only",
    ),
    (|f| listen(f, "unix:/s"), "address", Level::Ok, "unix:/s"),
    (
        |f| listen(f, "0.0.0.0:1"),
        "address",
        Level::Warning,
        "whoever reaches this machine",
    ),
    (
        |f| listen(f, "[::]:1"),
        "address",
        Level::Warning,
        "whoever reaches this machine",
    ),
    (
        |f| listen(f, "10.0.0.1:1"),
        "address",
        Level::Warning,
        "its local network",
    ),
    (
        |f| listen(f, "[fd00::1]:1"),
        "address",
        Level::Warning,
        "its local network",
    ),
    (
        |f| listen(f, "192.0.2.1:1"),
        "address",
        Level::Warning,
        "whoever reaches that address",
    ),
    (
        |f| {
            listen(f, "192.0.2.1:1");
            f.settings.admin_token_file = None;
        },
        "address",
        Level::Ok,
        "without TLS",
    ),
];

fn of<'f>(found: &'f [Finding], check: &str) -> Option<&'f Finding> {
    found.iter().find(|finding| finding.check == check)
}

#[test]
fn nothing_is_found_where_all_is_well() {
    let found = findings(&well());
    let bad: Vec<&Finding> = found.iter().filter(|f| f.level != Level::Ok).collect();
    assert!(bad.is_empty(), "{bad:?}");
    let checks: Vec<&str> = found.iter().map(|finding| finding.check.as_str()).collect();
    let all = [
        "server",
        "engine",
        "image 0.16.0",
        "network",
        "disk",
        "clock",
        "files",
        "address",
        "proxy",
        "database",
        "backup",
        "build 0.16.0",
    ];
    assert_eq!(checks, all);
    assert_eq!(report::worst(&found), Level::Ok);
}

#[test]
fn each_value_of_a_fact_changes_its_own_finding_alone() {
    let before = findings(&well());
    for (change, check, level, text) in CHANGES {
        let mut facts = well();
        change(&mut facts);
        let found = findings(&facts);
        let finding = of(&found, check).unwrap_or_else(|| panic!("no {check}: {text}"));
        assert_eq!(finding.level, *level, "{finding:?}");
        assert!(finding.text.contains(text), "{finding:?}");
        for other in found.iter().filter(|other| other.check != *check) {
            assert_eq!(
                Some(other),
                of(&before, &other.check),
                "after {check}: {text}"
            );
        }
    }
}

#[test]
fn of_any_two_changes_the_worst_is_the_answer_and_each_says_what_to_do() {
    for (one, ..) in CHANGES {
        for (other, ..) in CHANGES {
            let mut facts = well();
            // A change may take away what another one changes.
            let changed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                one(&mut facts);
                other(&mut facts);
            }));
            if changed.is_err() {
                continue;
            }
            let found = findings(&facts);
            for finding in &found {
                assert!(!finding.text.is_empty(), "{finding:?}");
                assert_eq!(
                    finding.advice.is_empty(),
                    finding.level == Level::Ok,
                    "{finding:?}"
                );
            }
            let has = |level| found.iter().any(|finding| finding.level == level);
            let worst = match (has(Level::Fault), has(Level::Warning)) {
                (true, _) => Level::Fault,
                (false, true) => Level::Warning,
                (false, false) => Level::Ok,
            };
            assert_eq!(report::worst(&found), worst);
        }
    }
}

#[test]
fn what_could_not_be_asked_is_not_answered() {
    let mut facts = well();
    facts.engine = Err("down".to_string());
    (facts.network, facts.images, facts.builds) = (None, Vec::new(), Vec::new());
    facts.server = Err("refused".to_string());
    let found = findings(&facts);
    for check in ["image 0.16.0", "network", "build 0.16.0", "proxy"] {
        assert_eq!(of(&found, check), None);
    }
}

#[test]
fn both_reports_have_every_finding_and_no_escape_of_an_engine() {
    let mut facts = well();
    facts.engine = Err("\u{1b}[31mred\nline".to_string());
    let found = findings(&facts);
    let text = report::text(&found);
    assert!(
        text.contains("\nfault    engine         red line\n"),
        "{text:?}"
    );
    assert!(!text.contains('\u{1b}'));
    let json: serde_json::Value = serde_json::from_str(&report::json(&found)).expect("JSON");
    assert_eq!(json["status"], "fault");
    assert_eq!(json["findings"].as_array().map(Vec::len), Some(found.len()));
    assert_eq!(json["findings"][1]["check"], "engine");
}
