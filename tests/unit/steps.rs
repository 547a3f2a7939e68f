//! What a request costs does not grow with the catalogue: the steps of each statement on a large database beside a
//! small one, counted by SQLite. No clock is read.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use crate::common::core::Inside;
use crate::common::core_steps::framed;
use crate::common::engine::container::{Script, purpose};
use crate::common::pack::small_tree;
use crate::common::rows::Place;
use rusqlite::Connection;
use serde_json::json;
use zigcheck::app::store::meter::{Cost, costs};
use zigcheck::config::limits::READ_LIMIT_STEPS;

/// Packages. Both have filters that more packages pass than a list examines (`EXAMINED_LIMIT_ROWS`), so that a list
/// takes the same way through both.
const SMALL: usize = 10_000;
const LARGE: usize = 40_000;
/// All statements of one read together, whatever it finds: half of its budget. The first places of the queue cost most.
const READ_LIMIT: i32 = READ_LIMIT_STEPS as i32 / 2;
/// A statement of a few rows may take these steps more, whatever it takes on the small database.
const SLACK_STEPS: i32 = 200;

/// Statements that are not run here: by a key, of a limited number of an index, or of a start or a command alone.
const NOT_RUN: [&str; 52] = [
    "builds::exists",
    "builds::mark_flaky",
    "builds::queued",
    "builds::queued_after",
    "builds::set_detail",
    "builds::set_log_offset",
    "catalogue_checks::end_build",
    "changes::build",
    "checks::clear_source",
    "commit_searches::cancel_version",
    "commit_searches::end",
    "commit_searches::lists",
    "commit_searches::set_errors",
    "comparisons::enter_dated",
    "comparisons::forget_dated",
    "compat::next_failing",
    "compat::position",
    "dependencies::delete",
    "dependencies::delete_idle",
    "dependencies::delete_row",
    "dependencies::set_used",
    "durations::delete_oldest",
    "history::set_place",
    "issues::all",
    "kept_caches::delete",
    "kept_caches::delete_idle",
    "kept_caches::insert",
    "kept_caches::set_no_reuse",
    "kept_caches::set_reused",
    "kept_caches::set_used",
    "packages::import",
    "placements::set_started_at",
    "removals::detach_checks",
    "removals::inherit",
    "results::import",
    "search::note_new_error",
    "shares::fix_sets",
    "sources::is_kept",
    "sources::is_unnamed",
    "target_checks::by_build",
    "target_checks::delete",
    "target_checks::examine_all",
    "target_checks::next_to_examine",
    "target_checks::set_attempt",
    "target_checks::set_targets",
    "tokens::set_used",
    "toolchains::clear",
    "toolchains::delete",
    "toolchains::note_dated_version",
    "transitions::enter_past",
    "uses::delete_some",
    "uses::set",
];

/// Each kind of read, by every index that serves one, and what finds much, little or nothing.
const READS: [&str; 90] = [
    "/compare/0.16.0..0.17.1",
    "/api/compare/0.16.0..0.17.1?format=markdown&limit=100",
    "/api/packages/json-00700/upgrade/0.17.1",
    "/api/packages/json-00700/upgrade/0.16.0",
    "/api/upgrade/0.17.1?limit=100",
    "/api/upgrade/0.16.0?limit=100&page=2",
    "/api/compare/0.16.0..0.17.1",
    "/api/compare/0.16.0..0.17.1?limit=100",
    "/api/compare/0.16.0..0.17.1?limit=50&page=4",
    "/api/compare/0.16.0..0.17.1?error_key=no+member+named+%27m11%27",
    "/api/compare/0.16.0..0.17.1?error_key=no+member+named+%27m300%27&where=package",
    "/api/compare/0.16.0..0.17.1?packages=1000&limit=100",
    "/api/compare/0.16.0..0.17.1?packages=json-00700,lib-00402,nobody",
    "/api/compare/0.16.0..0.17.1?format=names",
    "/api/compare/0.16.0..0.17.1?format=names&outcome=still_failing&page=2",
    "/api/compare/0.16.0..0.17.1?format=names&packages=1000",
    "/api/compare/0.16.0..0.17.1?format=names&error_key=no+member+named+%27m399%27&where=package",
    "/api/compare/0.15.2..0.16.0",
    "/feed.atom",
    "/feed.atom?zig_version=0.17.1&only=broken",
    "/feed.atom?only=fixed",
    "/stats",
    "/api/stats?days=366",
    "/api/packages/owner100/p00400/compat",
    "/packages/owner100/p00400/upgrade/0.17.1",
    "/packages/json-00700/feed.atom",
    "/packages/json-00700/feed.atom?only=broken&zig_version=0.17.1",
    "/feed.atom?only=broken&zig_version=0.9.0",
    "/packages/owner100/p00400/feed.atom?only=broken",
    "/badge/json-00700.svg",
    "/badge/owner100/p00400.json",
    "/badge/nobody.svg",
    "/api/packages/json-00700/history",
    "/api/packages/json-00700/compat",
    "/api/packages/json-00700/history?zig_version=0.17.1",
    "/api/packages/json-00700/dependencies",
    "/api/packages/json-00700/dependents",
    "/api/builds/500/log",
    "/",
    "/?page=3",
    "/?search=needle",
    "/packages/json-00700",
    "/packages/owner100/p00400",
    "/packages/github.com/owner100/p00400",
    "/api/packages",
    "/api/packages?sort=name",
    "/api/packages?sort=-created_at",
    "/api/packages?sort=-popularity_score",
    "/api/packages?sort=last_updated&page=20",
    "/api/packages?sort=name&page=7&limit=100",
    "/api/packages?sort=name&after=MTAwID1odHRwLTAwNzAx",
    "/api/packages?search=json",
    "/api/packages?search=needle",
    "/api/packages?search=nothing-like-that",
    "/api/packages?search=reads+texts",
    "/api/packages?search=re",
    "/api/packages?search=json&sort=name",
    "/api/packages?search=zig:0.17.1%3Dfailed",
    "/api/packages?search=zig:0.17.1%3Dfailed+json+owner:owner100",
    "/api/packages?search=license:mit",
    "/api/packages?search=error:%22no+member+named+rare%22",
    "/api/packages?search=error:%22no+member%22",
    "/api/packages?status=failed",
    "/api/packages?status=failed&zig_version=0.17.1",
    "/api/packages?status=error&zig_version=0.17.1&license=BSD-3-Clause&sort=name",
    "/api/packages?status=pending",
    "/api/packages?zig_version=0.9.0",
    "/api/packages?author=owner100",
    "/api/packages?license=MIT&author=nobody",
    "/api/packages/json-00700",
    "/api/packages/owner100/p00400",
    "/api/checks/500",
    "/api/builds",
    "/api/builds/500",
    "/api/builds?package=json-00700",
    "/api/builds?package=json-00700&uploads&sort=zig_version",
    "/api/builds?package=nobody",
    "/api/builds?check=500&package=json-00700",
    "/api/builds?zig_version=0.17.1",
    "/api/builds?status=error&zig_version=0.16.0",
    "/api/builds?state=queued",
    "/api/builds?sort=-finished_at&status=success",
    "/api/builds?sort=zig_version&page=10",
    "/checks/500",
    "/submit",
    "/docs",
    "/docs/ci",
    "/builds/500/log",
    "/builds/500",
    "/builds/501",
];

/// The most steps of a statement, by request, file, line and text.
type Costs = BTreeMap<(String, String, u32, String), i32>;

const TOKEN: &str = r#"{"name":"laptop","scope":"admin"}"#;
const QUOTA: &str = r#"{"address":"192.0.2.7","per_hour":0}"#;
const HOST: &str = r#"{"host":"git.example.org"}"#;
const ISSUE: &str = r#"{"package":"json-00700","zig_version":"0.17.1","issue_url":"https://a.b/1","issue_status":"open"}"#;

/// Requests that write, in this order.
const WRITES: [(&str, &str, &str); 30] = [
    (
        "POST",
        "/api/packages",
        r#"{"url":"https://github.com/x/json-00007","description":"new"}"#,
    ),
    // Its source is still being fetched: 409.
    (
        "POST",
        "/api/packages",
        r#"{"url":"https://github.com/x/json-00007"}"#,
    ),
    (
        "POST",
        "/hooks/push",
        r#"{"ref":"refs/heads/main","repository":{"clone_url":"https://github.com/owner100/p00400"}}"#,
    ),
    ("POST", "/api/packages/json-00700/builds", ""),
    ("POST", "/api/packages/lib-00402/builds?fresh", ""),
    ("POST", "/packages/lib-00402/check", ""),
    ("POST", "/admin/trigger-build", r#"{"package_id":800}"#),
    ("POST", "/admin/check-builds", ""),
    ("POST", "/admin/retry-errors", ""),
    ("GET", "/admin/status", ""),
    ("GET", "/admin/audit?before=2000", ""),
    ("POST", "/admin/tokens", TOKEN),
    ("GET", "/admin/tokens", ""),
    ("PUT", "/admin/quotas", QUOTA),
    ("GET", "/admin/quotas", ""),
    ("POST", "/admin/hosts", HOST),
    ("GET", "/admin/hosts", ""),
    ("DELETE", "/admin/hosts?host=git.example.org", ""),
    ("DELETE", "/admin/quotas?address=192.0.2.7", ""),
    ("DELETE", "/admin/tokens/laptop", ""),
    ("PUT", "/admin/issues", ISSUE),
    ("GET", "/admin/issues", ""),
    ("GET", "/admin/issues?package=json-00700", ""),
    ("GET", "/metrics", ""),
    ("POST", "/api/packages/lib-00402/compat", ""),
    ("POST", "/packages/http-00708/compat", ""),
    ("DELETE", "/api/packages/http-00708/compat", ""),
    (
        "PATCH",
        "/api/packages/json-00700",
        r#"{"name":"renamed","url":"https://github.com/y/z","ref":"v1","paused":true}"#,
    ),
    ("DELETE", "/api/packages/http-00701", ""),
    ("GET", "/api/queue", ""),
];

const WATCHES: [(&str, &str, &str); 6] = [
    ("GET", "/api/health", ""),
    ("GET", "/api/queue?page=2", ""),
    ("GET", "/queue", ""),
    ("GET", "/api/builds?state=queued", ""),
    ("GET", "/api/events?package=json-00007&since=1", ""),
    ("GET", "/packages/renamed", ""),
];

/// A database with that many packages, and 24 builds for every ten of them: fewer than retention keeps.
fn filled(name: &str, packages: usize) -> Place {
    let place = Place::on_disk(name);
    drop(place.open());
    let db = Connection::open(place.path()).unwrap();
    let fill = include_str!("fixtures/catalogue.sql").replace("PACKAGES", &packages.to_string());
    db.execute_batch(&fill).unwrap();
    db.execute_batch(include_str!("fixtures/comparisons.sql"))
        .unwrap();
    db.execute_batch(WAITING).unwrap();
    db.execute_batch(DECLARED).unwrap();
    drop(db);
    place
}

/// Rechecks that wait, half of them for a time, builds that never start, and verdicts that are pending.
const WAITING: &str = "
    INSERT INTO queue (kind, id, priority, tenant, popularity, not_before)
        SELECT 2, id, 3, format('owner%d', id / 4), 0, iif(id % 2, 4102444800000, 0)
        FROM packages WHERE id > 2000;
    INSERT INTO lanes SELECT priority, tenant, 0, 0, min(ticket)
        FROM queue WHERE not_before = 0 GROUP BY priority, tenant;
    INSERT INTO builds (check_id, zig_version, created_at)
        SELECT id, '0.15.2', created_at FROM checks WHERE id % 10 = 3;
    INSERT INTO build_results (package_id, zig_version, build_status)
        SELECT id, '0.15.2', 'pending' FROM packages WHERE id % 4 = 1;";

/// Trees of more packages than one may have, and more used packages than a list of them examines.
const DECLARED: &str = "
    INSERT INTO declared_dependencies (package_id, name, url, hash, lazy, repository)
        SELECT p.id, d.name, d.url, null, 0, d.repository
        FROM packages p, json_each('[1, 2, 3, 5, 8, 13, 21, 34]') v JOIN packages d ON d.id = p.id + v.value
        WHERE p.id < 2000;
    UPDATE packages SET popularity_score = popularity_score + 1000000 * (1 + id % 3)
        WHERE id BETWEEN 2000 AND 4000;";

/// The cost of each statement, by the place in the program and the request.
fn measure(name: &str, place: &Place) -> Costs {
    let store = place.open();
    let mut most = BTreeMap::new();
    let mut started = None;
    let start = || {
        let inside = Inside::with(name, store, |settings| {
            settings.max_builds = 2;
            settings.targets = true;
        });
        started = Some(inside);
    };
    note(&mut most, "the start", costs(start));
    let mut inside = started.expect("it is open");
    let reads = READS.map(|target| ("GET", target, ""));
    for (method, target, body) in reads.into_iter().chain(WRITES).chain(WATCHES) {
        let run = || {
            let response = inside.as_admin(method, target, body.as_bytes());
            let said = String::from_utf8_lossy(&response.body);
            let is_missing = response.status == 404 && target.ends_with("/log");
            assert!(
                response.status < 400 || response.status == 409 || is_missing,
                "{method} {target}: {said}"
            );
        };
        note(&mut most, &format!("{method} {target}"), costs(run));
        note(
            &mut most,
            "behind the requests",
            costs(|| inside.pass(1_000)),
        );
    }
    let run = || drop(inside.upload(&small_tree()));
    note(&mut most, "POST /api/check", costs(run));
    note(&mut most, "the work", costs(|| work(&mut inside)));
    let store = place.open();
    let restart = || drop(inside.killed().starts_on(store));
    note(&mut most, "the next start", costs(restart));
    most
}

/// Fetches, builds and rechecks as they come, for some minutes; each third container ends with an error at first. Then
/// the disk is full.
fn work(inside: &mut Inside) {
    for nth in 0..90 {
        for name in inside.names() {
            let (script, _, attempt) = purpose(&name.replacen('-', "-own-", 1));
            let fetched = json!({"dependencies": "fetched"});
            let deps = || framed(fetched.clone(), format!("deps {nth}").as_bytes());
            match script {
                _ if nth % 3 == 0 && attempt == 1 => inside.container_ends(&name, b"", 10),
                Script::Source => inside.container_ends(&name, &source(nth), 0),
                Script::Remote => inside.container_ends(&name, b"0123456789abcdef\n", 0),
                Script::Commits => inside.container_ends(&name, &commits(), 0),
                Script::Dependencies => inside.container_ends(&name, &deps(), 0),
                // These wait behind all others.
                Script::Targets | Script::TargetDependencies => panic!("{name}"),
                Script::Build if nth % 2 == 0 => inside.build_succeeds(&name),
                Script::Build => inside.build_fails(&name),
            }
        }
        inside.pass(5_000);
    }
    // One that is known by its id, and a new one.
    inside.engine.set_image("0.15.2", Some("sha256:new".into()));
    inside.engine.name_recipe("0.16.0", "0123456789abcdef");
    inside.engine.name_recipe("0.15.2", "0123456789abcdef");
    inside.pass(5_000);
    inside.json("/api/health");
    // Last: its many tasks would leave no slot for others.
    let body = br#"{"zig_version":"0.16.0"}"#;
    let begun = inside.as_admin("POST", "/admin/check-all", body);
    assert_eq!(begun.status, 202);
    (0..3).for_each(|_| inside.pass(1_000));
    for _ in 0..20 {
        inside.room(1, 1 << 40);
        inside.pass(1_000);
    }
}

/// What a list of commits is: those that `source` may have, the newest first.
fn commits() -> Vec<u8> {
    let line = |nth: usize| format!("{nth:040} {nth} v{nth} -\n");
    let lines: String = (0..90).rev().map(line).collect();
    format!("complete\n{lines}").into_bytes()
}

/// What a fetch sends: each time another source, and others that it uses.
fn source(nth: usize) -> Vec<u8> {
    let url = format!("https://github.com/owner{}/p{nth:05}", nth / 4);
    let head = json!({"format": "tar.gz", "commit": format!("{nth:040}"), "commit_time": 1,
        "dependencies": true, "uses": [url], "hosts_refused": ["example.com"],
        "declared": [{"name": "used", "url": url}]});
    framed(head, format!("tree {nth}").as_bytes())
}

fn note(most: &mut Costs, target: &str, costs: Vec<Cost>) {
    let total: i32 = costs.iter().map(|cost| cost.steps).sum();
    let is_read = target.starts_with("GET");
    let dearest = costs.iter().max_by_key(|cost| cost.steps);
    assert!(
        !is_read || total < READ_LIMIT,
        "{target}: {total} steps in {}, most in {dearest:?}",
        costs.len()
    );
    for cost in costs {
        assert_eq!(cost.compiled_again, 0, "{target}: {cost:?}");
        let key = (
            target.to_string(),
            cost.file.to_string(),
            cost.line,
            cost.sql,
        );
        let known = most.entry(key).or_insert(0);
        *known = cost.steps.max(*known);
    }
}

#[test]
fn no_request_costs_more_in_a_large_catalogue() {
    let small = measure("steps-small", &filled("steps small", SMALL));
    let large = measure("steps-large", &filled("steps large", LARGE));
    let mut dear = Vec::new();
    for ((target, file, line, sql), steps) in &large {
        let key = (target.clone(), file.clone(), *line, sql.clone());
        let allowed = small.get(&key).map_or(0, |steps| steps * 2) + SLACK_STEPS;
        if *steps > allowed {
            dear.push(format!(
                "{target}: {steps} steps, {allowed} allowed, in {file}:{line}: {sql}"
            ));
        }
    }
    assert!(dear.is_empty(), "{}", dear.join("\n"));
    let measured: BTreeSet<(String, u32)> = large
        .into_keys()
        .map(|(_, file, line, _)| (file, line))
        .collect();
    let missing = statements().into_iter();
    let missing: Vec<String> = missing
        .filter(|(file, line, function)| {
            !measured.contains(&(file.clone(), *line)) && !NOT_RUN.contains(&function.as_str())
        })
        .map(|(file, line, function)| format!("{function} ({file}:{line})"))
        .collect();
    for function in NOT_RUN {
        let mut all = statements().into_iter();
        assert!(
            all.any(|(_, _, known)| known == function),
            "{function} is gone"
        );
    }
    assert!(missing.is_empty(), "not measured:\n{}", missing.join("\n"));
}

/// Each call that runs a statement: file, line, and the function with its file's name.
fn statements() -> Vec<(String, u32, String)> {
    let folder = "src/app/store";
    let methods = [
        "row",
        "optional_row",
        "rows",
        "first_rows",
        "each_row",
        "value",
        "values",
        "execute",
        "insert",
    ];
    let mut found = Vec::new();
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)).unwrap() {
        let path = entry.unwrap().path();
        let module = path.file_stem().unwrap().to_str().unwrap().to_string();
        if ["store", "meter"].contains(&module.as_str()) {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let (mut function, mut before) = (String::new(), String::new());
        for (nth, line) in text.lines().enumerate() {
            if let Some((_, name)) = line.split_once("fn ") {
                let name: String = name
                    .chars()
                    .take_while(|c| c.is_alphanumeric() || *c == '_')
                    .collect();
                function = format!("{module}::{name}");
            }
            for method in methods {
                let is_call = line.contains(&format!("store.{method}("))
                    || (line.trim_start().starts_with(&format!(".{method}("))
                        && before.trim_end().ends_with("store"));
                if is_call {
                    let file = format!("{folder}/{module}.rs");
                    found.push((file, nth as u32 + 1, function.clone()));
                }
            }
            before = line.to_string();
        }
    }
    assert!(found.len() > 100, "they are found: {}", found.len());
    found
}

#[test]
fn a_read_that_takes_too_long_is_interrupted_and_the_next_one_is_not() {
    let place = Place::on_disk("endless read");
    let mut inside = Inside::open("endless-read", place.open(), 1);
    inside.submit("p");
    let db = Connection::open(place.path()).unwrap();
    let endless = "DROP TABLE totals; CREATE VIEW totals AS \
        WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000000) \
        SELECT count(*) AS packages_gone, 0 AS builds_gone FROM n;";
    db.execute_batch(endless).unwrap();
    for target in ["/api/packages", "/"] {
        let response = inside.request("GET", target, &[], b"");
        let said = String::from_utf8(response.body).unwrap();
        assert_eq!(response.status, 503, "{said}");
        assert!(said.contains("takes too long"), "{said}");
    }
    assert_eq!(inside.json("/api/builds/1")["package"], "p");
    assert_eq!(inside.json("/api/packages?search=p")["total"], 1);
}
