//! Random histories against a naive model.

use std::collections::{BTreeMap, BTreeSet};

use super::place::*;
use crate::common::rows::finish;
use crate::common::seed::Seed;
use zigcheck::app::domain::ids::BuildId;
use zigcheck::app::domain::verdict::{BuildStatus, Reason, State, Verdict};
use zigcheck::app::retention::RetentionLimits;
use zigcheck::app::retention::SCAN_PAUSE_MS;
use zigcheck::app::store::builds;
use zigcheck::app::store::events;
use zigcheck::app::store::sources;
use zigcheck::app::store::totals;

#[derive(Debug, Clone, Default)]
struct Build {
    check: i64,
    created_at: i64,
    is_final: bool,
    result: Option<(i64, &'static str)>,
    is_error: bool,
    cached_from: Option<i64>,
    waits_for: Option<i64>,
}

#[derive(Debug, Default)]
struct Model {
    builds: BTreeMap<i64, Build>,
    latest: BTreeMap<(i64, &'static str), i64>,
    /// Builds that events name.
    named: BTreeSet<i64>,
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
                sibling || other.cached_from == Some(id) || other.waits_for == Some(id)
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
            kept_bytes: 0,
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
        let check = builds::by_id(&self.place.store, BuildId(builds[0]))
            .unwrap()
            .unwrap()
            .check;
        for (build, version) in builds.iter().zip(VERSIONS) {
            let made = Build {
                check: check.get(),
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
        self.model.checks.insert(check.get(), hash);
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
        (build.is_final, build.waits_for) = (true, None);
        if self.seed.once_in(5) {
            let cancelled =
                builds::set_state(&mut self.place.store, BuildId(id), State::Cancelled, 1);
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
            finish(&mut self.place.store, BuildId(id), &verdict, at);
        }
        self.place.sql(&format!(
            "UPDATE builds SET waits_for = NULL WHERE id = {id}"
        ));
        if self.seed.once_in(3) {
            let row = builds::by_id(&self.place.store, BuildId(id))
                .unwrap()
                .unwrap();
            events::insert(&mut self.place.store, &row, None, at).unwrap();
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
            false => "waits_for",
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
            false => build.waits_for = Some(other),
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
            sources::set_used(&mut self.place.store, hash, at).unwrap();
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
        let is_kept = |name: &String| sources::keeps_file(&place.store, name).unwrap();
        assert!(model.files().iter().all(is_kept));
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
        let said = totals::read(&place.store).unwrap();
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
        let wrong = "SELECT count(*) FROM builds b WHERE ref_count <> \
            (SELECT count(*) FROM build_results WHERE build_id = b.id) \
            + (SELECT count(*) FROM builds c WHERE c.cached_from = b.id)";
        assert_eq!(place.number(wrong), 0, "ref_count");
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
