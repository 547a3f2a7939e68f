//! A database with its files, and retention on it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::common::rows::{finish, new};
use crate::common::settings::settings;
use rusqlite::{Connection, params};
use zigcheck::app::domain::ids::{BuildId, PackageId};
use zigcheck::app::domain::verdict::{Reason, Verdict};
use zigcheck::app::retention::{Retention, RetentionLimits};
use zigcheck::app::store::builds;
use zigcheck::app::store::checks;
use zigcheck::app::store::packages;
use zigcheck::app::store::sources::SourceRow;
use zigcheck::app::store::store::Store;
use zigcheck::interface::event::Now;

/// Nothing goes by these.
pub const ALL: RetentionLimits = RetentionLimits {
    builds: u64::MAX,
    age_ms: i64::MAX,
    log_bytes: u64::MAX,
    source_bytes: u64::MAX,
    dependency_bytes: u64::MAX,
    kept_bytes: u64::MAX,
    durations: u64::MAX,
};

/// A data directory with its database, which a second connection reaches as well.
pub struct Place {
    pub data: PathBuf,
    pub store: Store,
    pub db: Connection,
    pub history: Retention,
    pub now: Now,
}

impl Place {
    pub fn new(name: &str, keep: RetentionLimits) -> Place {
        let data = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join("history")
            .join(name);
        let _ = fs::remove_dir_all(&data);
        for dir in ["logs", "sources"] {
            fs::create_dir_all(data.join(dir)).unwrap();
        }
        let uri = format!("file:history-{name}?mode=memory&cache=shared");
        let connect = || Connection::open(&uri).unwrap();
        Place {
            history: history(&data, keep),
            store: Store::from_connection(connect()).unwrap(),
            db: connect(),
            data,
            now: Now {
                mono_ms: 0,
                unix_ms: 1_000,
            },
        }
    }

    /// The turn ends: what it wrote is there for others, and files go.
    pub fn commit(&mut self) {
        self.store.commit().unwrap();
        let in_use = std::iter::empty();
        self.history.committed(&self.store, Vec::new(), in_use);
    }

    /// Writes what nobody has a word for.
    pub fn sql(&mut self, sql: &str) {
        self.store.commit().unwrap();
        self.db.execute_batch(sql).unwrap();
    }

    pub fn number(&mut self, sql: &str) -> i64 {
        self.store.commit().unwrap();
        self.db.query_row(sql, [], |row| row.get(0)).unwrap()
    }

    pub fn texts(&mut self, sql: &str) -> Vec<String> {
        self.store.commit().unwrap();
        let mut statement = self.db.prepare(sql).unwrap();
        let rows = statement.query_map([], |row| row.get(0)).unwrap();
        rows.map(Result::unwrap).collect()
    }

    pub fn ids(&mut self) -> Vec<i64> {
        self.store.commit().unwrap();
        let mut statement = self
            .db
            .prepare("SELECT id FROM builds ORDER BY id")
            .unwrap();
        let rows = statement.query_map([], |row| row.get(0)).unwrap();
        rows.map(Result::unwrap).collect()
    }

    pub fn delete_expired(&mut self) {
        self.history
            .delete_expired(&mut self.store, self.now)
            .unwrap();
        self.commit();
    }

    /// Deletes until nothing is left to do; how often that was.
    pub fn come_to_rest(&mut self) -> usize {
        self.history.wake();
        for count in 0.. {
            assert!(count < 10_000, "there is no end to it");
            let Some(at) = self.history.due_ms else {
                return count;
            };
            self.now.mono_ms = self.now.mono_ms.max(at);
            self.delete_expired();
        }
        unreachable!()
    }

    pub fn files(&self, dir: &str) -> BTreeSet<String> {
        let entries = fs::read_dir(self.data.join(dir)).unwrap();
        let name = |entry: fs::DirEntry| entry.file_name().into_string().unwrap();
        entries.map(|entry| name(entry.unwrap())).collect()
    }

    pub fn write(&self, dir: &str, name: &str) {
        fs::write(self.data.join(dir).join(name), b"x").unwrap();
    }

    pub fn package(&mut self, name: &str) -> i64 {
        packages::insert(&mut self.store, &new(name), 0)
            .unwrap()
            .get()
    }

    /// A check with a build for each of these versions, each with a log.
    pub fn check(&mut self, package: Option<i64>, versions: &[&str]) -> Vec<i64> {
        let at = self.now.unix_ms;
        let check = checks::insert(
            &mut self.store,
            &crate::common::rows::check((package.map(PackageId), "p"), None),
            at,
        )
        .unwrap();
        let insert = |version: &&str| {
            let build = builds::insert(&mut self.store, check, version, at).unwrap();
            fs::write(self.data.join(format!("logs/{build}.log")), b"x").unwrap();
            build.get()
        };
        versions.iter().map(insert).collect()
    }

    /// A build that was finished, alone in its check.
    pub fn finished(&mut self, package: Option<i64>, version: &str) -> i64 {
        let build = self.check(package, &[version])[0];
        finish(&mut self.store, BuildId(build), &failed(), self.now.unix_ms);
        build
    }

    /// Gives the check of a build its source, with its file.
    pub fn source(&mut self, build: i64, hash: &str, bytes: u64) {
        let check = builds::by_id(&self.store, BuildId(build))
            .unwrap()
            .unwrap()
            .check;
        let row = SourceRow {
            hash: hash.to_string(),
            format: "tar.zst".to_string(),
            bytes,
            dependencies: false,
            manifest: None,
        };
        let at = self.now.unix_ms;
        checks::set_source(&mut self.store, check, &row, None, at).unwrap();
        self.write("sources", &format!("{hash}.tar.zst"));
    }

    pub fn dependencies(&mut self, manifest: &str, hash: &str, bytes: i64, used_at: i64) {
        self.store.commit().unwrap();
        let sql = "INSERT OR REPLACE INTO dependencies VALUES (?1, 'sha256:t', ?2, ?3, ?4)";
        let row = params![manifest, hash, bytes, used_at];
        self.db
            .execute_batch("PRAGMA recursive_triggers = ON")
            .unwrap();
        self.db.execute(sql, row).unwrap();
        self.write("sources", &format!("{hash}.tar.gz"));
    }
}

pub fn history(data: &Path, keep: RetentionLimits) -> Retention {
    let flag = format!("--data={}", data.display());
    Retention::open(&settings(&[&flag]), keep).unwrap()
}

pub fn failed() -> Verdict {
    Verdict::failed(Reason::CompileError, "")
}

pub fn names<const N: usize>(names: [&str; N]) -> BTreeSet<String> {
    names.map(str::to_string).into_iter().collect()
}
