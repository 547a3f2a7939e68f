//! One task that holds a slot: its check, its state machine, and what its jobs need.

use std::collections::HashMap;
use std::path::Path;

use crate::app::builds::attempt::AttemptState;
use crate::app::builds::build::{Build, JobKind, JobLimits};
use crate::app::builds::limits::NOT_YET_VISIBLE_LIMIT_MS;
use crate::app::builds::services::Services;
use crate::app::domain::ids::{BuildId, CheckId};
use crate::app::domain::task::{Entry, Task};
use crate::app::domain::verdict::State;
use crate::app::engine::docker::{ContainerInput, Docker, RecordId, SourceFile};
use crate::app::store::builds::{self, BuildRow, Run};
use crate::app::store::checks::CheckRow;
use crate::app::store::packages::{self, RecheckRow};
use crate::app::store::placements;
use crate::app::store::sources::SourceRow;
use crate::app::store::store::{self, Store};
use crate::interface::event::{Command, JobId};

#[derive(Debug)]
pub struct RunningTask {
    pub entry: Entry,
    pub subject: Subject,
    pub zig_version: String,
    /// Its toolchain, as rows have it.
    pub toolchain: String,
    /// What its containers are started in, from its start on.
    pub image: String,
    /// The same for its fetches, which run on this machine.
    pub fetch_image: String,
    pub machine: Build,
    pub job: Option<JobId>,
    /// When it got its slot.
    pub started_unix_ms: i64,
    pub attempt_state: AttemptState,
    /// The containers of this attempt, which are removed after it.
    pub containers: Vec<String>,
    /// Its key in the verdict cache, if its toolchain is known.
    pub key: Option<String>,
    /// Until when, in unix milliseconds, the engine may still create a container that an earlier run of the server
    /// asked for.
    pub not_yet_visible_until_ms: i64,
    /// The commits of its package that left a cache: the fetch of a source is asked whether they are in its history.
    pub asked_commits: Vec<String>,
    /// False after an attempt that did not succeed with what an earlier build left.
    pub may_reuse: bool,
    /// How much it may leave for the next build of its package.
    pub kept_limit_bytes: u64,
    /// The offset in its log at which its container began to write.
    pub log_offset: u64,
}

/// What a task works on.
#[derive(Debug)]
pub enum Subject {
    Check(CheckRow),
    /// The package whose remote is asked.
    Package(RecheckRow),
}

/// The command of a job.
pub struct JobCommand {
    pub command: Command,
    /// The name of the container that it creates, or asks for a slot for.
    pub new_container: Option<String>,
}

impl RunningTask {
    pub fn new(entry: Entry, subject: Subject, zig_version: String, machine: Build) -> RunningTask {
        RunningTask {
            entry,
            subject,
            zig_version,
            toolchain: String::new(),
            image: String::new(),
            fetch_image: String::new(),
            machine,
            job: None,
            started_unix_ms: 0,
            attempt_state: AttemptState::default(),
            containers: Vec::new(),
            key: None,
            not_yet_visible_until_ms: 0,
            asked_commits: Vec::new(),
            may_reuse: true,
            kept_limit_bytes: 0,
            log_offset: 0,
        }
    }

    /// A build that an earlier run of the server started, whose container may run until `until_ms`.
    pub fn adopted(
        entry: Entry,
        check: CheckRow,
        row: &BuildRow,
        until_ms: u64,
        limits: JobLimits,
    ) -> RunningTask {
        let testing = row.state == State::Testing;
        let machine = Build::new(row.attempt, row.errors, limits).adopted(testing, until_ms);
        let (subject, version) = (Subject::Check(check), row.zig_version.clone());
        let mut running_task = RunningTask::new(entry, subject, version, machine);
        running_task.started_unix_ms = row.started_at.unwrap_or(row.created_at);
        running_task.not_yet_visible_until_ms = row.run_at.unwrap_or(0) + NOT_YET_VISIBLE_LIMIT_MS;
        running_task.key = row.cache_key.clone();
        running_task.toolchain = row.toolchain.clone().unwrap_or_default();
        running_task.log_offset = row.log_offset.unwrap_or(0);
        running_task.attempt_state.deps = row.deps_outcome;
        running_task.attempt_state.reused_commit = row.reused_commit.clone();
        running_task
    }

    /// The job for which a source and its dependencies are there.
    pub fn main_job(&self) -> JobKind {
        match self.entry.task {
            Task::CheckTargets(_) => JobKind::CheckTargets,
            _ => JobKind::Build,
        }
    }

    /// The job that comes once the dependencies are there: in a cluster a slot of that is asked for first.
    pub fn next_job(&self, docker: &Docker) -> JobKind {
        match docker.routing().cluster() {
            Some(_) => JobKind::Place,
            None => self.main_job(),
        }
    }

    /// The name of its request, while it waits for a slot of the cluster: that of the container that it is for.
    pub fn request(&self) -> Option<&str> {
        let newest = self.containers.last().map(String::as_str);
        newest.filter(|_| self.machine.is_placing())
    }

    /// True for a build, or the fetch of a source that stands for one, that waits for nothing.
    pub fn is_running_build(&self) -> bool {
        let task = self.entry.task;
        matches!(task, Task::FetchSource(_) | Task::Build(_)) && self.request().is_none()
    }

    /// What identifies the record that its container writes, if it writes one.
    pub fn record_id(&self, docker: &Docker) -> Option<RecordId> {
        let attempt = self.machine.attempt;
        match self.entry.task {
            Task::Build(build) => Some(docker.record_id(build, attempt)),
            Task::CheckTargets(build) => Some(docker.targets_record_id(build, attempt)),
            _ => None,
        }
    }

    /// The name of the container that the job creates or, if it creates none, of the build's container.
    pub fn container(&self, kind: JobKind, docker: &Docker) -> String {
        let attempt = self.machine.attempt;
        match (self.entry.task, kind) {
            (Task::FetchSource(check), _) => docker.source_container(check, attempt),
            (Task::CheckRemote(package), _) => docker.remote_container(package, attempt),
            (Task::ListCommits(package), _) => docker.commits_container(package, attempt),
            (Task::Build(build), JobKind::FetchDependencies) => {
                docker.fetch_container(build, attempt)
            }
            (Task::CheckTargets(build), kind) => {
                docker.targets_container(build, attempt, kind == JobKind::FetchDependencies)
            }
            (Task::Build(build), _) => docker.build_container(build, attempt),
        }
    }

    /// Prepares for the output of a job. What it sends goes to a part file in `sources`.
    pub fn begin(&mut self, kind: JobKind, sources: &Path, docker: &Docker) {
        let mut nonce = String::new();
        let part = match self.entry.task {
            Task::FetchSource(check) => format!("source-{check}.part"),
            Task::Build(build) => {
                nonce = docker.record_id(build, self.machine.attempt).nonce;
                match kind {
                    JobKind::Build => format!("kept-{build}.part"),
                    _ => format!("dependencies-{build}.part"),
                }
            }
            Task::CheckTargets(build) => format!("target-dependencies-{build}.part"),
            Task::CheckRemote(package) | Task::ListCommits(package) => {
                format!("remote-{package}.part")
            }
        };
        self.attempt_state.begin(kind, sources, &part, &nonce);
    }

    /// The name of its package.
    pub fn package(&self) -> &str {
        match &self.subject {
            Subject::Check(check) => &check.package,
            Subject::Package(package) => &package.name,
        }
    }

    /// True if its package has another remote than the one that it has asked: the answer says nothing of that.
    pub fn has_moved(&self, store: &Store) -> store::Result<bool> {
        match &self.subject {
            Subject::Check(_) => Ok(false),
            Subject::Package(asked) => packages::has_moved(store, asked),
        }
    }

    /// The key of its averages in `durations`.
    pub fn durations_key(&self) -> String {
        match &self.subject {
            Subject::Check(check) => check.durations_key(),
            Subject::Package(package) => package.name.clone(),
        }
    }

    /// The check of a fetch or a build.
    pub fn check(&self) -> &CheckRow {
        match &self.subject {
            Subject::Check(check) => check,
            Subject::Package(package) => panic!("the recheck of {} has no check", package.name),
        }
    }

    pub fn source(&self) -> &SourceRow {
        let source = self.check().source.as_ref();
        source.expect("builds wait for their source")
    }

    pub fn job_command(&self, kind: JobKind, docker: &Docker, sources: &Path) -> JobCommand {
        let name = self.container(kind, docker);
        let image = match kind.is_fetch() {
            true => &self.fetch_image,
            false => &self.image,
        };
        let command = match (self.entry.task, kind) {
            (_, JobKind::Place) => docker.place(&name, image),
            (_, JobKind::Inspect) => return JobCommand::on_existing(docker.inspect(&name)),
            (_, JobKind::FollowLogs) => return JobCommand::on_existing(docker.logs(&name, true)),
            (_, JobKind::ReadLogs) => return JobCommand::on_existing(docker.logs(&name, false)),
            (Task::Build(_) | Task::CheckTargets(_), _) => {
                let source = source_file(self.source(), sources);
                let input = ContainerInput {
                    record_id: self.record_id(docker).expect("it writes a record"),
                    package: self.package(),
                    zig_version: &self.zig_version,
                    image,
                    source: &source,
                    dependencies: self.attempt_state.dependencies.as_ref(),
                    dir: self.check().dir.as_deref(),
                    kept: self.attempt_state.kept.as_ref(),
                    kept_limit_bytes: self.kept_limit_bytes,
                };
                match kind {
                    JobKind::FetchDependencies => docker.fetch_dependencies(&name, &input),
                    JobKind::CheckTargets => docker.check_targets(&name, &input),
                    _ => docker.build(&name, &input),
                }
            }
            _ => match &self.subject {
                Subject::Package(package) => {
                    let (url, reference) = (&package.url, package.reference.as_deref());
                    match kind {
                        JobKind::ListCommits => {
                            let (git, dir) = ((url.as_str(), reference), package.dir.as_deref());
                            docker.list_commits(&name, package.id, image, git, dir)
                        }
                        _ => docker.remote_commit(&name, package.id, image, url, reference),
                    }
                }
                Subject::Check(check) => {
                    let url = check.url.as_deref();
                    let url = url.expect("only git sources are fetched");
                    let reference = check.reference.as_deref();
                    let asked = &self.asked_commits;
                    docker.fetch_source(&name, check.id, image, url, reference, asked)
                }
            },
        };
        JobCommand {
            command,
            new_container: Some(name),
        }
    }
}

impl JobCommand {
    fn on_existing(command: Command) -> JobCommand {
        JobCommand {
            command,
            new_container: None,
        }
    }
}

fn source_file(source: &SourceRow, sources: &Path) -> SourceFile {
    SourceFile {
        path: sources.join(format!("{}.{}", source.hash, source.format)),
        format: source.format.clone(),
        bytes: source.bytes,
        sha256: source.hash.clone(),
    }
}

/// The queue entry of a check's source or of one of its builds.
pub fn entry(task: Task, check: &CheckRow, store: &Store) -> store::Result<Entry> {
    Ok(Entry {
        task,
        priority: check.priority,
        tenant: check.tenant.clone(),
        popularity: packages::popularity(store, check.package_id)?,
    })
}

/// The unfinished builds of a check that wait for its source. When that is fetched for the second time, other builds of
/// the check may be running.
pub fn builds_behind(
    running: &HashMap<Task, RunningTask>,
    check: CheckId,
    store: &Store,
) -> store::Result<Vec<BuildRow>> {
    let mut rows = builds::open_of_check(store, check)?;
    rows.retain(|row| !running.contains_key(&Task::Build(row.id)));
    Ok(rows)
}

/// Opens the log of a build at the offset where this job continues it.
pub fn prepare_log(
    running_task: &mut RunningTask,
    build: BuildId,
    kind: JobKind,
    services: &mut Services,
) -> store::Result<()> {
    let logs = &mut services.feed.logs;
    logs.begin(build, running_task.machine.attempt);
    match kind {
        JobKind::Build => {
            let at = services.now.unix_ms;
            let placed_on = running_task.attempt_state.node.as_deref();
            if placed_on.is_some() {
                // It waited for its node until now.
                running_task.started_unix_ms = at;
                placements::set_started_at(&mut services.store, build, at)?;
            }
            let node = placed_on.or(services.docker.routing().node());
            if let Some(node) = node {
                let line = format!("[zigcheck: on node {node}]");
                logs.append_line(build, &line, &mut services.out);
            }
            running_task.log_offset = logs.written(build).unwrap_or(0);
            let run = Run {
                log_offset: running_task.log_offset,
                deps_outcome: running_task.attempt_state.deps,
                node,
            };
            builds::set_run(&mut services.store, build, &run, at)
        }
        JobKind::FollowLogs | JobKind::ReadLogs => {
            let start = logs.rewind(build, running_task.log_offset);
            if start != running_task.log_offset {
                running_task.log_offset = start;
                builds::set_log_offset(&mut services.store, build, start)?;
            }
            Ok(())
        }
        _ => Ok(()),
    }
}
