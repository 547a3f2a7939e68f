//! What is past: the oldest goes first, what is needed never, and with the rows go their files and
//! nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::common::core::{Inside, START};
use crate::common::rows::{finish, in_memory, new};
use crate::common::seed::Seed;
use crate::common::settings::settings;
use rusqlite::{Connection, params};
use zigcheck::app::domain::verdict::{BuildStatus, Reason, State, Verdict};
use zigcheck::app::live::limits::LOG_LIMIT_BYTES;
use zigcheck::app::retention::{DELETE_LIMIT_COUNT, SCAN_PAUSE_MS};
use zigcheck::app::retention::{Retention, RetentionLimits};
use zigcheck::app::store::builds::Finished;
use zigcheck::app::store::sources::SourceRow;
use zigcheck::app::store::store::Store;
use zigcheck::interface::event::Now;

/// Nothing goes by these.
const ALL: RetentionLimits = RetentionLimits {
    builds: u64::MAX,
    age_ms: i64::MAX,
    log_bytes: u64::MAX,
    source_bytes: u64::MAX,
    dependency_bytes: u64::MAX,
    durations: u64::MAX,
};

/// A data directory with its database, which a second connection reaches as well.
struct Place {
    data: PathBuf,
    store: Store,
    db: Connection,
    history: Retention,
    now: Now,
}

impl Place {
    fn new(name: &str, keep: RetentionLimits) -> Place {
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
    fn commit(&mut self) {
        self.store.commit().unwrap();
        self.history.committed(&self.store);
    }

    /// Writes what nobody has a word for.
    fn sql(&mut self, sql: &str) {
        self.store.commit().unwrap();
        self.db.execute_batch(sql).unwrap();
    }

    fn number(&mut self, sql: &str) -> i64 {
        self.store.commit().unwrap();
        self.db.query_row(sql, [], |row| row.get(0)).unwrap()
    }

    fn texts(&mut self, sql: &str) -> Vec<String> {
        self.store.commit().unwrap();
        let mut statement = self.db.prepare(sql).unwrap();
        let rows = statement.query_map([], |row| row.get(0)).unwrap();
        rows.map(Result::unwrap).collect()
    }

    fn ids(&mut self) -> Vec<i64> {
        self.store.commit().unwrap();
        let mut statement = self
            .db
            .prepare("SELECT id FROM builds ORDER BY id")
            .unwrap();
        let rows = statement.query_map([], |row| row.get(0)).unwrap();
        rows.map(Result::unwrap).collect()
    }

    fn delete_expired(&mut self) {
        self.history
            .delete_expired(&mut self.store, self.now)
            .unwrap();
        self.commit();
    }

    /// Sweeps until nothing is left to do; how often that was.
    fn come_to_rest(&mut self) -> usize {
        self.history.wake();
        for count in 0.. {
            assert!(count < 10_000, "there is no end to it");
            let Some(at) = self.history.deadline_ms() else {
                return count;
            };
            self.now.mono_ms = self.now.mono_ms.max(at);
            self.delete_expired();
        }
        unreachable!()
    }

    fn files(&self, dir: &str) -> BTreeSet<String> {
        let entries = fs::read_dir(self.data.join(dir)).unwrap();
        let name = |entry: fs::DirEntry| entry.file_name().into_string().unwrap();
        entries.map(|entry| name(entry.unwrap())).collect()
    }

    fn write(&self, dir: &str, name: &str) {
        fs::write(self.data.join(dir).join(name), b"x").unwrap();
    }

    // -- rows --

    fn package(&mut self, name: &str) -> i64 {
        self.store.insert_package(&new(name), 0).unwrap()
    }

    /// A check with a build for each of these versions, each with a log.
    fn check(&mut self, package: Option<i64>, versions: &[&str]) -> Vec<i64> {
        let at = self.now.unix_ms;
        let check = self
            .store
            .insert_check(&crate::common::rows::check((package, "p"), None), at)
            .unwrap();
        let insert = |version: &&str| {
            let build = self.store.insert_build(check, version, at).unwrap();
            fs::write(self.data.join(format!("logs/{build}.log")), b"x").unwrap();
            build
        };
        versions.iter().map(insert).collect()
    }

    /// A build that was finished, alone in its check.
    fn finished(&mut self, package: Option<i64>, version: &str) -> i64 {
        let build = self.check(package, &[version])[0];
        finish(&mut self.store, build, &failed(), self.now.unix_ms);
        build
    }

    /// Gives the check of a build its source, with its file.
    fn source(&mut self, build: i64, hash: &str, bytes: u64) {
        let check = self.store.build(build).unwrap().unwrap().check;
        let row = SourceRow {
            hash: hash.to_string(),
            format: "tar.zst".to_string(),
            bytes,
            dependencies: false,
            manifest: None,
        };
        let at = self.now.unix_ms;
        self.store.set_source(check, &row, None, at).unwrap();
        self.write("sources", &format!("{hash}.tar.zst"));
    }

    fn dependencies(&mut self, manifest: &str, hash: &str, bytes: i64, used_at: i64) {
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

fn history(data: &Path, keep: RetentionLimits) -> Retention {
    let flag = format!("--data={}", data.display());
    Retention::open(&settings(&[&flag]), keep).unwrap()
}

fn failed() -> Verdict {
    Verdict::failed(Reason::CompileError, "")
}

fn names<const N: usize>(names: [&str; N]) -> BTreeSet<String> {
    names.map(str::to_string).into_iter().collect()
}

// -- a naive model --

#[derive(Debug, Clone, Default)]
struct Build {
    check: i64,
    created_at: i64,
    is_final: bool,
    result: Option<(i64, &'static str)>,
    is_error: bool,
    cached_from: Option<i64>,
    shares: Option<i64>,
}

#[derive(Debug, Default)]
struct Model {
    builds: BTreeMap<i64, Build>,
    /// The latest verdicts.
    latest: BTreeMap<(i64, &'static str), i64>,
    /// Builds that events name.
    named: BTreeSet<i64>,
    /// Each check, and its source.
    checks: BTreeMap<i64, Option<String>>,
    /// Each source: when it was used, whether it is kept, its bytes.
    sources: BTreeMap<String, (i64, bool, u64)>,
    /// By when they were used: the hash and the bytes.
    dependencies: BTreeMap<i64, (String, u64)>,
}

impl Model {
    fn is_free(&self, id: i64) -> bool {
        let build = &self.builds[&id];
        let mut others = self.builds.values();
        build.is_final
            && !self.latest.values().any(|latest| *latest == id)
            && !self.named.contains(&id)
            && !others.any(|other| {
                let sibling = other.check == build.check && !other.is_final;
                sibling || other.cached_from == Some(id) || other.shares == Some(id)
            })
    }

    /// The oldest that is free goes, as long as there are too many or it is too old.
    fn forget(&mut self, keep: &RetentionLimits, now: i64) {
        loop {
            let ended = self.builds.values().filter(|b| b.is_final).count() as u64;
            let too_old = |id: &i64| self.builds[id].created_at < now - keep.age_ms;
            let mut free = self.builds.keys().filter(|id| self.is_free(**id));
            let Some(&id) = free.find(|id| ended > keep.builds || too_old(id)) else {
                break;
            };
            let check = self.builds.remove(&id).unwrap().check;
            if !self.builds.values().any(|other| other.check == check) {
                self.checks.remove(&check);
            }
        }
    }

    fn is_needed(&self, hash: &str) -> bool {
        let of = |build: &&Build| self.checks[&build.check].as_deref() == Some(hash);
        self.builds.values().filter(of).any(|build| !build.is_final)
    }

    /// The source used least lately goes that nobody needs, as long as there is too much.
    fn drop_files(&mut self, keep: &RetentionLimits) {
        loop {
            let kept = self.sources.iter().filter(|(_, (_, kept, _))| *kept);
            let all: u64 = kept.clone().map(|(_, (_, _, bytes))| bytes).sum();
            let idle = kept.filter(|(hash, _)| !self.is_needed(hash));
            let oldest = idle.min_by_key(|(hash, (used_at, ..))| (*used_at, hash.to_string()));
            match oldest.map(|(hash, _)| hash.clone()) {
                Some(hash) if all > keep.source_bytes => {
                    self.sources.get_mut(&hash).unwrap().1 = false;
                }
                _ => break,
            }
        }
        let named: BTreeSet<&String> = self.checks.values().flatten().collect();
        self.sources
            .retain(|hash, (_, kept, _)| *kept || named.contains(hash));
        let all = |model: &Model| -> u64 { model.dependencies.values().map(|d| d.1).sum() };
        while all(self) > keep.dependency_bytes {
            self.dependencies.pop_first();
        }
    }

    fn files(&self) -> BTreeSet<String> {
        let kept = self.sources.iter().filter(|(_, (_, kept, _))| *kept);
        let sources = kept.map(|(hash, _)| format!("{hash}.tar.zst"));
        let dependencies = self
            .dependencies
            .values()
            .map(|(hash, _)| format!("{hash}.tar.gz"));
        sources.chain(dependencies).collect()
    }
}

const VERSIONS: [&str; 3] = ["0.16.0", "0.15.2", "0.14.1"];

struct Run {
    place: Place,
    model: Model,
    seed: Seed,
    packages: Vec<i64>,
    keep: RetentionLimits,
}

impl Run {
    fn new(seed: u64) -> Run {
        let mut seed = Seed(seed);
        let keep = RetentionLimits {
            builds: seed.below(40) as u64,
            age_ms: 1 + seed.below(60_000) as i64,
            log_bytes: u64::MAX,
            source_bytes: seed.below(60) as u64,
            dependency_bytes: seed.below(60) as u64,
            durations: 4,
        };
        let mut place = Place::new(&format!("run-{}", seed.0), keep);
        let packages = ["a", "b", "c"].map(|name| place.package(name)).to_vec();
        place.write("logs", "README");
        Run {
            place,
            model: Model::default(),
            seed,
            packages,
            keep,
        }
    }

    fn act(&mut self) {
        self.place.now.unix_ms += self.seed.below(2_000) as i64;
        match self.seed.below(12) {
            0..=2 => self.submit(),
            3..=6 => self.end_one(),
            7 => self.rest_upon_another(),
            8 => self.events_go(),
            9 => self.keep_dependencies(),
            10 => self.use_a_source(),
            _ => self.delete_expired(),
        }
    }

    fn submit(&mut self) {
        let of = self.seed.below(4);
        let package = self.packages.get(of).copied();
        let count = self.seed.between(1, 3);
        let builds = self.place.check(package, &VERSIONS[..count]);
        let check = self.place.store.build(builds[0]).unwrap().unwrap().check;
        for (build, version) in builds.iter().zip(VERSIONS) {
            let made = Build {
                check,
                created_at: self.place.now.unix_ms,
                result: package.map(|package| (package, version)),
                ..Build::default()
            };
            self.model.builds.insert(*build, made);
        }
        let hash = (!self.seed.once_in(5)).then(|| format!("h{}", self.seed.below(12)));
        if let Some(hash) = &hash {
            let bytes = hash.len() as u64 * 5;
            self.place.source(builds[0], hash, bytes);
            let row = (self.place.now.unix_ms, true, bytes);
            self.model.sources.insert(hash.clone(), row);
        }
        self.model.checks.insert(check, hash);
    }

    /// One of the builds that are so.
    fn some(&mut self, is: impl Fn(&Build) -> bool) -> Option<i64> {
        let all = self.model.builds.iter().filter(|(_, build)| is(build));
        let all: Vec<i64> = all.map(|(id, _)| *id).collect();
        (!all.is_empty()).then(|| *self.seed.pick(&all))
    }

    fn end_one(&mut self) {
        let Some(id) = self.some(|build| !build.is_final) else {
            return;
        };
        let at = self.place.now.unix_ms;
        let build = self.model.builds.get_mut(&id).unwrap();
        (build.is_final, build.shares) = (true, None);
        if self.seed.once_in(5) {
            let cancelled = self.place.store.set_state(id, State::Cancelled, 1);
            assert!(cancelled.unwrap());
        } else {
            let verdict = match self.seed.once_in(4) {
                true => Verdict::error(Reason::Lost, ""),
                false => failed(),
            };
            build.is_error = verdict.build_status == BuildStatus::Error;
            if let Some(result) = build.result {
                let is_error = build.is_error;
                let known = self.model.latest.get(&result).copied();
                let over_error = known.is_none_or(|known| self.model.builds[&known].is_error);
                let newer = known.is_none_or(|known| known <= id);
                if over_error || (!is_error && newer) {
                    self.model.latest.insert(result, id);
                }
            }
            finish(&mut self.place.store, id, &verdict, at);
        }
        self.place
            .sql(&format!("UPDATE builds SET shares = NULL WHERE id = {id}"));
        if self.seed.once_in(3) {
            let row = self.place.store.build(id).unwrap().unwrap();
            self.place.store.insert_event(&row, at).unwrap();
            self.model.named.insert(id);
        }
    }

    /// A finished build has its verdict of another, or a waiting one waits for another.
    fn rest_upon_another(&mut self) {
        let Some(other) = self.some(|build| build.is_final && build.cached_from.is_none()) else {
            return;
        };
        let column = match self.seed.once_in(2) {
            true => "cached_from",
            false => "shares",
        };
        let cached = column == "cached_from";
        let Some(id) = self.some(|build| build.is_final == cached) else {
            return;
        };
        // An original is older, and rests on nothing itself.
        let rests = self
            .model
            .builds
            .values()
            .any(|b| b.cached_from == Some(id));
        if cached && (id <= other || rests) {
            return;
        }
        let build = self.model.builds.get_mut(&id).unwrap();
        match cached {
            true => build.cached_from = Some(other),
            false => build.shares = Some(other),
        }
        self.place.sql(&format!(
            "UPDATE builds SET {column} = {other} WHERE id = {id}"
        ));
    }

    fn events_go(&mut self) {
        self.place.sql("DELETE FROM events");
        self.model.named.clear();
    }

    fn keep_dependencies(&mut self) {
        let at = self.place.now.unix_ms;
        if self.model.dependencies.contains_key(&at) {
            return;
        }
        // Two manifests may have come to the same.
        let hash = format!("d{}", self.seed.below(5));
        let bytes = self.seed.below(30) as i64;
        let manifest = format!("m{at}");
        self.place.dependencies(&manifest, &hash, bytes, at);
        self.model.dependencies.insert(at, (hash, bytes as u64));
    }

    fn use_a_source(&mut self) {
        let all: Vec<String> = self.model.sources.keys().cloned().collect();
        if !all.is_empty() {
            let hash = self.seed.pick(&all);
            let at = self.place.now.unix_ms;
            self.place.store.note_source_used(hash, at).unwrap();
            self.model.sources.get_mut(hash).unwrap().0 = at;
        }
    }

    fn delete_expired(&mut self) {
        // Past the pause of whatever could not go the last time.
        self.place.now.mono_ms += SCAN_PAUSE_MS;
        self.place.come_to_rest();
        let now = self.place.now.unix_ms;
        self.model.forget(&self.keep, now);
        self.model.drop_files(&self.keep);
        self.agrees();
    }

    fn agrees(&mut self) {
        let (place, model) = (&mut self.place, &self.model);
        let ids: Vec<i64> = model.builds.keys().copied().collect();
        assert_eq!(place.ids(), ids, "builds");
        let mut logs: BTreeSet<String> = ids.iter().map(|id| format!("{id}.log")).collect();
        logs.insert("README".to_string());
        assert_eq!(place.files("logs"), logs);
        let checks: Vec<String> = model.checks.keys().map(i64::to_string).collect();
        let sql = "SELECT CAST(id AS TEXT) FROM checks ORDER BY id";
        assert_eq!(place.texts(sql), checks, "checks");
        let sources: Vec<String> = model.sources.keys().cloned().collect();
        let sql = "SELECT hash FROM sources ORDER BY hash";
        assert_eq!(place.texts(sql), sources, "sources");
        assert_eq!(place.files("sources"), model.files());
        let known: BTreeSet<String> = place.store.source_names().unwrap().into_iter().collect();
        assert_eq!(known, model.files());
        for (result, build) in &model.latest {
            let sql = format!(
                "SELECT build_id FROM build_results WHERE package_id = {} AND zig_version = '{}'",
                result.0, result.1
            );
            assert_eq!(
                place.number(&sql),
                *build,
                "the latest verdict of {result:?}"
            );
        }
        self.counts();
    }

    /// What the triggers counted is what there is.
    fn counts(&mut self) {
        let place = &mut self.place;
        let said = place.store.totals().unwrap();
        for (sql, said) in [
            (
                "SELECT count(*) FROM builds WHERE state IN ('finished', 'cancelled')",
                said.builds,
            ),
            (
                "SELECT coalesce(sum(bytes), 0) FROM sources WHERE kept = 1",
                said.source_bytes,
            ),
            (
                "SELECT coalesce(sum(bytes), 0) FROM dependencies",
                said.dependency_bytes,
            ),
            ("SELECT count(*) FROM durations", said.durations),
        ] {
            assert_eq!(place.number(sql), said as i64, "{sql}");
        }
        let wrong = "SELECT count(*) FROM builds b WHERE needed <> \
            (SELECT count(*) FROM build_results WHERE build_id = b.id) \
            + (SELECT count(*) FROM builds c WHERE c.cached_from = b.id)";
        assert_eq!(place.number(wrong), 0, "needed");
    }
}

#[test]
fn what_goes_is_what_a_naive_model_lets_go() {
    let (mut gone, mut kept) = (0, 0);
    for seed in 0..150 {
        let mut run = Run::new(seed);
        for _ in 0..120 {
            run.act();
        }
        run.delete_expired();
        let made = run
            .place
            .number("SELECT seq FROM sqlite_sequence WHERE name = 'builds'");
        kept += run.model.builds.len();
        gone += made as usize - run.model.builds.len();
    }
    // Both happen often, or this shows nothing.
    assert!(gone > 1_000 && kept > 1_000, "{gone} went, {kept} stayed");
}

// -- builds, case by case --

#[test]
fn a_bounded_number_goes_at_a_time_and_the_oldest_first() {
    let keep = RetentionLimits { builds: 10, ..ALL };
    let mut place = Place::new("bounded", keep);
    for _ in 0..100 {
        place.finished(None, "0.16.0");
    }
    let mut left = place.ids();
    while left.len() > 10 {
        place.delete_expired();
        let gone = left.len().min(DELETE_LIMIT_COUNT).min(left.len() - 10);
        left.drain(..gone);
        assert_eq!(place.ids(), left);
        assert_eq!(place.files("logs").len(), left.len());
    }
    place.delete_expired();
    assert_eq!(place.history.deadline_ms(), None, "nothing is left to do");
    place.delete_expired();
    assert_eq!(place.ids(), left);
}

/// The log of a build that floods is as large as that of a thousand others.
#[test]
fn logs_have_room_for_so_many_bytes() {
    let cap = 3 * LOG_LIMIT_BYTES;
    let keep = RetentionLimits {
        log_bytes: cap,
        ..ALL
    };
    let mut place = Place::new("log-bytes", keep);
    let mut seed = Seed(3);
    let mut logs: Vec<(i64, u64)> = Vec::new();
    let held = |logs: &[(i64, u64)]| logs.iter().map(|(_, bytes)| bytes).sum::<u64>();
    let mut gone = 0;
    for _ in 0..300 {
        let build = place.check(None, &["0.16.0"])[0];
        // More than is kept of a log is not there.
        let log_bytes = *seed.pick(&[0, 1, 90_000, LOG_LIMIT_BYTES / 2, LOG_LIMIT_BYTES, 1 << 40]);
        let end = Finished {
            build,
            verdict: &failed(),
            log_bytes,
            log_truncated: false,
        };
        place.store.finish_build(&end, place.now.unix_ms).unwrap();
        logs.push((build, log_bytes.min(LOG_LIMIT_BYTES)));
        place.come_to_rest();
        while held(&logs) > cap {
            logs.remove(0);
            gone += 1;
        }
        let left: Vec<i64> = logs.iter().map(|(build, _)| *build).collect();
        assert_eq!(place.ids(), left);
        assert_eq!(place.files("logs").len(), left.len());
        assert_eq!(place.store.totals().unwrap().log_bytes, held(&logs));
    }
    assert!(gone > 200, "{gone}");
}

#[test]
fn the_latest_verdict_stays_whatever_its_age() {
    let keep = RetentionLimits {
        builds: 0,
        age_ms: 1,
        ..ALL
    };
    let mut place = Place::new("latest", keep);
    let package = place.package("a");
    let old = place.finished(Some(package), "0.16.0");
    let other = place.finished(Some(package), "0.15.2");
    place.now.unix_ms += 1 << 40;
    place.come_to_rest();
    assert_eq!(place.ids(), [old, other]);
    // Our own error is no verdict on it.
    let error = place.check(Some(package), &["0.16.0"])[0];
    let lost = Verdict::error(Reason::Lost, "");
    finish(&mut place.store, error, &lost, place.now.unix_ms);
    place.come_to_rest();
    assert_eq!(place.ids(), [old, other]);
    let newer = place.finished(Some(package), "0.16.0");
    place.now.mono_ms += SCAN_PAUSE_MS;
    place.come_to_rest();
    assert_eq!(place.ids(), [other, newer]);
    assert_eq!(place.files("logs").len(), 2);
}

#[test]
fn age_alone_lets_go_as_well() {
    let keep = RetentionLimits {
        age_ms: 1_000,
        ..ALL
    };
    let mut place = Place::new("age", keep);
    let old = place.finished(None, "0.16.0");
    place.now.unix_ms += 1_000;
    let young = place.finished(None, "0.16.0");
    place.come_to_rest();
    assert_eq!(place.ids(), [old, young], "as old as it may be");
    place.now.unix_ms += 1;
    place.come_to_rest();
    assert_eq!(place.ids(), [young]);
}

#[test]
fn what_something_rests_on_stays_as_long_as_that() {
    let keep = RetentionLimits { builds: 0, ..ALL };
    let event = "INSERT INTO events (build_id, state, build_status, at) \
        VALUES (1, 'finished', 'failed', 0)";
    for (name, ties, unties) in [
        (
            "cached",
            "UPDATE builds SET state = 'building' WHERE id = 2; \
             UPDATE builds SET cached_from = 1 WHERE id = 2",
            "UPDATE builds SET cached_from = NULL WHERE id = 2",
        ),
        (
            "shares",
            "UPDATE builds SET state = 'queued', shares = 1 WHERE id = 2",
            "UPDATE builds SET shares = NULL WHERE id = 2",
        ),
        ("event", event, "DELETE FROM events"),
        (
            "sibling",
            "UPDATE builds SET state = 'testing', check_id = 1 WHERE id = 2",
            "UPDATE builds SET state = 'cancelled' WHERE id = 2",
        ),
        (
            "verdict",
            "INSERT INTO packages (id, name, url, created_at, last_updated) \
                VALUES (1, 'n', 'u', 0, 0); \
             INSERT INTO build_results (package_id, zig_version, build_status, build_id) \
                VALUES (1, '1', 'failed', 1)",
            "DELETE FROM build_results",
        ),
    ] {
        let mut place = Place::new(name, keep);
        for _ in 0..2 {
            place.finished(None, "0.16.0");
        }
        place.sql(ties);
        place.come_to_rest();
        assert!(place.ids().contains(&1), "{name}");
        assert!(place.files("logs").contains("1.log"), "{name}");
        place.sql(unties);
        place.now.mono_ms += SCAN_PAUSE_MS;
        place.come_to_rest();
        assert!(!place.ids().contains(&1), "{name}");
        assert!(!place.files("logs").contains("1.log"), "{name}");
    }
}

#[test]
fn an_original_goes_right_after_the_last_that_was_cached_from_it() {
    let keep = RetentionLimits { builds: 3, ..ALL };
    let mut place = Place::new("original", keep);
    for _ in 0..6 {
        place.finished(None, "0.16.0");
    }
    // 2 and 3 are of 1, which is the oldest all the same once they are gone.
    place.sql("UPDATE builds SET cached_from = 1 WHERE id IN (2, 3)");
    place.come_to_rest();
    assert_eq!(place.ids(), [4, 5, 6]);
}

#[test]
fn where_nothing_may_go_it_is_not_tried_again_at_once() {
    let keep = RetentionLimits { builds: 0, ..ALL };
    let mut place = Place::new("pause", keep);
    let builds = place.check(None, &["0.16.0", "0.15.2"]);
    finish(&mut place.store, builds[0], &failed(), 0);
    assert!(place.come_to_rest() <= 2);
    assert_eq!(place.ids(), builds);
    // Woken, it waits for the end of its pause; then it looks again.
    finish(&mut place.store, builds[1], &failed(), 0);
    place.history.wake();
    place.delete_expired();
    assert_eq!(place.ids(), builds);
    assert_eq!(place.history.deadline_ms(), Some(SCAN_PAUSE_MS));
    place.come_to_rest();
    assert!(place.ids().is_empty());
    assert_eq!(place.number("SELECT count(*) FROM checks"), 0);
}

// -- files --

#[test]
fn a_crash_between_rows_and_files_leaves_nothing_behind() {
    let keep = RetentionLimits { builds: 1, ..ALL };
    let mut place = Place::new("crash", keep);
    let running = place.check(None, &["0.16.0"])[0];
    for _ in 0..3 {
        place.finished(None, "0.16.0");
    }
    place
        .history
        .delete_expired(&mut place.store, place.now)
        .unwrap();
    place.store.commit().unwrap();
    // Here it crashes.
    for name in [
        "1.log.part",
        "77.log",
        "78.log.part",
        "+9.log",
        "9.logs",
        "x.log",
        ".log",
    ] {
        place.write("logs", name);
    }
    fs::create_dir(place.data.join("logs/99")).unwrap();
    assert!(place.files("logs").contains("2.log"));
    place.history = history(&place.data, keep);
    place.come_to_rest();
    assert_eq!(place.ids(), [running, 4]);
    let wanted = names(["1.log", "4.log", "+9.log", "9.logs", "x.log", ".log", "99"]);
    assert_eq!(place.files("logs"), wanted);
}

#[test]
fn thousands_of_names_are_looked_at_piece_by_piece() {
    let mut place = Place::new("names", ALL);
    for id in 100..1_500 {
        place.write("logs", &format!("{id}.log"));
    }
    place.history = history(&place.data, ALL);
    place.delete_expired();
    assert!(place.files("logs").len() > 1_000);
    assert_eq!(place.history.deadline_ms(), Some(0));
    place.come_to_rest();
    assert_eq!(place.files("logs").len(), 0);
}

#[test]
fn a_file_stays_until_its_row_s_end_is_on_the_disk() {
    let keep = RetentionLimits { builds: 0, ..ALL };
    let mut place = Place::new("order", keep);
    place.finished(None, "0.16.0");
    place
        .history
        .delete_expired(&mut place.store, place.now)
        .unwrap();
    assert!(place.files("logs").contains("1.log"));
    place.commit();
    assert!(place.files("logs").is_empty());
}

#[test]
fn a_source_that_comes_in_again_in_the_turn_it_goes_keeps_its_file() {
    let keep = RetentionLimits {
        source_bytes: 5,
        ..ALL
    };
    let mut place = Place::new("again", keep);
    let build = place.finished(None, "0.16.0");
    place.source(build, "h", 9);
    place
        .history
        .delete_expired(&mut place.store, place.now)
        .unwrap();
    assert!(!place.store.keeps_file("h.tar.zst").unwrap());
    let next = place.check(None, &["0.16.0"])[0];
    place.source(next, "h", 9);
    place.commit();
    assert_eq!(place.files("sources"), names(["h.tar.zst"]));
    assert_eq!(place.store.totals().unwrap().source_bytes, 9);
    // A build waits for it: it stays, however much that is.
    place.come_to_rest();
    assert_eq!(place.files("sources"), names(["h.tar.zst"]));
    finish(&mut place.store, next, &failed(), 0);
    place.now.mono_ms += SCAN_PAUSE_MS;
    place.come_to_rest();
    assert_eq!(place.files("sources"), names([]));
    // Its checks still say what it was.
    let check = place.store.check(1).unwrap().unwrap();
    assert_eq!(check.source.unwrap().hash, "h");
    assert_eq!(place.store.source_names().unwrap(), [] as [&str; 0]);
}

#[test]
fn the_row_of_a_source_goes_with_its_file_and_its_last_check() {
    let keep = RetentionLimits {
        builds: 1,
        source_bytes: 5,
        ..ALL
    };
    let mut place = Place::new("last-check", keep);
    for _ in 0..3 {
        let build = place.finished(None, "0.16.0");
        place.source(build, "h", 9);
    }
    place.come_to_rest();
    let rows = |place: &mut Place| place.texts("SELECT hash || kept FROM sources");
    assert_eq!(
        (place.ids(), rows(&mut place)),
        (vec![3], vec!["h0".to_string()])
    );
    place.finished(None, "0.16.0");
    place.come_to_rest();
    assert_eq!((place.ids(), rows(&mut place)), (vec![4], vec![]));
}

#[test]
fn dependencies_used_least_lately_go_first() {
    let keep = RetentionLimits {
        dependency_bytes: 100,
        ..ALL
    };
    let mut place = Place::new("dependencies", keep);
    for (manifest, hash, used_at) in [("a", "x", 3), ("b", "y", 1), ("c", "x", 2), ("d", "z", 4)] {
        place.dependencies(manifest, hash, 40, used_at);
    }
    // b and then c have to go; the file of c is that of a as well.
    place.come_to_rest();
    let left = place.texts("SELECT manifest FROM dependencies ORDER BY manifest");
    assert_eq!(left, ["a", "d"]);
    assert_eq!(place.files("sources"), names(["x.tar.gz", "z.tar.gz"]));
    // A row that is replaced is counted once.
    place.dependencies("a", "w", 50, 9);
    assert_eq!(place.store.totals().unwrap().dependency_bytes, 90);
    for id in 0..100 {
        place.dependencies(&format!("m{id}"), &format!("f{id}"), 10, 100 + id);
    }
    assert!(place.come_to_rest() > 90 / DELETE_LIMIT_COUNT);
    assert_eq!(place.number("SELECT min(used_at) FROM dependencies"), 190);
    assert_eq!(place.store.totals().unwrap().dependency_bytes, 100);
}

#[test]
fn durations_not_noted_for_long_are_forgotten() {
    let keep = RetentionLimits {
        durations: 10,
        ..ALL
    };
    let mut place = Place::new("durations", keep);
    for name in 0..50 {
        let name = format!("p{name}");
        let store = &mut place.store;
        let check = store
            .insert_check(&crate::common::rows::check((None, &name), None), 0)
            .unwrap();
        store.note_fetch(check, 5).unwrap();
        // This one is seen again and again.
        let first = 1;
        store.note_fetch(first, 5).unwrap();
    }
    assert!(place.come_to_rest() > 40 / DELETE_LIMIT_COUNT);
    let left = place.texts("SELECT package FROM durations ORDER BY noted");
    let mut wanted: Vec<String> = (42..50).map(|name| format!("p{name}")).collect();
    wanted.extend(["".to_string(), "p0".to_string()]);
    let sorted = |mut all: Vec<String>| {
        all.sort();
        all
    };
    assert_eq!(sorted(left), sorted(wanted));
}

// -- the server --

#[test]
fn a_server_that_starts_lets_go_of_what_is_past() {
    let mut store = in_memory();
    let year = 366 * 86_400_000;
    for age in [2 * year, year, 0] {
        for _ in 0..DELETE_LIMIT_COUNT {
            let at = START - age;
            let check = store
                .insert_check(&crate::common::rows::check((None, "p"), None), at)
                .unwrap();
            let build = store.insert_build(check, "0.16.0", at).unwrap();
            finish(&mut store, build, &failed(), at);
        }
    }
    store.commit().unwrap();
    let mut inside = Inside::open("past", store, 1);
    for left in [2, 1, 1] {
        inside.pass(0);
        let total = inside.json("/api/builds")["total"].as_u64();
        assert_eq!(total, Some((left * DELETE_LIMIT_COUNT) as u64));
    }
    let gone = inside.request("GET", "/api/builds/1", &[], b"");
    assert_eq!(gone.status, 404);
}
