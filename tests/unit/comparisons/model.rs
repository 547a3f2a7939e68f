//! Random verdicts against a naive model, which knows the history alone.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::Connection;
use zigcheck::app::domain::comparison::{Outcome, Step, Tried, compare, got_past};
use zigcheck::app::domain::ids::{BuildId, CheckId, PackageId};
use zigcheck::app::domain::verdict::{
    BuildStatus, ImportStatus, Reason, Statuses, TestStatus, Verdict,
};
use zigcheck::app::domain::zig_version;
use zigcheck::app::store::removals::{self, Removal};
use zigcheck::app::store::store::Store;
use zigcheck::app::store::{builds, checks, comparisons, packages};

use crate::common::rows::{self, Place, finish, new};
use crate::common::seed::Seed;

const VERSIONS: [&str; 4] = ["0.17.1", "0.9.0", "0.16.0", "master"];
const PACKAGES: [&str; 3] = ["a", "b", "c"];
const COMMITS: usize = 5;

struct Run {
    place: Place,
    store: Store,
    seed: Seed,
    at: i64,
}

impl Run {
    fn new(seed: u64) -> Run {
        let place = Place::on_disk(&format!("comparisons {seed}"));
        let mut store = place.open();
        for name in PACKAGES {
            packages::insert(&mut store, &new(name), 0).unwrap();
        }
        Run {
            place,
            store,
            seed: Seed(seed),
            at: 0,
        }
    }

    /// A build of a package under a version, at some commit and under some image, with some verdict.
    fn act(&mut self) {
        self.at += 1;
        let (package, version) = (1 + self.seed.below(PACKAGES.len()) as i64, self.version());
        let nth = self.seed.below(COMMITS);
        let check = rows::check((Some(PackageId(package)), "p"), None);
        let check = checks::insert(&mut self.store, &check, self.at).unwrap();
        self.set_commit(check, nth);
        let build = builds::insert(&mut self.store, check, version, self.at).unwrap();
        let image = format!("sha256:{version}-{}", self.seed.below(2));
        builds::set_started(&mut self.store, build, &image, None, self.at).unwrap();
        let verdict = self.verdict();
        finish(&mut self.store, build, &verdict, self.at);
    }

    fn version(&mut self) -> &'static str {
        VERSIONS[self.seed.below(VERSIONS.len())]
    }

    /// Two commits are of the same second, and the time of one is unknown.
    fn set_commit(&mut self, check: CheckId, nth: usize) {
        let source = crate::common::rows::source(&format!("hash{nth}"));
        let commit = format!("{nth:040x}");
        checks::set_source(&mut self.store, check, &source, Some(&commit), self.at).unwrap();
        let time = [None, Some(10), Some(10), Some(20), Some(30)][nth];
        checks::set_commit_time(&mut self.store, check, time).unwrap();
    }

    fn verdict(&mut self) -> Verdict {
        let errors = ["", "src/a.zig:1:2: error: no member named 'x'", "error: y"];
        let mut verdict = Verdict::failed(Reason::CompileError, *self.seed.pick(&errors));
        verdict.compiled = *self.seed.pick(&[None, Some(0), Some(3)]);
        match self.seed.below(8) {
            0 => return Verdict::error(Reason::Lost, "lost"),
            1..3 => verdict.reason = *self.seed.pick(&[Some(Reason::Timeout), None]),
            3 => verdict.test_status = Some(TestStatus::Failed),
            4 => verdict.import_status = Some(ImportStatus::Failed),
            _ => verdict.build_status = BuildStatus::Success,
        }
        if verdict.build_status != BuildStatus::Success {
            return verdict;
        }
        Verdict {
            error_log: String::new(),
            reason: None,
            ..verdict
        }
    }

    fn db(&mut self) -> Connection {
        self.store.commit().unwrap();
        Connection::open(self.place.path()).unwrap()
    }
}

/// A row of the history: package, commit, time, version, and what it came to.
struct Row {
    id: i64,
    package: i64,
    commit: String,
    time: i64,
    version: String,
    tried: Tried<String>,
}

fn history(db: &Connection) -> Vec<Row> {
    let sql = "SELECT h.id, h.package_id, hex(h.\"commit\"), coalesce(h.commit_time, -1), v.text, h.build_status, \
            h.test_status, h.import_status, h.compiled, h.reason, k.text, p.text FROM history h \
        JOIN packages o ON o.id = h.package_id AND o.removal IS NULL JOIN history_texts v ON v.id = h.zig_version \
        LEFT JOIN history_texts k ON k.id = h.error_key LEFT JOIN history_texts p ON p.id = h.error_place";
    let mut statement = db.prepare(sql).unwrap();
    let word = |row: &rusqlite::Row, at: usize| row.get::<_, Option<String>>(at).unwrap();
    let read = |row: &rusqlite::Row| {
        let statuses = Statuses {
            build: BuildStatus::parse(&word(row, 5).unwrap()).unwrap(),
            test: word(row, 6).and_then(|word| TestStatus::parse(&word)),
            import: word(row, 7).and_then(|word| ImportStatus::parse(&word)),
            compiled: row.get(8)?,
        };
        Ok(Row {
            id: row.get(0)?,
            package: row.get(1)?,
            commit: row.get(2)?,
            time: row.get(3)?,
            version: row.get(4)?,
            tried: Tried {
                statuses,
                reason: word(row, 9).and_then(|word| Reason::parse(&word)),
                error_key: row.get(10)?,
                error_place: row.get(11)?,
            },
        })
    };
    let rows = statement.query_map([], read).unwrap();
    rows.map(Result::unwrap).collect()
}

/// Package, older and newer version.
type Pair = (i64, String, String);
/// Outcome, commit, and the error, its place and the reason, each empty where there is none.
type Found = (String, String, [String; 3]);

/// What changed, by the history alone: at the newest commit that has a verdict under both versions.
fn expected(rows: &[Row]) -> BTreeMap<Pair, Found> {
    let mut latest: BTreeMap<(i64, &str, &str), &Row> = BTreeMap::new();
    for row in rows {
        let known = latest
            .entry((row.package, &row.commit, &row.version))
            .or_insert(row);
        if row.id > known.id {
            *known = row;
        }
    }
    let mut best: BTreeMap<Pair, ((i64, i64), Found)> = BTreeMap::new();
    for older in latest.values() {
        for newer in latest.values() {
            let is_pair = older.package == newer.package
                && older.commit == newer.commit
                && zig_version::compare(&older.version, &newer.version).is_lt();
            if !is_pair {
                continue;
            }
            let (outcome, cause) = compare(&older.tried, &newer.tried);
            let words = cause.map_or(Default::default(), |cause| {
                let reason = cause.reason.map(|reason| reason.as_str().to_string());
                [cause.error_key, cause.error_place, reason].map(Option::unwrap_or_default)
            });
            let found = (outcome.as_str().to_string(), older.commit.clone(), words);
            let rank = (older.time.max(newer.time), older.id.max(newer.id));
            let pair = (older.package, older.version.clone(), newer.version.clone());
            let known = best.entry(pair).or_insert((rank, found.clone()));
            if rank > known.0 {
                *known = (rank, found);
            }
        }
    }
    best.into_iter()
        .map(|(pair, (_, found))| (pair, found))
        .collect()
}

/// What the table says, but for errors, which are no history.
fn kept(db: &Connection) -> BTreeMap<Pair, Found> {
    let sql = "SELECT c.package_id, o.zig_version, n.zig_version, c.outcome, hex(c.\"commit\"), \
            coalesce(k.text, ''), coalesce(p.text, ''), c.reason FROM comparisons c \
        JOIN tried_versions o ON o.id = c.older JOIN tried_versions n ON n.id = c.newer \
        LEFT JOIN history_texts k ON k.id = c.error_key LEFT JOIN history_texts p ON p.id = c.error_place \
        WHERE c.older_row NOT NULL AND c.newer_row NOT NULL";
    let mut statement = db.prepare(sql).unwrap();
    let read = |row: &rusqlite::Row| {
        let pair = (row.get(0)?, row.get(1)?, row.get(2)?);
        let words = [row.get(5)?, row.get(6)?, row.get(7)?];
        Ok((pair, (row.get(3)?, row.get(4)?, words)))
    };
    let rows = statement.query_map([], read).unwrap();
    rows.map(Result::unwrap).collect()
}

/// How packages got past their last errors, by the history alone: package, version, error, and the two commits.
fn past(rows: &[Row]) -> BTreeSet<String> {
    let mut steps: BTreeMap<(i64, &str), Vec<Step<String>>> = BTreeMap::new();
    for row in rows {
        let step = Step {
            commit: row.commit.clone().into_bytes(),
            commit_time: row.time,
            row: row.id,
            tried: row.tried.clone(),
        };
        steps
            .entry((row.package, &row.version))
            .or_default()
            .push(step);
    }
    let line = |((package, version), steps)| {
        let past = got_past(steps)?;
        let commits = [past.failing, past.working].map(|hex| String::from_utf8(hex).unwrap());
        let place = past.cause.error_place.unwrap_or_default();
        Some(format!(
            "{package} {version} {} {place} {commits:?}",
            past.cause.error_key?
        ))
    };
    steps.into_iter().filter_map(line).collect()
}

/// The same as the table has it.
fn kept_past(db: &Connection) -> BTreeSet<String> {
    let sql = "SELECT t.package_id, v.zig_version, k.text, coalesce(p.text, ''), hex(t.failing), hex(t.working) \
        FROM tried t JOIN tried_versions v ON v.id = t.version JOIN history_texts k ON k.id = t.error_key \
        LEFT JOIN history_texts p ON p.id = t.error_place";
    let mut statement = db.prepare(sql).unwrap();
    let read = |row: &rusqlite::Row| {
        let [version, key, place, failing, working] =
            [1, 2, 3, 4, 5].map(|at| row.get::<_, String>(at).unwrap());
        let commits = [failing, working];
        Ok(format!(
            "{} {version} {key} {place} {commits:?}",
            row.get::<_, i64>(0)?
        ))
    };
    let rows = statement.query_map([], read).unwrap();
    rows.map(Result::unwrap).collect()
}

/// The rows of a statement as lines.
fn lines(db: &Connection, sql: &str) -> BTreeSet<String> {
    let mut statement = db.prepare(sql).unwrap();
    let columns = statement.column_count();
    let read = |row: &rusqlite::Row| {
        let cells = (0..columns).map(|at| row.get::<_, rusqlite::types::Value>(at));
        Ok(format!("{:?}", cells.collect::<Result<Vec<_>, _>>()?))
    };
    let rows = statement.query_map([], read).unwrap();
    rows.map(Result::unwrap).collect()
}

fn check(db: &Connection) {
    let history = history(db);
    assert_eq!(kept(db), expected(&history));
    assert_eq!(kept_past(db), past(&history));
    // An error stands only where there are no two verdicts to compare.
    let sql = "SELECT count(*) FROM comparisons WHERE (older_row IS NULL OR newer_row IS NULL) \
        AND outcome <> 'not_its_doing'";
    assert_eq!(db.query_row(sql, [], |row| row.get(0)), Ok(0));
    let counted =
        "SELECT older, newer, outcome, count(*) FROM comparisons GROUP BY older, newer, outcome";
    let counts = "SELECT * FROM comparison_counts WHERE packages > 0";
    assert_eq!(lines(db, counts), lines(db, counted));
    let grouped = "SELECT older, newer, error_key, error_place, reason, count(*) FROM comparisons \
        WHERE outcome = 'newly_broken' GROUP BY older, newer, error_key, error_place, reason";
    assert_eq!(
        lines(db, "SELECT * FROM comparison_groups"),
        lines(db, grouped)
    );
    let tried = "SELECT version, count(*) FROM tried GROUP BY version";
    let versions = "SELECT id, packages FROM tried_versions WHERE packages > 0";
    assert_eq!(lines(db, versions), lines(db, tried));
    let lone = "SELECT count(*) FROM comparisons c WHERE (SELECT count(*) FROM tried t \
        WHERE t.package_id = c.package_id AND t.version IN (c.older, c.newer)) <> 2";
    assert_eq!(db.query_row(lone, [], |row| row.get(0)), Ok(0));
    let broken = "SELECT count(*) FROM pragma_foreign_key_check";
    assert_eq!(db.query_row(broken, [], |row| row.get(0)), Ok(0));
}

#[test]
fn verdicts_in_any_order_leave_what_the_history_says() {
    let mut outcomes = BTreeSet::new();
    for seed in 0..30 {
        let mut run = Run::new(seed);
        for nth in 0..60 {
            run.act();
            if nth % 6 == 0 {
                check(&run.db());
            }
        }
        let db = run.db();
        check(&db);
        outcomes.extend(kept(&db).into_values().map(|found| found.0));
        let sql =
            "SELECT DISTINCT outcome FROM comparisons WHERE older_row IS NULL OR newer_row IS NULL";
        let mut statement = db.prepare(sql).unwrap();
        let errors = statement.query_map([], |row| row.get(0)).unwrap();
        outcomes.extend(errors.map(Result::unwrap));
    }
    let all: BTreeSet<String> = Outcome::ALL
        .iter()
        .map(|o| o.as_str().to_string())
        .collect();
    assert_eq!(outcomes, all);
}

#[test]
fn an_upgrade_enters_the_history_that_is_there_in_slices() {
    let mut run = Run::new(77);
    for _ in 0..150 {
        run.act();
    }
    let db = run.db();
    db.execute_batch(
        "DELETE FROM comparisons; DELETE FROM tried; DELETE FROM comparison_counts; DELETE FROM tried_versions;
         UPDATE server SET compared_after = 0;",
    )
    .unwrap();
    let mut turns = 1;
    while comparisons::enter_some(&mut run.store).unwrap() {
        turns += 1;
        // A verdict meanwhile.
        if turns == 2 {
            run.act();
        }
    }
    assert!(turns > 2, "{turns}");
    let db = run.db();
    check(&db);
    assert!(!comparisons::enter_some(&mut run.store).unwrap());
}

#[test]
fn a_package_that_is_removed_is_in_no_comparison() {
    let mut run = Run::new(5);
    for _ in 0..80 {
        run.act();
    }
    for (id, removal) in [(1, Removal::Delete), (2, Removal::Detach)] {
        let name = PACKAGES[id as usize - 1];
        let holder = packages::with_name(&run.store, name).unwrap().unwrap();
        removals::begin(&mut run.store, &holder, removal).unwrap();
        check(&run.db());
    }
    // A build of it that ran on.
    let check_id = rows::check((Some(PackageId(1)), "p"), None);
    let check_id = checks::insert(&mut run.store, &check_id, 1).unwrap();
    run.set_commit(check_id, 4);
    for version in ["0.9.0", "0.16.0"] {
        let build: BuildId = builds::insert(&mut run.store, check_id, version, 1).unwrap();
        finish(
            &mut run.store,
            build,
            &Verdict::failed(Reason::CompileError, ""),
            1,
        );
    }
    let db = run.db();
    check(&db);
    let left = "SELECT count(*) FROM comparisons WHERE package_id <> 3";
    assert_eq!(db.query_row(left, [], |row| row.get(0)), Ok(0));
}
