//! Which task gets a slot: what is certain from the rows and from what was seen.

use std::collections::BTreeSet;

use zigcheck::app::domain::ids::{BuildId, CheckId, PackageId};
use zigcheck::app::domain::task::{Priority, Task};
use zigcheck::app::queue::limits::PRIORITY_WAIT_LIMIT_MS;
use zigcheck::interface::event::Action;

use crate::common::engine::container::{Script, purpose};
use crate::common::engine::slurm::{ClusterCommand, cluster_command};
use crate::rules::{number, rows};
use crate::world::World;

/// What has a slot, as far as rows say so.
type Holder = (Task, String);

/// What gets a slot.
#[derive(Debug)]
struct Start {
    task: Task,
    priority: i64,
    tenant: String,
}

/// When something of each class was last seen to start, or the server itself.
#[derive(Debug, Default)]
pub struct Starts {
    since_ms: [u64; 6],
    /// The attempts of builds, and of their analysis for other targets, that begin with fetching dependencies.
    fetching: BTreeSet<(Task, u32)>,
}

impl Starts {
    pub fn opened(&mut self, ms: u64) {
        self.since_ms = [ms; 6];
    }
}

impl World {
    /// The turn is committed, and this is what it asks for.
    pub fn check_starts(&mut self, actions: &[Action]) {
        let starts: Vec<Start> = actions.iter().filter_map(|a| self.start(a)).collect();
        if starts.is_empty() {
            return;
        }
        assert!(!self.low, "the disk has no room: {starts:?}");
        let waiting = self.waiting_parties();
        let holders = self.holders();
        for (nth, start) in starts.iter().enumerate() {
            // What starts after it did not hold a slot when it did.
            let later: Vec<Task> = starts[nth..].iter().map(|start| start.task).collect();
            let held = holders
                .iter()
                .filter(|(task, of)| *of == start.tenant && !later.contains(task));
            let has_share = held.count() >= (self.settings.max_builds / 2).max(1);
            if start.priority == Priority::Targets.number() {
                let others = waiting.iter().filter(|(of, _)| *of < start.priority);
                assert_eq!(others.count(), 0, "{start:?} before {waiting:?}");
            }
            for (priority, tenant) in &waiting {
                // These let all others pass.
                let is_patient = *priority >= Priority::Search.number();
                if is_patient || !self.has_nothing(tenant, &holders, &starts) {
                    continue;
                }
                // It waits with nothing in any slot: it may be served.
                assert!(!has_share, "{start:?} before {tenant:?}, {holders:?}");
                let first = start.priority <= *priority || self.is_overdue(start.priority);
                assert!(first, "{start:?} before {tenant:?} of class {priority}");
                self.tally.met("starts before others who wait");
            }
            let priority = start.priority as usize;
            if waiting.iter().any(|(waits, _)| *waits < start.priority) {
                self.tally.met("starts before a better class");
            }
            self.starts.since_ms[priority] = self.ms;
        }
    }

    fn start(&mut self, action: &Action) -> Option<Start> {
        let Action::Spawn { command, .. } = action else {
            return None;
        };
        // On a cluster a build has its slot of ours once it asks for one of a node.
        let lease = match cluster_command(command) {
            Some(ClusterCommand::Place { lease, .. }) => Some(lease),
            Some(_) => return None,
            None if command.argv[1] != "run" => return None,
            None => None,
        };
        let name = match &lease {
            Some(lease) => lease.rsplit('/').next()?,
            None => command.argv[2].strip_prefix("--name=")?,
        };
        let (script, id, attempt) = purpose(name);
        let task = match script {
            Script::Source => Task::FetchSource(CheckId(id)),
            Script::Remote => Task::CheckRemote(PackageId(id)),
            Script::Commits => Task::ListCommits(PackageId(id)),
            Script::Dependencies => {
                let task = Task::Build(BuildId(id));
                self.starts.fetching.insert((task, attempt));
                task
            }
            Script::TargetDependencies => {
                let task = Task::CheckTargets(BuildId(id));
                self.starts.fetching.insert((task, attempt));
                task
            }
            Script::Build => Task::Build(BuildId(id)),
            Script::Targets => Task::CheckTargets(BuildId(id)),
        };
        let is_first = matches!(script, Script::Dependencies | Script::TargetDependencies);
        if !is_first && self.starts.fetching.contains(&(task, attempt)) {
            return None;
        }
        let (priority, tenant) = match task {
            Task::CheckRemote(package) => {
                (Priority::Recheck.number(), self.owner_of(package.get()))
            }
            Task::ListCommits(package) => {
                let sql = format!(
                    "SELECT priority, tenant FROM commit_searches WHERE package_id = {package} \
                     AND state = 'listing' ORDER BY priority LIMIT 1"
                );
                let read = |row: &rusqlite::Row| Ok((row.get(0)?, row.get(1)?));
                rows(&self.keeper, &sql, [], read).pop().expect("a search")
            }
            Task::CheckTargets(build) => (
                Priority::Targets.number(),
                self.owner_of_targets(build.get()),
            ),
            Task::FetchSource(check) => self.right_of(check.get()),
            Task::Build(build) => {
                let sql = format!("SELECT check_id FROM builds WHERE id = {build}");
                self.right_of(number(&self.keeper, &sql))
            }
        };
        Some(Start {
            task,
            priority,
            tenant,
        })
    }

    /// The tasks that wait for a slot and are not held back, with their priority.
    fn waiting_parties(&self) -> Vec<(i64, String)> {
        let sql = "SELECT DISTINCT priority, tenant FROM queue WHERE not_before = 0";
        rows(&self.keeper, sql, [], |row| Ok((row.get(0)?, row.get(1)?)))
    }

    /// Builds that run, sources that are fetched, which stand in their builds, and lists of commits.
    fn holders(&self) -> Vec<Holder> {
        let sql = "SELECT DISTINCT package_id, tenant FROM commit_searches s WHERE state = 'listing' \
            AND NOT EXISTS (SELECT 1 FROM queue WHERE kind = 3 AND id = s.package_id)";
        let mut holders = rows(&self.keeper, sql, [], |row| {
            Ok((Task::ListCommits(PackageId(row.get(0)?)), row.get(1)?))
        });
        let sql = "SELECT build_id FROM target_checks t \
            WHERE NOT EXISTS (SELECT 1 FROM queue WHERE kind = 4 AND id = t.build_id)";
        let analysed = self.numbers(sql).into_iter();
        holders.extend(analysed.map(|build| {
            let tenant = self.owner_of_targets(build);
            (Task::CheckTargets(BuildId(build)), tenant)
        }));
        holders.extend(self.builds_in_slots());
        holders
    }

    /// The owner of the package of a build, or the client of an upload.
    fn owner_of_targets(&self, build: i64) -> String {
        let sql = format!(
            "SELECT c.package_id, c.tenant FROM builds b JOIN checks c ON c.id = b.check_id \
             WHERE b.id = {build}"
        );
        let read = |row: &rusqlite::Row| Ok((row.get(0)?, row.get(1)?));
        let (package, tenant): (Option<i64>, String) =
            rows(&self.keeper, &sql, [], read).pop().expect("a build");
        package.map_or(tenant, |package| self.owner_of(package))
    }

    fn builds_in_slots(&self) -> Vec<Holder> {
        let sql = "SELECT DISTINCT b.state = 'fetching' AND c.source IS NULL AS fetched, \
            iif(b.state = 'fetching' AND c.source IS NULL, c.id, b.id), c.tenant \
            FROM builds b JOIN checks c ON c.id = b.check_id \
            WHERE b.state IN ('fetching', 'building', 'testing') OR (b.state = 'queued' AND b.waits_for IS NULL \
            AND b.started_at NOT NULL AND c.source NOT NULL AND NOT EXISTS (SELECT 1 FROM queue WHERE kind = 1 AND id = b.id))";
        rows(&self.keeper, sql, [], |row| {
            let id = row.get(1)?;
            let task = match row.get(0)? {
                true => Task::FetchSource(CheckId(id)),
                false => Task::Build(BuildId(id)),
            };
            Ok((task, row.get(2)?))
        })
    }

    /// Nothing of that party can have a slot, in the whole of this turn.
    fn has_nothing(&self, tenant: &str, holders: &[Holder], starts: &[Start]) -> bool {
        let looks = self.days.looks.iter();
        holders.iter().all(|(_, of)| of != tenant)
            && starts.iter().all(|start| start.tenant != tenant)
            && looks
                .map(|look| self.owner_of(*look))
                .all(|of| of != tenant)
    }

    /// Nothing of that class was seen to start for so long that it may go before others.
    fn is_overdue(&self, priority: i64) -> bool {
        let priority = priority as usize;
        let waited_ms = self.ms - self.starts.since_ms[priority];
        PRIORITY_WAIT_LIMIT_MS[priority].is_some_and(|limit| waited_ms >= limit as u64)
    }
}
