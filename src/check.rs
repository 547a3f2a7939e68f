//! One check: its source, its builds, and what each needs to run.

use std::path::Path;

use crate::build::{Build, JobLimits, Kind};
use crate::docker::{self, Docker, SourceFile, Task};
use crate::event::{Command, JobId};
use crate::gather::Gathered;
use crate::queue::Work;
use crate::store::{CheckRow, SourceRow};

/// A check with builds still to finish.
#[derive(Debug)]
pub struct Check {
    pub row: CheckRow,
    /// Builds still to finish.
    pub open: Vec<i64>,
}

/// One source or one build, from waiting to finished.
#[derive(Debug)]
pub struct Active {
    pub check: i64,
    pub zig_version: String,
    pub machine: Build,
    pub job: Option<JobId>,
    /// Since when it has its slot; none while it waits.
    pub started_unix_ms: Option<i64>,
    /// What the jobs of this attempt have given so far.
    pub gathered: Gathered,
    /// Of this attempt; removed after it.
    pub containers: Vec<String>,
    /// The engine would not make a container of the usual name: another server may hold it.
    pub refused: bool,
}

impl Active {
    pub fn new(check: i64, zig_version: String, attempt: u32, limits: JobLimits) -> Active {
        Active {
            check,
            zig_version,
            machine: Build::new(attempt, limits),
            job: None,
            started_unix_ms: None,
            gathered: Gathered::default(),
            containers: Vec::new(),
            refused: false,
        }
    }

    /// The name of the container of that job; for a look, of the job looked at.
    fn container(&self, work: Work, kind: Kind, docker: &Docker) -> String {
        let attempt = self.machine.attempt();
        let name = match (work, kind) {
            (Work::Source(check), _) => docker::source_container(check, attempt),
            (Work::Build(build), Kind::Fetch) => docker::fetch_container(build, attempt),
            (Work::Build(build), _) => docker::build_container(build, attempt),
        };
        match self.refused {
            true => docker.own_name(&name),
            false => name,
        }
    }

    /// A job begins: what it sends goes to a part file beside the sources.
    pub fn begin(&mut self, work: Work, kind: Kind, sources: &Path) {
        let part = match work {
            Work::Source(check) => format!("source-{check}.part"),
            Work::Build(build) => format!("dependencies-{build}.part"),
        };
        self.gathered.begin(kind, sources, &part);
    }
}

impl Check {
    fn source(&self) -> &SourceRow {
        let source = self.row.source.as_ref();
        source.expect("builds wait for their source")
    }

    /// The first job of a build of this check.
    pub fn first_job(&self) -> Kind {
        match self.source().dependencies {
            true => Kind::Fetch,
            false => Kind::Build,
        }
    }

    /// The command of a job, and the container it makes.
    pub fn command(
        &self,
        work: Work,
        kind: Kind,
        active: &Active,
        docker: &Docker,
        sources: &Path,
    ) -> (Command, Option<String>) {
        let name = active.container(work, kind, docker);
        let build = match work {
            Work::Build(build) => build,
            Work::Source(check) => {
                let url = self
                    .row
                    .url
                    .as_deref()
                    .expect("only git sources are fetched");
                let reference = self.row.reference.as_deref();
                let version = &active.zig_version;
                let command = docker.fetch_source(&name, check, version, url, reference);
                return (command, Some(name));
            }
        };
        let source = self.source_file(sources);
        let task = Task {
            build,
            package: &self.row.package,
            zig_version: &active.zig_version,
            source: &source,
            dependencies: active.gathered.dependencies_file(),
        };
        match kind {
            Kind::Look => (docker.look(&name), None),
            Kind::Fetch => (docker.fetch_dependencies(&name, &task), Some(name)),
            Kind::Build | Kind::Source => (docker.build(&name, &task), Some(name)),
        }
    }

    fn source_file(&self, sources: &Path) -> SourceFile {
        let source = self.source();
        SourceFile {
            path: sources.join(format!("{}.{}", source.hash, source.format)),
            format: source.format.clone(),
            bytes: source.bytes,
            sha256: source.hash.clone(),
        }
    }
}
