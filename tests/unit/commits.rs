//! The history of commits against a model, through retention, deletion, rename and new verdicts.

use std::collections::BTreeMap;

use zigcheck::app::domain::error_key::error_key;
use zigcheck::app::domain::ids::{BuildId, PackageId};
use zigcheck::app::domain::verdict::{BuildStatus, ImportStatus, Reason, TestStatus, Verdict};
use zigcheck::app::store::history::{self, HistoryRow};
use zigcheck::app::store::list::Paging;
use zigcheck::app::store::packages::{self, PackageChange};
use zigcheck::app::store::removals::{self, Removal};
use zigcheck::app::store::store::Store;
use zigcheck::app::store::{builds, checks};

use crate::common::rows::{Place, check, everywhere, finish, new, page};
use crate::common::seed::Seed;

const VERSIONS: [&str; 3] = ["0.14.1", "0.15.2", "0.16.0"];
const ERRORS: [&str; 3] = [
    "src/root.zig:9:32: error: root source file struct 'fs' has no member named 'File'",
    "build.zig:4:10: error: no field named 'args' in struct 'Build'",
    "",
];

/// A hash that differs with each number.
fn commit(number: usize) -> String {
    format!("{number:040x}")
}

fn verdict(seed: &mut Seed) -> Verdict {
    let build_status = *seed.pick(&[
        BuildStatus::Success,
        BuildStatus::Failed,
        BuildStatus::Error,
    ]);
    let failed = build_status != BuildStatus::Success;
    let log = if failed { *seed.pick(&ERRORS) } else { "" };
    Verdict {
        test_status: (!failed).then_some(TestStatus::Success),
        import_status: (!failed).then_some(ImportStatus::None),
        reason: failed.then_some(Reason::CompileError),
        compiled: Some(seed.below(9) as u32),
        steps: "install\nuninstall\ntest".to_string(),
        minimum_zig_version: seed.once_in(2).then(|| "0.15.1".to_string()),
        zig_ms: Some(seed.below(90_000) as u32),
        ..Verdict::without_record(build_status, Reason::CompileError, log)
    }
}

/// A build of that commit under that version that ends with that verdict.
fn ended(
    store: &mut Store,
    package: Option<PackageId>,
    (commit, version): (Option<&str>, &str),
    verdict: &Verdict,
    at: i64,
) -> BuildId {
    let asked = checks::insert(store, &check((package, "p"), None), at).unwrap();
    let source = zigcheck::app::store::sources::SourceRow {
        hash: format!("{:064x}", 7),
        format: "tar.gz".to_string(),
        bytes: 1,
        dependencies: false,
        manifest: None,
    };
    checks::set_source(store, asked, &source, commit, at).unwrap();
    checks::set_commit_time(store, asked, Some(at / 1_000)).unwrap();
    let build = builds::insert(store, asked, version, at).unwrap();
    let image = format!("sha256:{version}");
    builds::set_started(store, build, &image, None, at).unwrap();
    finish(store, build, verdict, at);
    build
}

fn rows(store: &Store, package: PackageId) -> Vec<HistoryRow> {
    let found = history::page(store, package, None, &page(1, 10_000));
    let found = found.unwrap().unwrap();
    assert_eq!(found.rows.len() as u64, found.total);
    found.rows
}

/// What a row says that a model can say too.
type Said = (
    String,
    String,
    BuildStatus,
    Option<String>,
    Option<u32>,
    i64,
);

fn said(row: &HistoryRow) -> Said {
    (
        row.commit.clone(),
        row.zig_version.clone(),
        row.build_status,
        row.error_key.clone(),
        row.zig_ms,
        row.checked_at,
    )
}

/// By package: the rows in the order of their verdicts.
type Model = BTreeMap<PackageId, Vec<Said>>;

fn live(place: &Place, number: u64) {
    let mut store = place.open();
    let mut seed = Seed(number);
    let mut model = Model::new();
    let mut builds_left = Vec::new();
    for act in 0..200 {
        let at = 1_700_000_000_000 + act;
        let known: Vec<PackageId> = model.keys().copied().collect();
        match seed.below(10) {
            0 => {
                let package =
                    packages::insert(&mut store, &new(&format!("p{number}.{act}")), at).unwrap();
                model.insert(package, Vec::new());
            }
            1 if !known.is_empty() && seed.once_in(3) => {
                let package = *seed.pick(&known);
                delete(&mut store, package);
                model.remove(&package);
                assert_eq!(rows(&store, package), []);
            }
            2 if !known.is_empty() => {
                let row = packages::by_id(&store, *seed.pick(&known))
                    .unwrap()
                    .unwrap();
                let change = PackageChange {
                    name: Some(format!("renamed{number}.{act}")),
                    ..PackageChange::default()
                };
                packages::update(&mut store, &row, &change, at).unwrap();
            }
            3 if !builds_left.is_empty() => {
                let build = builds_left.swap_remove(seed.below(builds_left.len()));
                forget(&mut store, build);
            }
            4 => store = place.again(store),
            _ => {
                let package = (!known.is_empty()).then(|| *seed.pick(&known));
                let hash = seed.once_in(8).then_some(()).is_none();
                let hash = hash.then(|| commit(seed.below(5)));
                let version = *seed.pick(&VERSIONS);
                let verdict = verdict(&mut seed);
                let of = (hash.as_deref(), version);
                builds_left.push(ended(&mut store, package, of, &verdict, at));
                let (Some(package), Some(hash)) = (package, hash) else {
                    continue;
                };
                if verdict.build_status == BuildStatus::Error {
                    continue;
                }
                let key = error_key(&verdict.error_log).map(|error| error.key);
                let rows = model.get_mut(&package).unwrap();
                rows.retain(|row| (&*row.0, &*row.1) != (&*hash, version));
                let version = version.to_string();
                rows.push((hash, version, verdict.build_status, key, verdict.zig_ms, at));
            }
        }
        for (package, expected) in &model {
            let mut found: Vec<Said> = rows(&store, *package).iter().map(said).collect();
            found.reverse();
            assert_eq!(found, *expected, "seed {number}, act {act}");
        }
    }
}

/// Deletes a package as an admin does, in slices of one.
fn delete(store: &mut Store, package: PackageId) {
    let row = packages::by_id(store, package).unwrap().unwrap();
    let holder = packages::with_name(store, &row.name).unwrap().unwrap();
    removals::begin(store, &holder, Removal::Delete).unwrap();
    for row in removals::newest_builds(store, package, 1_000).unwrap() {
        removals::delete_build(store, &row).unwrap();
    }
    while !removals::finish(store, package, 1).unwrap() {}
}

/// Retention deletes a build, and no verdict refers to it any more.
fn forget(store: &mut Store, build: BuildId) {
    if let Some(row) = builds::by_id(store, build).unwrap()
        && let Some(row) = removals::delete_build(store, &row).unwrap_or_default()
    {
        assert_eq!(row.build, build);
    }
}

#[test]
fn the_history_of_a_package_is_that_of_a_model() {
    everywhere("commits", |place| {
        for number in 0..10 {
            live(place, number);
        }
    });
}

#[test]
fn a_history_of_one_version_and_a_page_of_it_are_the_newest_first() {
    let mut store = crate::common::rows::in_memory();
    let package = packages::insert(&mut store, &new("p"), 0).unwrap();
    let mut seed = Seed(1);
    for number in 0..9 {
        let hash = commit(number);
        let verdict = Verdict::failed(Reason::CompileError, *seed.pick(&ERRORS));
        for version in VERSIONS {
            ended(
                &mut store,
                Some(package),
                (Some(&hash), version),
                &verdict,
                number as i64,
            );
        }
    }
    let listed = |version: &str, page: &Paging| {
        let found = history::page(&store, package, Some(version), page);
        let found = found.unwrap().unwrap();
        (found.rows, found.total)
    };
    let (rows, total) = listed(VERSIONS[1], &page(2, 4));
    let found: Vec<&str> = rows.iter().map(|row| &*row.commit).collect();
    assert_eq!(
        found,
        [4, 3, 2, 1].map(commit).each_ref().map(|hash| &**hash)
    );
    assert_eq!(total, 9);
    assert_eq!(listed("9.9.9", &page(1, 4)), (Vec::new(), 0));
}

#[test]
fn nothing_is_left_of_the_texts_of_a_deleted_package() {
    let place = Place::on_disk("history texts");
    let mut store = place.open();
    let package = packages::insert(&mut store, &new("p"), 0).unwrap();
    for (number, error) in ERRORS.into_iter().enumerate() {
        let verdict = Verdict::failed(Reason::CompileError, error);
        let hash = commit(number);
        ended(
            &mut store,
            Some(package),
            (Some(&hash), VERSIONS[0]),
            &verdict,
            1,
        );
    }
    delete(&mut store, package);
    drop(place.again(store));
    let db = rusqlite::Connection::open(place.path()).unwrap();
    let sql = "SELECT (SELECT count(*) FROM history) + (SELECT count(*) FROM history_texts)";
    let left: i64 = db.query_row(sql, [], |row| row.get(0)).unwrap();
    assert_eq!(left, 0);
}

#[test]
fn a_row_of_history_takes_at_most_200_bytes_with_its_indexes() {
    const ROWS: usize = 20_000;
    let place = Place::on_disk("history size");
    let mut store = place.open();
    let mut seed = Seed(3);
    let mut made = Vec::new();
    for number in 0..20 {
        made.push(packages::insert(&mut store, &new(&format!("p{number}")), 0).unwrap());
    }
    let mut build = None;
    for number in 0..ROWS {
        let hash = random_hash(&mut seed);
        let verdict = verdict_with_tests(&mut seed);
        let package = made[seed.below(made.len())];
        let version = VERSIONS[number % 3];
        let at = 1_700_000_000_000 + number as i64 * 60_000;
        let ended = ended(
            &mut store,
            Some(package),
            (Some(&hash), version),
            &verdict,
            at,
        );
        build.get_or_insert(ended);
    }
    drop(place.again(store));
    let db = rusqlite::Connection::open(place.path()).unwrap();
    // What the tables and their indexes have is free when they are gone.
    let free = |db: &rusqlite::Connection| -> i64 {
        db.query_row("PRAGMA freelist_count", [], |row| row.get(0))
            .unwrap()
    };
    let before = free(&db);
    db.execute_batch("PRAGMA foreign_keys = OFF; DROP TABLE history; DROP TABLE history_texts")
        .unwrap();
    let taken = (free(&db) - before) * 4_096 / ROWS as i64;
    println!("{taken} bytes for each row");
    assert!((80..=200).contains(&taken), "{taken} bytes for each row");
}

fn random_hash(seed: &mut Seed) -> String {
    (0..20)
        .map(|_| format!("{:02x}", seed.below(256)))
        .collect()
}

fn verdict_with_tests(seed: &mut Seed) -> Verdict {
    Verdict {
        tests_passed: Some(seed.below(300) as u32),
        tests_skipped: Some(0),
        tests_total: Some(300),
        peak_memory_bytes: Some(seed.between(200, 900) as u64 * 1_000_000),
        build_status: *seed.pick(&[BuildStatus::Success, BuildStatus::Failed]),
        ..verdict(seed)
    }
}
