//! One source, build or look at a remote that has its slot: its check, its machine, and what it
//! needs to run.

use std::path::Path;

use crate::app::builds::attempt::AttemptState;
use crate::app::builds::build::{Build, JobLimits, Kind};
use crate::app::builds::limits::NOT_YET_VISIBLE_LIMIT_MS;
use crate::app::domain::task::{Entry, Task};
use crate::app::domain::verdict::State;
use crate::app::engine::docker::{ContainerInput, Docker, SourceFile};
use crate::app::store::builds::BuildRow;
use crate::app::store::checks::CheckRow;
use crate::app::store::sources::SourceRow;
use crate::interface::event::{Command, JobId};

#[derive(Debug)]
pub struct RunningTask {
    pub entry: Entry,
    /// The check it belongs to; a remote is looked at as if it were one that is not written down.
    pub check: CheckRow,
    pub zig_version: String,
    /// The id of the image its containers are made of, from its start on.
    pub image: String,
    pub machine: Build,
    pub job: Option<JobId>,
    /// Since when it has its slot.
    pub started_unix_ms: i64,
    /// What the jobs of this attempt have given so far.
    pub attempt_state: AttemptState,
    /// Of this attempt; removed after it.
    pub containers: Vec<String>,
    /// What it is known by in the cache, where its toolchain is known.
    pub key: Option<String>,
    /// Until when, in unix milliseconds, a container that an earlier run of the server asked for
    /// may still come.
    pub not_yet_visible_until_ms: i64,
    /// The offset in its log at which its container began to write.
    pub log_offset: u64,
}

impl RunningTask {
    pub fn new(entry: Entry, check: CheckRow, zig_version: String, machine: Build) -> RunningTask {
        RunningTask {
            entry,
            check,
            zig_version,
            image: String::new(),
            machine,
            job: None,
            started_unix_ms: 0,
            attempt_state: AttemptState::default(),
            containers: Vec::new(),
            key: None,
            not_yet_visible_until_ms: 0,
            log_offset: 0,
        }
    }

    /// A build whose container an earlier run of the server has left, if it got as far as that.
    pub fn adopted(
        entry: Entry,
        check: CheckRow,
        row: &BuildRow,
        until_ms: u64,
        limits: JobLimits,
    ) -> RunningTask {
        let testing = row.state == State::Testing;
        let machine = Build::new(row.attempt, row.errors, limits).adopted(testing, until_ms);
        let mut running_task = RunningTask::new(entry, check, row.zig_version.clone(), machine);
        running_task.started_unix_ms = row.started_at.unwrap_or(row.created_at);
        running_task.not_yet_visible_until_ms = row.run_at.unwrap_or(0) + NOT_YET_VISIBLE_LIMIT_MS;
        running_task.key = row.cache_key.clone();
        running_task.log_offset = row.log_offset.unwrap_or(0);
        running_task.attempt_state.recall(row.deps_outcome);
        running_task
    }

    /// The name of the container of that job; of a job without one, that of the build's container.
    pub fn container(&self, kind: Kind, docker: &Docker) -> String {
        let attempt = self.machine.attempt();
        match (self.entry.task, kind) {
            (Task::FetchSource(check), _) => docker.source_container(check, attempt),
            (Task::CheckRemote(package), _) => docker.remote_container(package, attempt),
            (Task::Build(build), Kind::Fetch) => docker.fetch_container(build, attempt),
            (Task::Build(build), _) => docker.build_container(build, attempt),
        }
    }

    /// A job begins: what it sends goes to a part file beside the sources.
    pub fn begin(&mut self, kind: Kind, sources: &Path) {
        let part = match self.entry.task {
            Task::FetchSource(check) => format!("source-{check}.part"),
            Task::Build(build) => format!("dependencies-{build}.part"),
            Task::CheckRemote(package) => format!("remote-{package}.part"),
        };
        self.attempt_state.begin(kind, sources, &part);
    }

    pub fn source(&self) -> &SourceRow {
        let source = self.check.source.as_ref();
        source.expect("builds wait for their source")
    }

    /// The command of a job, and whether it makes a container of that name.
    pub fn command(
        &self,
        kind: Kind,
        docker: &Docker,
        sources: &Path,
    ) -> (Command, Option<String>) {
        let name = self.container(kind, docker);
        let command = match (self.entry.task, kind) {
            (_, Kind::Inspect) => return (docker.inspect(&name), None),
            (_, Kind::FollowLogs | Kind::ReadLogs) => {
                return (docker.logs(&name, kind == Kind::FollowLogs), None);
            }
            (Task::Build(build), _) => {
                let source = source_file(self.source(), sources);
                let task = ContainerInput {
                    build,
                    attempt: self.machine.attempt(),
                    package: &self.check.package,
                    zig_version: &self.zig_version,
                    image: &self.image,
                    source: &source,
                    dependencies: self.attempt_state.dependencies_file(),
                };
                match kind {
                    Kind::Fetch => docker.fetch_dependencies(&name, &task),
                    _ => docker.build(&name, &task),
                }
            }
            (task, _) => {
                let url = self
                    .check
                    .url
                    .as_deref()
                    .expect("only git sources are fetched");
                let (image, reference) = (&self.image, self.check.reference.as_deref());
                match task {
                    Task::CheckRemote(package) => {
                        docker.remote_commit(&name, package, image, url, reference)
                    }
                    _ => docker.fetch_source(&name, self.check.id, image, url, reference),
                }
            }
        };
        (command, Some(name))
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
