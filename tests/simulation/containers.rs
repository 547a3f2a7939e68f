//! What must hold of the containers that the server has made, ended and removed.

use zigcheck::app::builds::limits::{FETCH_TIMEOUT_MS, TARGETS_TIMEOUT_MS};
use zigcheck::app::engine::limits::KILL_GRACE_MS;

use crate::common::engine::client::Client;
use crate::common::engine::container::{Container, Script, purpose};
use crate::rules::number;
use crate::world::World;

impl World {
    pub fn check_run(&mut self, container: &Container) {
        let (script, id, attempt) = container.purpose.expect("it is ours");
        if container.slow_until_ms > 0 {
            self.tally.met("slow fetches");
        }
        match script {
            Script::Build => self.check_build_run(container, id, attempt),
            Script::Dependencies => {
                let row = self.committed(id).expect("no container ahead of its row");
                assert_eq!((row.state.as_str(), row.attempt), ("fetching", attempt));
            }
            Script::Source => assert!(self.is_awaited(id), "nobody waits for {}", container.name),
            Script::Remote => self.days.look(id, self.ms),
            Script::Targets | Script::TargetDependencies => {
                let sql = format!("SELECT attempt FROM target_checks WHERE build_id = {id}");
                assert_eq!(
                    self.numbers(&sql),
                    [i64::from(attempt)],
                    "{}",
                    container.name
                );
                self.tally.met("analysed for other targets");
            }
            Script::Commits => {
                let sql = format!(
                    "SELECT count(*) FROM commit_searches WHERE package_id = {id} AND state = 'listing'"
                );
                assert!(number(&self.keeper, &sql) > 0, "nobody searches {id}");
                self.tally.met("lists of commits");
            }
        }
    }

    /// Some build of the check waits for its source.
    fn is_awaited(&self, check: i64) -> bool {
        let sql =
            format!("SELECT count(*) FROM builds WHERE check_id = {check} AND state = 'fetching'");
        number(&self.keeper, &sql) > 0
    }

    fn check_build_run(&mut self, container: &Container, id: i64, attempt: u32) {
        let row = self.committed(id).expect("no container ahead of its row");
        assert_eq!(row.state, "building", "{row:?}");
        assert_eq!(row.attempt, attempt, "{row:?}");
        // What is run is what it is booked under; of an image that nobody knows the name.
        let sql = format!("SELECT coalesce(toolchain, '') FROM builds WHERE id = {id}");
        let booked = self.texts(&sql).pop().expect("a row");
        let image = container.key.as_ref().map(|key| &key.image);
        let named = format!("zigcheck:{}", self.version_of(id));
        let wanted = if booked.is_empty() { named } else { booked };
        let good = image.is_some_and(|image| self.may_start_in(&wanted, image));
        assert!(good, "{image:?} is not {wanted}: {row:?}");
        self.check_given(container, id);
        for earlier in 1..=attempt {
            let Some(earlier) = self.engine.of((Script::Build, id, earlier)) else {
                continue;
            };
            assert!(
                earlier.purpose != container.purpose,
                "{} runs twice",
                container.name
            );
            let again = earlier.is_worth_it() && !self.books.killed.contains(&earlier.name);
            assert!(!again, "built again: {earlier:?}");
        }
        if let Some(twin) = self.twin(container, id).filter(|_| !self.is_fresh(id)) {
            panic!("{:?} is being built by {twin:?}", container.key);
        }
    }

    /// What an earlier build left is given to the next one of the same package under the same image, and to no other.
    fn check_given(&mut self, container: &Container, id: i64) {
        let head = container.task().expect("a runner is told its task");
        if head["kept"].is_null() {
            return;
        }
        let sql = format!(
            "SELECT count(*) FROM builds b JOIN checks c ON c.id = b.check_id \
             JOIN kept_caches k ON k.package_id = c.package_id AND k.zig_version = b.zig_version \
             WHERE b.id = {id} AND c.fresh = 0 AND b.no_reuse = 0 AND k.toolchain = b.toolchain \
             AND b.reused_commit = k.\"commit\" AND k.hash = '{}'",
            head["kept"]["sha256"].as_str().expect("a hash")
        );
        assert_eq!(number(&self.keeper, &sql), 1, "{head}");
        self.tally.met("caches given");
    }

    /// A container that builds the same, and not beside another on purpose. Images may have come or changed since the engine was asked:
    /// it is the server's keys that count.
    fn twin(&self, container: &Container, id: i64) -> Option<&Container> {
        self.engine.ours().find(|other| {
            let (script, twin, _) = other.purpose.expect("it is ours");
            let same = format!(
                "SELECT count(*) FROM builds a JOIN builds b ON a.cache_key = b.cache_key \
                 WHERE a.id = {id} AND b.id = {twin} AND b.state <> 'cancelled'"
            );
            script == Script::Build
                && other.key == container.key
                && other.is_running()
                && !self.books.killed.contains(&other.name)
                && number(&self.keeper, &same) == 1
                && !self.is_fresh(twin)
        })
    }

    pub fn check_remove(&mut self, names: &[&str]) {
        for name in names {
            let Some(container) = self.engine.get(name) else {
                continue;
            };
            let Some((script, id, _)) = container.purpose else {
                panic!("{name} is not ours");
            };
            let heard = self.clients.values();
            let heard = heard.filter(|client| client.name.as_deref() == Some(name));
            assert_eq!(
                heard.count(),
                0,
                "{name} is removed while it is listened to"
            );
            match script {
                Script::Build => {}
                Script::Remote => {
                    self.check_look_over(id);
                    continue;
                }
                Script::Source
                | Script::Dependencies
                | Script::Commits
                | Script::Targets
                | Script::TargetDependencies => continue,
            }
            let row = self.committed(id).expect("a row");
            let wanted = container.is_worth_it() && !self.books.killed.contains(&container.name);
            assert!(
                row.is_final() || !wanted,
                "thrown away: {container:?} of {row:?}"
            );
        }
    }

    /// Notes the containers whose time is up: those may be killed from now on.
    pub fn note_overdue(&mut self) {
        let (now, settings) = (self.ms, &self.settings);
        for container in &self.engine.containers {
            let late = now >= container.started_ms + settings.build_timeout_ms;
            let silent = now >= container.heard_ms + settings.silence_timeout_ms;
            if late || silent {
                self.books.overdue.insert(container.name.clone());
            }
        }
    }

    /// A container is to be ended: it is asked how much memory it used.
    pub fn check_sentence(&mut self, name: &str) {
        self.books.killed.insert(name.to_string());
        self.note_overdue();
        let Some(container) = self.engine.get(name) else {
            return;
        };
        let Some((script, id, _)) = container.purpose else {
            panic!("{name} is not ours");
        };
        assert_eq!(script, Script::Build, "{name}");
        let row = self.committed(id).expect("a row");
        // It may be made and speak between the question and the answer.
        let silence_ms = self.settings.silence_timeout_ms;
        let overdue =
            self.books.overdue.contains(name) || self.ms >= container.started_ms + silence_ms;
        assert!(overdue || row.is_cancelled(), "killed: {row:?}");
    }

    /// A container is killed. The peak memory of a build's container was read before.
    pub fn check_kill(&mut self, name: &str) {
        let sentenced = !self.books.killed.insert(name.to_string());
        let Some(container) = self.engine.get(name) else {
            return;
        };
        let (script, id, _) = container.purpose.expect("it is ours");
        let is_cancelled = |build| self.committed(build).is_some_and(|row| row.is_cancelled());
        let overdue = self.ms >= container.started_ms + FETCH_TIMEOUT_MS;
        let good = match script {
            Script::Build => sentenced || is_cancelled(id),
            Script::Dependencies => overdue || is_cancelled(id),
            Script::Source => overdue || !self.is_awaited(id),
            Script::Remote | Script::Commits | Script::TargetDependencies => overdue,
            Script::Targets => self.ms >= container.started_ms + TARGETS_TIMEOUT_MS,
        };
        assert!(good, "{name} is killed: {container:?}");
        let why = match overdue && script != Script::Build {
            true => "fetches that took too long",
            false => "containers killed",
        };
        self.tally.met(why);
    }

    /// What was cancelled is listened to no more, from the answer on; nor is a source that nobody
    /// needs any more.
    pub fn check_nobody_hears_cancelled(&self) {
        if self.books.cancelled.is_empty() {
            return;
        }
        let names = self
            .clients
            .values()
            .filter_map(|client| client.name.as_ref());
        for name in names {
            let (script, id, _) = purpose(name);
            let good = match script {
                Script::Build | Script::Dependencies => !self.books.cancelled.contains(&id),
                Script::Source => self.is_needed(id),
                Script::Remote | Script::Commits | Script::Targets | Script::TargetDependencies => {
                    true
                }
            };
            assert!(good, "{name} goes on");
        }
    }

    fn is_needed(&self, check: i64) -> bool {
        let sql = format!(
            "SELECT count(*) FROM builds WHERE check_id = {check} \
             AND state NOT IN ('finished', 'cancelled')"
        );
        number(&self.keeper, &sql) > 0
    }

    /// The time of a container counts from its start, whoever has listened to it meanwhile: once it
    /// is up, nobody listens for longer than it may take to end it. Time was just told.
    pub fn check_nobody_overstays(&mut self) {
        let is_late = |client: &Client| {
            let container = self.engine.get(client.name.as_ref()?)?;
            let (script, ..) = container.purpose?;
            let up_ms = container.started_ms + self.settings.build_timeout_ms;
            let late = script == Script::Build && container.is_running() && self.ms >= up_ms;
            late.then_some(())
        };
        for (job, client) in &self.clients {
            if is_late(client).is_none() {
                continue;
            }
            let since_ms = *self.books.late.entry(*job).or_insert(self.ms);
            let over = self.ms > since_ms + KILL_GRACE_MS;
            assert!(!over, "{job:?} listens for too long: {client:?}");
            self.tally.met("listened to beyond its time");
        }
    }
}
