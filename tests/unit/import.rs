//! A database of the system before this one is taken over: what becomes of each row.

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use zigcheck::app::domain::ids::PackageId;
use zigcheck::app::domain::transition::Transition;
use zigcheck::app::domain::verdict::{BuildStatus, Reason, TestStatus, Verdict};
use zigcheck::app::store::builds;
use zigcheck::app::store::history;
use zigcheck::app::store::issues::{self, IssueRow};
use zigcheck::app::store::packages;
use zigcheck::app::store::results;
use zigcheck::app::store::search;
use zigcheck::app::store::store::Store;
use zigcheck::app::store::totals;
use zigcheck::app::store::transitions::{self, TransitionFilter};
use zigcheck::commands::import::{self, Report};
use zigcheck::config::settings::Hosts;
use zigcheck::interface::event::Now;
use zigcheck::shell::disk;

use crate::common::rows::{check, fetched, finish, new, page};

/// The tables as the system before this one made them.
const TABLES: &str = "
    CREATE TABLE packages (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE NOT NULL, url TEXT NOT NULL,
        description TEXT, author TEXT, license TEXT, source_type TEXT, created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
        last_updated TIMESTAMP DEFAULT CURRENT_TIMESTAMP, popularity_score INTEGER DEFAULT 0);
    CREATE TABLE build_results (id INTEGER PRIMARY KEY AUTOINCREMENT, package_id INTEGER, zig_version TEXT NOT NULL,
        build_status TEXT NOT NULL, test_status TEXT, error_log TEXT, last_checked TIMESTAMP,
        UNIQUE (package_id, zig_version));
    CREATE TABLE issues (id INTEGER PRIMARY KEY AUTOINCREMENT, package_id INTEGER, zig_version TEXT, issue_url TEXT,
        issue_status TEXT, auto_created BOOLEAN, resolved_at TIMESTAMP, created_at TIMESTAMP);";

/// 2023-11-14, in seconds.
const THEN_S: i64 = 1_700_000_000;
const NOW_MS: i64 = 1_800_000_000_000;

struct Place {
    file: PathBuf,
    data: PathBuf,
}

impl Place {
    /// A file with these rows beside an empty data directory.
    fn of(name: &str, rows: &str) -> Place {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join("import")
            .join(name);
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).unwrap();
        let place = Place {
            file: dir.join("old.db"),
            data: dir.join("data"),
        };
        let db = Connection::open(&place.file).unwrap();
        db.execute_batch(TABLES).unwrap();
        // The old system had no foreign keys that SQLite enforced.
        db.execute_batch("PRAGMA foreign_keys = OFF").unwrap();
        db.execute_batch(rows).unwrap();
        place
    }

    fn try_import(&self) -> Result<Report, String> {
        let hosts = ["github.com", "codeberg.org"].map(str::to_string).to_vec();
        let now = Now {
            mono_ms: 0,
            unix_ms: NOW_MS,
        };
        import::run(&self.data, &self.file, &Hosts::These(hosts), now)
    }

    fn import(&self) -> String {
        self.try_import().unwrap().to_string()
    }

    fn store(&self) -> Store {
        Store::open(&self.data.join("zigcheck.db")).unwrap()
    }
}

const ROWS: &str = "
    INSERT INTO packages VALUES
        (3, 'zig-clap', 'https://github.com/Hejsil/zig-clap', 'Arguments', 'Hejsil', 'MIT', 'git', 1700000000,
            1700000100, 7),
        (9, 'mach', 'https://codeberg.org/hexops/mach.git', NULL, NULL, '', 'git', '2023-11-14 22:13:20',
            '2023-11-14T22:15:00+00:00', NULL);
    INSERT INTO build_results VALUES
        (1, 3, '0.16.0', 'success', 'success', NULL, '2023-11-14 22:13:20'),
        (2, 3, '0.13.0', 'failed', NULL, 'main.zig:1:1: error: no member named ''x''', 1700000000000),
        (3, 9, '0.16.0', 'success', 'no_tests', '', NULL),
        (4, 9, '0.15.2', 'pending', NULL, NULL, NULL);
    INSERT INTO issues VALUES
        (1, 3, '0.13.0', 'https://github.com/Hejsil/zig-clap/issues/1', 'open', 1, NULL, '2023-11-14 22:13:20'),
        (2, 3, '0.13.0', NULL, 'closed', 0, 1700000000, 1700000000);";

#[test]
fn every_row_is_taken_once() {
    let place = Place::of("once", ROWS);
    let file = fs::read(&place.file).unwrap();
    let first = "packages: 2 taken, 0 known already, 0 refused\n\
        results: 3 taken, 0 known already, 1 without a verdict, 0 refused\n\
        issues: 2 taken, 0 known already, 0 refused\n";
    assert_eq!(place.import(), first);
    let second = "packages: 0 taken, 2 known already, 0 refused\n\
        results: 0 taken, 3 known already, 1 without a verdict, 0 refused\n\
        issues: 0 taken, 2 known already, 0 refused\n";
    assert_eq!(place.import(), second);
    assert_eq!(fs::read(&place.file).unwrap(), file, "it stays as it is");

    let store = place.store();
    let clap = packages::by_name(&store, "zig-clap").unwrap().unwrap();
    assert_eq!(clap.url, "https://github.com/Hejsil/zig-clap");
    let texts = [&clap.description, &clap.author, &clap.license].map(|text| text.as_deref());
    assert_eq!(texts, [Some("Arguments"), Some("Hejsil"), Some("MIT")]);
    let times = (clap.created_at, clap.last_updated, clap.popularity_score);
    assert_eq!(times, (THEN_S * 1_000, (THEN_S + 100) * 1_000, 7));
    let mach = packages::by_name(&store, "mach").unwrap().unwrap();
    let times = (mach.created_at, mach.last_updated, mach.popularity_score);
    assert_eq!(times, (THEN_S * 1_000, (THEN_S + 100) * 1_000, 0));
    assert_eq!((mach.description, mach.license), (None, None));
    assert_eq!(totals::packages(&store).unwrap(), 2);
    // Both are looked at as soon as there is a server.
    assert_eq!(packages::due(&store, NOW_MS, 9).unwrap().len(), 2);

    let mut rows = results::of_package(&store, clap.id).unwrap();
    rows.sort_by(|a, b| a.zig_version.cmp(&b.zig_version));
    let said = rows
        .iter()
        .map(|row| (row.build_status, row.test_status, row.last_checked));
    let then = Some(THEN_S * 1_000);
    let expected = [
        (BuildStatus::Failed, None, then),
        (BuildStatus::Success, Some(TestStatus::Success), then),
    ];
    assert_eq!(said.collect::<Vec<_>>(), expected);
    // No build of this server came to them.
    assert!(
        rows.iter()
            .all(|row| row.build_id.is_none() && row.newest_build.is_none())
    );
    let past = history::page(&store, clap.id, None, &page(1, 9))
        .unwrap()
        .unwrap();
    assert_eq!(past.rows, []);
    assert!(search::has_unindexed(&store).unwrap());

    let expected = [
        IssueRow {
            package: clap.id,
            zig_version: "0.13.0".to_string(),
            url: Some("https://github.com/Hejsil/zig-clap/issues/1".to_string()),
            status: Some("open".to_string()),
            auto_created: true,
            resolved_at: None,
            created_at: THEN_S * 1_000,
        },
        IssueRow {
            package: clap.id,
            zig_version: "0.13.0".to_string(),
            url: None,
            status: Some("closed".to_string()),
            auto_created: false,
            resolved_at: then,
            created_at: THEN_S * 1_000,
        },
    ];
    assert_eq!(issues::all(&store).unwrap(), expected);
}

#[test]
fn a_verdict_that_was_imported_shows_until_a_build_has_one_and_changes_nothing() {
    let place = Place::of("replaced", ROWS);
    place.import();
    let mut store = place.store();
    let clap = packages::by_name(&store, "zig-clap").unwrap().unwrap();
    let url = (clap.url.as_str(), None);
    let check = fetched(
        &mut store,
        &check((Some(clap.id), "zig-clap"), Some(url)),
        "c0ffee",
        NOW_MS,
    );
    // Under a version with a verdict that was imported, and under one that has older ones.
    for version in ["0.16.0", "0.17.1"] {
        let build = builds::insert(&mut store, check, version, NOW_MS).unwrap();
        let row = |store: &Store| {
            let rows = results::of_package(store, clap.id).unwrap();
            rows.into_iter()
                .find(|row| row.zig_version == version)
                .unwrap()
        };
        let before = row(&store).build_status;
        let shown = [
            ("0.16.0", BuildStatus::Success),
            ("0.17.1", BuildStatus::Pending),
        ];
        assert!(shown.contains(&(version, before)), "{version}: {before:?}");
        let verdict = Verdict::failed(Reason::CompileError, "a.zig:1:1: error: no");
        finish(&mut store, build, &verdict, NOW_MS + 1);
        let after = row(&store);
        assert_eq!(
            (after.build_status, after.build_id),
            (BuildStatus::Failed, Some(build))
        );
    }
    let all = TransitionFilter::default();
    for transition in [Transition::NewlyBroken, Transition::NewlyFixed] {
        assert_eq!(transitions::newest(&store, transition, all, 9).unwrap(), []);
    }
    store.commit().unwrap();
    drop(store);
    // The verdict of the build stays.
    assert!(place.import().contains("results: 0 taken, 3 known already"));
    let rows = results::of_package(&place.store(), clap.id).unwrap();
    assert!(
        rows.iter()
            .any(|row| row.zig_version == "0.16.0" && row.build_status == BuildStatus::Failed)
    );
}

#[test]
fn what_cannot_be_taken_is_named_with_its_reason() {
    let rows = "
        INSERT INTO packages VALUES
            (1, 'here', 'http://www.github.com/X/here.git/', NULL, NULL, NULL, 'git', 'never', NULL, -5),
            (2, 'taken', 'https://github.com/other/taken', NULL, NULL, NULL, 'git', 0, 0, 0),
            (3, 'a b\u{1b}[2J', 'https://github.com/x/a', NULL, NULL, NULL, 'git', 0, 0, 0),
            (4, 'elsewhere', 'https://example.org/x/elsewhere', NULL, NULL, NULL, 'git', 0, 0, 0),
            (5, 'page', 'https://github.com/x/page/tree/main', NULL, NULL, NULL, 'git', 0, 0, 0),
            (6, 'file', 'file:///etc/passwd', NULL, NULL, NULL, 'git', 0, 0, 0);
        INSERT INTO build_results VALUES
            (1, 1, '0.16.0', 'success', 'good', NULL, NULL),
            (2, 1, '0.15.2', 'building', NULL, NULL, NULL),
            (3, 1, '../x', 'success', NULL, NULL, NULL),
            (4, 2, '0.16.0', 'success', NULL, NULL, NULL),
            (5, 77, '0.16.0', 'success', NULL, NULL, NULL);
        INSERT INTO issues VALUES (1, 1, '', 'https://github.com/x/here/issues/1', 'open', 1, NULL, 0);";
    let place = Place::of("refused", rows);
    fs::create_dir_all(&place.data).unwrap();
    let mut store = place.store();
    for name in ["here", "taken"] {
        packages::insert(&mut store, &new(name), 5).unwrap();
    }
    store.commit().unwrap();
    drop(store);
    let expected = "\
packages: 0 taken, 1 known already, 5 refused
  another repository has the name: taken (https://github.com/other/taken, here https://github.com/x/taken)
  name: must be 1 to 100 of A-Z a-z 0-9 . _ -, and not . or ..: a b\u{fffd}[2J
  url: is a page of a repository: page
  url: must start with https:// (or http://, git://, ssh://git@, git@): file
  url: the host must be one of github.com, codeberg.org: elsewhere
results: 0 taken, 0 known already, 5 refused
  build_status: an unknown word: row 2 (0.15.2)
  its package is not here: row 4 (0.16.0), row 5 (0.16.0)
  test_status: an unknown word: row 1 (0.16.0)
  zig_version: no version: row 3 (../x)
issues: 0 taken, 0 known already, 1 refused
  zig_version: no version: row 1 (https://github.com/x/here/issues/1)
";
    let report = place.try_import().unwrap();
    assert_eq!(report.to_string(), expected);
    assert_eq!(report.refused(), 11);
    // What is known keeps what is known of it.
    let here = packages::by_id(&place.store(), PackageId(1))
        .unwrap()
        .unwrap();
    assert_eq!(
        (here.url.as_str(), here.created_at),
        ("https://github.com/x/here", 5)
    );
}

#[test]
fn more_rows_than_one_transaction_holds_are_taken_and_the_refused_ones_counted() {
    let rows = "
        WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 700)
        INSERT INTO packages SELECT n, 'p' || n, iif(n % 10 = 0, 'https://example.org/x/p', 'https://github.com/x/p')
            || n, NULL, NULL, NULL, 'git', n, n, n FROM n;
        INSERT INTO build_results SELECT id, id, '0.16.0', 'success', NULL, NULL, 1700000000 FROM packages;";
    let place = Place::of("many", rows);
    let said = place.import();
    assert!(
        said.starts_with("packages: 630 taken, 0 known already, 70 refused\n"),
        "{said}"
    );
    assert!(
        said.contains("results: 630 taken, 0 known already, 70 refused\n"),
        "{said}"
    );
    assert!(
        said.contains("p190, p200 and 50 more\n") && !said.contains("p210"),
        "{said}"
    );
    assert_eq!(totals::packages(&place.store()).unwrap(), 630);
}

#[test]
fn a_file_that_is_something_else_changes_nothing() {
    type Change<'a> = &'a dyn Fn(&Path);
    let cases: [(&str, Change, &str); 5] = [
        (
            "none",
            &|file| fs::remove_file(file).unwrap(),
            "unable to open database file",
        ),
        (
            "text",
            &|file| fs::write(file, "packages,url\n".repeat(999)).unwrap(),
            "file is not a database",
        ),
        (
            "half",
            &|file| {
                let whole = fs::read(file).unwrap();
                fs::write(file, &whole[..whole.len() - 4_096]).unwrap();
            },
            "malformed",
        ),
        (
            "table",
            &|file| change(file, "DROP TABLE issues"),
            "there is no table issues",
        ),
        (
            "column",
            &|file| change(file, "ALTER TABLE build_results DROP COLUMN error_log"),
            "the table build_results has no column error_log",
        ),
    ];
    for (name, damage, why) in cases {
        let place = Place::of(&format!("else-{name}"), ROWS);
        damage(&place.file);
        let said = place.try_import().unwrap_err();
        assert!(
            said.contains("old.db: ") && said.contains(why),
            "{name}: {said}"
        );
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(!place.data.exists(), "{name}");
    }
}

fn change(file: &Path, sql: &str) {
    Connection::open(file).unwrap().execute_batch(sql).unwrap();
}

#[test]
fn a_data_directory_in_use_is_left_alone() {
    let place = Place::of("in-use", ROWS);
    fs::create_dir_all(&place.data).unwrap();
    let lock = disk::lock(&place.data).unwrap();
    let said = place.try_import().unwrap_err();
    assert!(said.ends_with("another zigcheck is using it"), "{said}");
    assert!(!place.data.join("zigcheck.db").exists());
    drop(lock);
    place.import();
}
