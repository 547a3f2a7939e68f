//! Days pass: what is built then that nobody asked for, and what must be.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::Connection;
use zigcheck::app::builds::limits::{FETCH_TIMEOUT_MS, RECHECK_RETRY_MS};
use zigcheck::app::domain::limits::{RECHECK_EVERY_MS, RECHECK_PAUSE_MS, TRIES_LIMIT};
use zigcheck::app::domain::task::Priority;
use zigcheck::app::engine::limits::KILL_GRACE_MS;
use zigcheck::config::limits::ENGINE_FRESH_MS;

use crate::common::engine::container::{Container, Script, purpose};
use crate::people::url;
use crate::rules::{number, rows};
use crate::scripts::VERSIONS;
use crate::world::World;

pub const HOUR_MS: u64 = 3_600_000;

/// What is known of looks at remotes.
#[derive(Debug, Default)]
pub struct Days {
    /// The commit that the remote of a package said, to a server that has heard it.
    told: BTreeMap<i64, String>,
    /// Packages whose look has ended in this turn.
    over: BTreeSet<i64>,
    /// Packages that are being looked at, as far as can be seen.
    pub looks: BTreeSet<i64>,
    /// An admin wanted them looked at, and they were not yet.
    wanted: BTreeSet<i64>,
    looked_ms: BTreeMap<i64, u64>,
    /// The minute of the day at which a package is looked at.
    minutes: BTreeMap<i64, i64>,
    /// The newest check that was looked at.
    newest: i64,
    /// The newest try that was looked at.
    newest_try: i64,
    /// Versions under which all packages were to be checked.
    pub catalogue: BTreeSet<String>,
    /// The ids of images that the server knew by them when they got a recipe, by version.
    pub named: BTreeMap<&'static str, String>,
}

/// A build that was there before another of the same package under the same toolchain.
#[derive(Debug)]
struct Earlier {
    state: String,
    status: String,
    toolchain: Option<String>,
    commit: Option<String>,
    is_fetched: bool,
}

impl Earlier {
    fn is_final(&self) -> bool {
        ["finished", "cancelled"].contains(&self.state.as_str())
    }

    /// It ended in an error of ours, or without a word on that image.
    fn is_owed(&self, image: &String) -> bool {
        self.state == "finished"
            && (self.status == "error" || self.toolchain.as_ref() != Some(image))
    }

    /// It says something of another commit than that one.
    fn is_behind(&self, commit: Option<&String>) -> bool {
        let is_verdict = self.state == "finished" && self.status != "error";
        let commits = self.commit.as_ref().zip(commit);
        is_verdict && commits.is_some_and(|(built, latest)| built != latest)
    }

    /// It says nothing of that commit under that image.
    fn lacks(&self, commit: Option<&String>, image: Option<&String>) -> bool {
        let is_of_both = self.toolchain.as_ref() == image && self.commit.as_ref() == commit;
        self.status == "error" || self.state == "cancelled" || !is_of_both
    }

    /// It runs under another image, and so says nothing of this one.
    fn runs_under_another(&self, image: Option<&String>) -> bool {
        !self.is_final()
            && self.state != "queued"
            && self.toolchain.is_some()
            && self.toolchain.as_ref() != image
    }
}

impl Days {
    pub fn want_looks(&mut self, db: &Connection) {
        let ids = rows(
            db,
            "SELECT id FROM packages WHERE removal IS NULL",
            [],
            |row| row.get(0),
        );
        self.wanted = ids
            .into_iter()
            .filter(|id| !self.looks.contains(id))
            .collect();
    }

    /// The server is gone, and with it what it had heard. Looks that were open are owed.
    pub fn die(&mut self, db: &Connection, unix_ms: i64, open: BTreeSet<i64>) {
        let sql = "SELECT NOT EXISTS (SELECT 1 FROM packages WHERE id = ?1 AND removal IS NULL \
            AND next_check > ?2 AND NOT EXISTS (SELECT 1 FROM queue WHERE kind = 2 AND queue.id = ?1) \
            AND NOT EXISTS (SELECT 1 FROM server WHERE ?1 < recheck_before))";
        let mut statement = db.prepare_cached(sql).expect("the schema");
        let soon = unix_ms + RECHECK_RETRY_MS;
        let mut is_to_come = |package: &i64| {
            let count = statement.query_row([*package, soon], |row| row.get::<_, i64>(0));
            count.expect("a number") > 0
        };
        self.wanted.extend(open);
        let lost = self.wanted.iter().find(|package| !is_to_come(package));
        assert!(lost.is_none(), "{lost:?} is not looked at");
        self.told.clear();
        self.over.clear();
        self.looks.clear();
    }

    /// What was said in looks that are over is of no more use.
    pub fn forget_told(&mut self) {
        for package in std::mem::take(&mut self.over) {
            self.told.remove(&package);
        }
    }

    pub fn look(&mut self, package: i64, ms: u64) {
        self.told.remove(&package);
        self.over.remove(&package);
        self.looks.insert(package);
        self.wanted.remove(&package);
        self.looked_ms.insert(package, ms);
    }
}

impl World {
    /// Hours or days go by: mostly when there is little to do, sometimes in the middle of everything.
    pub fn let_days_pass(&mut self) {
        if !self.seed.once_in(4) {
            self.work_on();
        }
        let Some(app) = &self.app else { return };
        let busy = app.running() > 0 || app.waiting() > 0;
        self.tally
            .met(["days pass", "days pass beside work"][usize::from(busy)]);
        self.pass_days();
        self.tell_time();
    }

    pub fn pass_days(&mut self) {
        let hours = [1, 13, 25, 49][self.seed.below(4)];
        let more = self.seed.below(HOUR_MS as usize) as u64;
        self.pass(hours * HOUR_MS + more);
    }

    /// Everything that can move does, for a while.
    fn work_on(&mut self) {
        for _ in 0..40 {
            let moved = self.move_all();
            self.tell_time();
            match (&self.app, moved) {
                (None, _) => return,
                (Some(_), false) => {
                    let next = self.next_ms().filter(|at| *at < self.ms + 60_000);
                    let Some(next) = next else { return };
                    self.pass_to(next);
                    self.tell_time();
                }
                (Some(_), true) => {}
            }
        }
    }

    /// The client of a look has told its end: the server has heard the commit, unless it was too late.
    pub fn remote_has_told(&mut self, name: &str) {
        let Some(container) = self.engine.get(name) else {
            return;
        };
        if let Some((Script::Remote, package, _)) = container.purpose
            && self.ms < container.started_ms + FETCH_TIMEOUT_MS
        {
            let said = String::from_utf8_lossy(&container.wrote[0]).into_owned();
            self.days.told.insert(package, said.trim().to_string());
        }
    }

    /// Packages whose remotes are being asked: the server listens, and has not given up.
    pub fn open_looks(&self) -> BTreeSet<i64> {
        let clients = self.clients.values();
        let names = clients.filter_map(|client| client.name.as_ref());
        let purposes = names.map(|name| purpose(name));
        let looks = purposes.filter(|(script, ..)| *script == Script::Remote);
        let patience_ms = FETCH_TIMEOUT_MS + KILL_GRACE_MS;
        let is_open = |container: &Container| self.ms < container.started_ms + patience_ms;
        looks
            .filter(|look| self.engine.of(*look).is_none_or(is_open))
            .map(|(_, package, _)| package)
            .collect()
    }

    /// A look is over. Where its remote has said another commit than the one known, that is built
    /// under all toolchains there are, else what is owed.
    pub fn check_look_over(&mut self, package: i64) {
        self.days.looks.remove(&package);
        self.days.over.insert(package);
        let Some(told) = self.days.told.get(&package).cloned() else {
            return;
        };
        let live = "SELECT count(*) FROM packages WHERE id = ?1 AND removal IS NULL";
        let live: Vec<i64> = rows(&self.keeper, live, [package], |row| row.get(0));
        if live == [0] {
            return self.tally.met("remotes of packages that went");
        }
        let changed = Some(&told) != self.known_commit(package, i64::MAX).as_ref();
        self.tally
            .met(["remotes unchanged", "remotes changed"][usize::from(changed)]);
        if !self.engine.is_known_well() {
            return;
        }
        for version in self.settings.zig_versions.clone() {
            let version = version.as_str();
            let Some(image) = self.toolchain(version) else {
                continue;
            };
            let newest = self.earlier(package, version, i64::MAX);
            let newest = newest.expect("each package has builds under all toolchains");
            let good = match changed {
                true => !newest.is_final() && !newest.is_fetched,
                false => !newest.is_owed(&image) && !newest.is_behind(Some(&told)),
            };
            assert!(good, "{told} of {package}, {version} {image}: {newest:?}");
        }
    }

    /// The commit of the newest check of a package that has one, of those before that check.
    fn known_commit(&self, package: i64, before: i64) -> Option<String> {
        let sql = "SELECT \"commit\" FROM checks WHERE package_id = ?1 AND id < ?2 \
            AND \"commit\" NOT NULL AND is_try = 0 ORDER BY id DESC LIMIT 1";
        rows(&self.keeper, sql, [package, before], |row| row.get(0)).pop()
    }

    fn earlier(&self, package: i64, version: &str, before: i64) -> Option<Earlier> {
        let sql = "SELECT b.state, b.build_status, b.toolchain, c.\"commit\", c.source NOT NULL FROM builds b \
            JOIN checks c ON c.id = b.check_id WHERE c.package_id = ?1 AND b.zig_version = ?2 \
            AND c.id < ?3 AND c.is_try = 0 ORDER BY b.id DESC LIMIT 1";
        let given = rusqlite::params![package, version, before];
        let mut found = rows(&self.keeper, sql, given, |row| {
            Ok(Earlier {
                state: row.get(0)?,
                status: row.get(1)?,
                toolchain: row.get(2)?,
                commit: row.get(3)?,
                is_fetched: row.get(4)?,
            })
        });
        found.pop()
    }

    /// The toolchain of a version in the words of the server's rows.
    fn toolchain(&self, version: &str) -> Option<String> {
        let name = self.engine.name(version)?;
        let sql = "SELECT image FROM recipes WHERE recipe = ?1 ORDER BY rowid DESC";
        let mut ids = rows(&self.keeper, sql, [&name], |row| row.get(0)).into_iter();
        Some(ids.next().unwrap_or(name))
    }

    /// What a container that is booked under that toolchain is started in, by names that it had at its time.
    pub fn may_start_in(&self, booked: &str, image: &str) -> bool {
        let sql = "SELECT count(*) FROM recipes WHERE image = ?1 AND recipe = ?2";
        let count: Vec<i64> = rows(&self.keeper, sql, [booked, image], |row| row.get(0));
        // Without a recipe a node has an image of its own.
        let is_of_node = || VERSIONS.iter().any(|it| image == format!("zigcheck:{it}"));
        booked == image || count == [1] || (self.engine.slurm.is_some() && is_of_node())
    }

    /// The image of a toolchain as the server knows it.
    pub fn image_as_known(&self, version: &str) -> Option<String> {
        let sql = "SELECT image FROM toolchains WHERE zig_version = ?1";
        rows(&self.keeper, sql, [version], |row| row.get(0)).pop()
    }

    pub fn check_new_checks(&mut self) {
        self.check_new_tries();
        let sql =
            "SELECT id, package_id, priority FROM checks WHERE id > ?1 AND is_try = 0 ORDER BY id";
        let new = rows(&self.keeper, sql, [self.days.newest], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        });
        for (check, package, priority) in new {
            self.days.newest = check;
            let (check, package, priority): (i64, Option<i64>, i64) = (check, package, priority);
            let nobody_asked = priority >= Priority::Toolchain.number();
            if let (true, Some(package)) = (nobody_asked, package) {
                self.check_reason(check, package, priority);
            }
        }
    }

    /// A try is one build, and the one that its search waits for; a search has no more tries than its budget.
    fn check_new_tries(&mut self) {
        let sql = "SELECT c.id, count(b.id), min(b.id), s.build_id, s.tried FROM checks c \
            JOIN builds b ON b.check_id = c.id LEFT JOIN commit_searches s \
                ON s.package_id = c.package_id AND s.zig_version = b.zig_version \
            WHERE c.id > ?1 AND c.is_try = 1 GROUP BY c.id ORDER BY c.id";
        type New = (i64, i64, i64, Option<i64>, Option<u32>);
        let new: Vec<New> = rows(&self.keeper, sql, [self.days.newest_try], |row| {
            Ok((
                row.get(0)?,
                row.get(1)?,
                row.get(2)?,
                row.get(3)?,
                row.get(4)?,
            ))
        });
        for (check, builds, build, awaited, tried) in new {
            self.days.newest_try = check;
            self.tally.met("commits tried");
            assert_eq!(builds, 1, "check {check}");
            // Its verdict may have been known, and the next try may follow in the same turn.
            assert!(
                awaited.is_none_or(|awaited| awaited >= build),
                "check {check}"
            );
            assert!(
                tried.is_none_or(|tried| tried <= TRIES_LIMIT),
                "check {check}: {tried:?}"
            );
        }
    }

    /// Nothing is built without a reason: a new commit, one that was built under other versions alone, a new image, or
    /// an error of ours.
    fn check_reason(&mut self, check: i64, package: i64, priority: i64) {
        let sql = format!("SELECT zig_version FROM builds WHERE check_id = {check}");
        let versions = self.texts(&sql);
        let known = self.known_commit(package, check);
        let looked = priority == Priority::Recheck.number();
        let told = self.days.told.get(&package);
        assert!(!looked || told.is_some(), "check {check} without a look");
        let changed = looked && told != known.as_ref();
        self.tally.met(match (looked, changed) {
            (false, _) => "checks for a new image",
            (true, true) => "checks of a new commit",
            (true, false) => "checks that were owed",
        });
        assert!(!versions.is_empty(), "check {check} of nothing");
        for version in versions {
            let Some(earlier) = self.earlier(package, &version, check) else {
                continue;
            };
            let image = self.image_as_known(&version);
            let same = earlier.toolchain.is_some() && earlier.toolchain == image;
            // An admin may have asked for it.
            let asked = !looked && self.days.catalogue.contains(&version);
            let good = match (changed, earlier.is_final()) {
                (false, true) if asked => earlier.lacks(known.as_ref(), image.as_ref()),
                // What waits for its source will fetch that commit.
                (true, fin) => fin || earlier.is_fetched,
                (false, false) => earlier.runs_under_another(image.as_ref()),
                (false, true) if earlier.state == "cancelled" => !looked && !same,
                (false, true) => {
                    let is_behind = earlier.is_behind(known.as_ref());
                    (looked && earlier.status == "error") || !same || is_behind
                }
            };
            assert!(
                good,
                "check {check} of {package}, {version}, {image:?}: {earlier:?}"
            );
        }
    }

    /// A day later every package was looked at, and nothing is owed to any of them.
    pub fn check_day(&mut self) {
        // The server asks anew for images, as it would for anybody.
        self.pass(ENGINE_FRESH_MS.max(RECHECK_RETRY_MS as u64));
        self.request("GET", "/api/health", serde_json::Value::Null);
        self.settle();
        self.check_planned();
        self.check_under_all_images();
        let before = self.ms;
        self.pass(RECHECK_EVERY_MS as u64 + RECHECK_PAUSE_MS as u64 + HOUR_MS);
        self.tell_time();
        self.settle();
        for package in self.numbers("SELECT id FROM packages WHERE removal IS NULL") {
            let looked = self.days.looked_ms.get(&package);
            assert!(
                looked.is_some_and(|at| *at > before),
                "{package} was not looked at"
            );
        }
        self.check_planned();
        self.check_under_all_images();
    }

    /// Every package is looked at within a day and a half, at a minute of the day of its own.
    fn check_planned(&mut self) {
        let now = self.now().unix_ms;
        let latest = now + RECHECK_EVERY_MS + RECHECK_PAUSE_MS;
        for package in self.numbers("SELECT id FROM packages WHERE removal IS NULL") {
            let sql = format!("SELECT next_check FROM packages WHERE id = {package}");
            let next = number(&self.keeper, &sql);
            assert!(now < next && next <= latest, "{package}: {next} at {now}");
            let minute = next % RECHECK_EVERY_MS;
            let known = *self.days.minutes.entry(package).or_insert(minute);
            assert_eq!(minute, known, "{package}");
        }
        // Some have given their name away since.
        let live = self.numbers("SELECT id FROM packages WHERE removal IS NULL");
        self.days.wanted.retain(|package| live.contains(package));
        let wanted = &self.days.wanted;
        assert!(wanted.is_empty(), "not looked at: {wanted:?}");
    }

    /// All packages were built, or tried, under each image there is.
    fn check_under_all_images(&self) {
        for package in self.numbers("SELECT id FROM packages WHERE removal IS NULL") {
            for version in &self.settings.zig_versions {
                let image = self.toolchain(version);
                assert_eq!(self.image_as_known(version), image, "{version}");
                // One that was known by its id, and got a recipe, is not another one by that.
                if let Some(id) = self.days.named.get(version.as_str()) {
                    assert_eq!(image.as_ref(), Some(id), "{version}");
                }
                let newest = self.earlier(package, version, i64::MAX);
                let newest = newest.expect("each package has builds under all toolchains");
                // What did not get its source, or was not let, has not come to a toolchain.
                let came = newest.status != "error" && newest.state != "cancelled";
                // An image that was made a moment before the build began was not known: that is owed.
                let unknown = newest.toolchain.as_deref() == Some("");
                let good =
                    !came || newest.toolchain.is_none() || newest.toolchain == image || unknown;
                assert!(good, "{package} under {version}, {image:?}: {newest:?}");
            }
        }
    }

    pub fn owner_of(&self, package: i64) -> String {
        let sql = format!("SELECT name FROM packages WHERE id = {package}");
        let name = self.texts(&sql).pop().expect("a package");
        let url = url(name[1..].parse().expect("a number"));
        let path = url.trim_start_matches("https://");
        path[..path.rfind('/').expect("a path")].to_string()
    }
}
