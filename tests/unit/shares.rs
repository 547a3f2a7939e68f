//! The share of packages that work under each version, day by day: against a plain count, over a set that stays the
//! same, from a history that was there before, and as it is shown.

use crate::common::core::{Inside, START};
use crate::common::html;
use crate::common::rows::{self, Place, works};
use crate::common::seed::Seed;
use rusqlite::Connection;
use serde_json::{Value, json};
use zigcheck::app::domain::ids::PackageId;
use zigcheck::app::domain::verdict::{Reason, Verdict};
use zigcheck::app::store::builds::{self, LogSize};
use zigcheck::app::store::packages;
use zigcheck::app::store::removals::{self, Removal};
use zigcheck::app::store::shares::{self, DAY_MS};
use zigcheck::app::store::store::Store;

const VERSIONS: [&str; 2] = ["0.15.2", "0.16.0"];
const FIRST_DAY: i64 = START / DAY_MS;

fn fails() -> Verdict {
    Verdict::failed(
        Reason::CompileError,
        "a.zig:1:2: error: expected type 'u8'\n",
    )
}

fn error() -> Verdict {
    Verdict::error(Reason::EngineError, "no engine")
}

/// A database on the disk with packages that come to verdicts.
struct Run {
    place: Place,
    store: Store,
    commits: u32,
}

impl Run {
    fn new(name: &str) -> Run {
        let place = Place::on_disk(name);
        let store = place.open();
        Run {
            place,
            store,
            commits: 0,
        }
    }

    fn package(&mut self, name: &str) -> PackageId {
        packages::insert(&mut self.store, &rows::new(name), 0).unwrap()
    }

    /// A verdict on a new commit of a package, on that day.
    fn verdict(&mut self, package: PackageId, version: &str, verdict: &Verdict, day: i64) {
        let store = &mut self.store;
        let new = rows::check((Some(package), "p"), Some(("https://github.com/x/p", None)));
        self.commits += 1;
        let commit = format!("{:040x}", self.commits);
        let check = rows::fetched(store, &new, &commit, 0);
        let at = (FIRST_DAY + day) * DAY_MS + i64::from(self.commits);
        let build = builds::insert(store, check, version, at - 9_000).unwrap();
        builds::set_started(store, build, &format!("sha256:{version}"), None, at - 7_000).unwrap();
        builds::finish(store, build, verdict, LogSize::default(), at).unwrap();
    }

    /// The counts of a set under a version on the newest day, as works and fails.
    fn counts(&self, set: i64, version: &str) -> (u64, u64) {
        let days = shares::days(&self.store, set, version, i64::MAX).unwrap();
        let last = days.last();
        last.map_or((0, 0), |row| (row.works, row.fails))
    }

    fn db(&mut self) -> Connection {
        self.store.commit().unwrap();
        Connection::open(self.place.path()).unwrap()
    }

    /// The database, for a server.
    fn again(self) -> Store {
        self.place.again(self.store)
    }

    /// The counts of all packages that are there, one by one.
    fn recount(&mut self, version: &str) -> (u64, u64) {
        let sql = "SELECT sum(build_status = 'success'), sum(build_status = 'failed') FROM build_results \
            WHERE zig_version = ?1";
        let db = self.db();
        let counts = db.query_row(sql, [version], |row| {
            Ok((row.get::<_, Option<u64>>(0)?, row.get::<_, Option<u64>>(1)?))
        });
        let (works, fails) = counts.unwrap();
        (works.unwrap_or(0), fails.unwrap_or(0))
    }
}

/// Verdicts on random packages over some weeks.
fn random(name: &str) -> Run {
    let mut run = Run::new(name);
    let mut seed = Seed(7);
    let mut known: Vec<PackageId> = Vec::new();
    for nth in 0..400 {
        if known.len() < 2 || seed.once_in(9) {
            known.push(run.package(&format!("p{nth}")));
        }
        let package = known[seed.below(known.len())];
        let version = VERSIONS[seed.below(2)];
        let said = [works(), fails(), fails(), error()];
        let said = &said[seed.below(4)];
        run.verdict(package, version, said, nth / 15);
    }
    run
}

#[test]
fn the_counts_are_those_of_the_latest_verdicts_also_when_packages_go() {
    let mut run = random("shares-counts");
    for version in VERSIONS {
        let (works, fails) = run.counts(0, version);
        assert_eq!((works, fails), run.recount(version), "{version}");
        assert!(works > 5 && fails > 5, "{works} and {fails}");
    }
    for name in ["p0", "p1"] {
        let holder = packages::with_name(&run.store, name).unwrap().unwrap();
        removals::begin(&mut run.store, &holder, Removal::Delete).unwrap();
    }
    for version in VERSIONS {
        assert_eq!(run.counts(0, version), run.recount(version), "{version}");
    }
}

#[test]
fn a_set_stays_the_same_until_there_are_twice_as_many_packages() {
    let mut run = Run::new("shares-sets");
    let [one, two] = ["one", "two"].map(|name| run.package(name));
    run.verdict(one, "0.16.0", &works(), 0);
    run.verdict(two, "0.16.0", &fails(), 0);
    let sets = shares::sets(&run.store).unwrap();
    assert_eq!(
        (sets.len(), sets[0].day, sets[0].last_package),
        (1, FIRST_DAY, None)
    );
    assert_eq!(run.counts(1, "0.16.0"), (1, 1), "its day is not over");
    // On the next day it is.
    run.verdict(two, "0.16.0", &works(), 1);
    let sets = shares::sets(&run.store).unwrap();
    assert_eq!((sets[0].packages, sets[0].last_package), (2, Some(two)));
    let three = run.package("three");
    run.verdict(three, "0.16.0", &works(), 1);
    assert_eq!(run.counts(1, "0.16.0"), (2, 0), "three is not in it");
    let four = run.package("four");
    run.verdict(four, "0.16.0", &fails(), 5);
    let sets = shares::sets(&run.store).unwrap();
    assert_eq!(
        (sets.len(), sets[0].day, sets[0].packages),
        (2, FIRST_DAY + 5, 4)
    );
    // The new one begins with all that is known; the old one goes on.
    assert_eq!(run.counts(2, "0.16.0"), (3, 1));
    run.verdict(one, "0.16.0", &fails(), 6);
    assert_eq!(run.counts(2, "0.16.0"), (2, 2));
    assert_eq!(run.counts(1, "0.16.0"), (1, 1));
    let days = shares::days(&run.store, 1, "0.16.0", FIRST_DAY + 3).unwrap();
    let days: Vec<i64> = days.iter().map(|row| row.day - FIRST_DAY).collect();
    assert_eq!(
        days,
        [1, 6],
        "the day before the first that is asked for, and the changes behind it"
    );
}

#[test]
fn an_upgrade_counts_the_history_that_is_there_in_slices_and_finds_what_broke() {
    let mut run = random("shares-upgrade");
    let wanted = VERSIONS.map(|version| run.counts(0, version));
    let db = run.db();
    let sql = "SELECT group_concat(transition || package_id || zig_version || at || word || old_word, ' ') FROM \
        (SELECT * FROM transitions WHERE old_version = zig_version ORDER BY at)";
    let transitions = |db: &Connection| {
        db.query_row(sql, [], |row| row.get::<_, String>(0))
            .unwrap()
    };
    let told = transitions(&db);
    db.execute_batch(
        "DELETE FROM share_days; DELETE FROM share_sets WHERE id > 0; DELETE FROM transitions;
         UPDATE build_results SET counted = NULL; UPDATE server SET counted_after = 0;
         INSERT INTO share_sets (day, last_package, packages) SELECT 30000, max(id), count(*) FROM packages;",
    )
    .unwrap();
    assert!(shares::is_filling(&run.store).unwrap());
    let mut turns = 1;
    while shares::enter_some(&mut run.store).unwrap() {
        turns += 1;
        if turns == 3 {
            // A verdict meanwhile is counted once.
            let package = PackageId(1);
            run.verdict(package, "0.16.0", &works(), 40);
            run.verdict(package, "0.16.0", &fails(), 40);
            run.verdict(package, "0.16.0", &works(), 40);
        }
    }
    assert!(turns > 3, "{turns}");
    assert!(!shares::is_filling(&run.store).unwrap());
    for (version, before) in VERSIONS.iter().zip(wanted) {
        let counts = run.counts(0, version);
        assert_eq!(counts, run.recount(version), "{version}");
        assert_eq!(counts.0 + counts.1, before.0 + before.1, "{version}");
        assert_eq!(counts, run.counts(1, version), "all of them are in the set");
    }
    let db = run.db();
    assert!(transitions(&db).starts_with(&told), "{told}");
}

#[test]
fn the_page_shows_the_shares_of_its_set_and_how_builds_do() {
    let mut run = Run::new("shares-page");
    let [one, two, three] = ["one", "two", "three"].map(|name| run.package(name));
    run.verdict(one, "0.16.0", &works(), -3);
    run.verdict(two, "0.16.0", &works(), -3);
    run.verdict(three, "0.15.2", &works(), -2);
    run.verdict(two, "0.16.0", &fails(), -1);
    let mut inside = Inside::open("shares-page", run.again(), 1);
    let stats = inside.json("/api/stats");
    let day = |nth: i64| zigcheck::app::render::view::stats::day(FIRST_DAY + nth);
    assert_eq!(stats["packages"], 3);
    assert_eq!(stats["is_complete"], true);
    assert_eq!(
        stats["set"],
        json!({"id": 1, "day": day(-3), "packages": 3, "is_open": false})
    );
    let newest = &stats["shares"][0];
    assert_eq!(newest["zig_version"], "0.16.0");
    let days: Vec<[u64; 3]> = newest["days"]
        .as_array()
        .unwrap()
        .iter()
        .map(of_day)
        .collect();
    assert_eq!(days, [[2, 0, 1], [2, 0, 1], [1, 1, 1], [1, 1, 1]]);
    let older: Vec<[u64; 3]> = stats["shares"][1]["days"]
        .as_array()
        .unwrap()
        .iter()
        .map(of_day)
        .collect();
    assert_eq!(older, [[0, 0, 3], [1, 0, 2], [1, 0, 2], [1, 0, 2]]);
    let builds = &stats["builds"][0];
    let mean = (&builds["day"], &builds["builds"], &builds["mean_wait_ms"]);
    assert_eq!(mean, (&json!(day(-1)), &json!(1), &json!(2_000)));
    assert_eq!(
        stats["errors"],
        json!([{"error_key": "expected type 'u8'", "verdicts": 1}])
    );
    assert_eq!(stats["slowest"][0]["duration_ms"], 7_000);

    let text = inside.curl("/stats");
    for part in [
        format!("Of the 3 packages that were known on {}.", day(-3)),
        format!("{}  33 %: 1 work, 1 fail  33 %: 1 work, 0 fail", day(-1)),
        "MOST COMMON ERRORS".to_string(),
    ] {
        assert!(text.contains(&part), "{part}: {text}");
    }
    let page = inside.request("GET", "/stats", &[("accept", "text/html")], b"");
    let page = html::parse(std::str::from_utf8(&page.body).unwrap());
    let svg = page.named("svg");
    let label = svg[0].attribute("aria-label").unwrap();
    assert_eq!(
        label,
        "Zig 0.16.0: 1 of 3 work (33 %), 1 fail, 1 without a verdict"
    );
    let paths = page.named("path");
    let areas: Vec<&str> = paths[..2]
        .iter()
        .map(|path| path.attribute("d").unwrap())
        .collect();
    assert_eq!(
        areas,
        ["M0 3H0V1H4V3Z", "M0 3H0V1H2V2H4V3Z"],
        "what was tried, and what works"
    );
    let links = page.named("a").into_iter();
    let mut links = links.filter(|link| link.attribute("href") == Some("/stats"));
    assert!(links.next().is_some(), "the head of each page leads here");
    for (target, status) in [
        ("/api/stats?set=1&days=2", 200),
        ("/stats?set=9", 404),
        ("/api/stats?days=367", 400),
    ] {
        assert_eq!(
            inside.request("GET", target, &[], b"").status,
            status,
            "{target}"
        );
    }
    let two_days = inside.json("/api/stats?days=2");
    assert_eq!(two_days["shares"][0]["days"].as_array().unwrap().len(), 2);
}

fn of_day(day: &Value) -> [u64; 3] {
    ["works", "fails", "without_verdict"].map(|name| day[name].as_u64().unwrap())
}

#[test]
fn a_page_says_that_an_older_history_is_still_being_entered() {
    let mut run = Run::new("shares-filling");
    let one = run.package("one");
    run.verdict(one, "0.15.2", &works(), -1);
    let db = run.db();
    db.execute_batch("UPDATE server SET counted_after = 0, compared_after = 0")
        .unwrap();
    let mut inside = Inside::open("shares-filling", run.again(), 1);
    for target in ["/api/stats", "/api/compare/0.15.2..0.16.0"] {
        assert_eq!(inside.json(target)["is_complete"], false, "{target}");
    }
    for target in ["/stats", "/compare/0.15.2..0.16.0"] {
        let text = inside.curl(target);
        assert!(
            text.contains("still being entered after an upgrade"),
            "{text}"
        );
    }
    inside.pass(60_000);
    inside.pass(60_000);
    for target in ["/api/stats", "/api/compare/0.15.2..0.16.0"] {
        assert_eq!(inside.json(target)["is_complete"], true, "{target}");
    }
    assert!(!inside.curl("/stats").contains("still being entered"));
}
