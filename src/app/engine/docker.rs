//! The command lines of containers and of short engine commands, and how the engine's answers are read.

use std::path::PathBuf;

use data_encoding::HEXLOWER;
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::app::domain::ids::{BuildId, CheckId, PackageId};
use crate::app::engine::kind::EngineKind;
use crate::app::engine::limits::{CPU_SHARES, OPEN_FILES_LIMIT, PIDS_LIMIT, SHARED_MEMORY_BYTES};
use crate::app::engine::routing::{Place, Routing};
use crate::app::engine::slurm::Cluster;
use crate::config::limits::WORK_TMPFS_BYTES;
use crate::config::settings::{Hosts, Settings};
use crate::interface::event::{Command, Input};

/// The label that says which data directory a container belongs to.
const DATA_LABEL: &str = "zigcheck.data";

/// What `probe-network` prints about a network that reaches only public addresses.
pub const CLOSED: &str = "closed";

/// The user `build` of the images.
const BUILD_USER: &str = "1000:1000";

const HOST_NAME: &str = "zigcheck";

/// Makes command lines for the engines and one data directory.
#[derive(Debug, Clone)]
pub struct Docker {
    routing: Routing,
    kind: EngineKind,
    /// That of the node, if builds run on one.
    node_kind: EngineKind,
    data_id: String,
    /// Nonces are derived from it.
    secret: String,
    memory_bytes: u64,
    cpus: f64,
    silence_seconds: u64,
    fetch_network: String,
    /// The environment of fetch containers.
    fetch_rules: [String; 2],
}

/// A file that a container reads on standard input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    pub path: PathBuf,
    pub format: String,
    pub bytes: u64,
    pub sha256: String,
}

/// The build that a container works on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerInput<'a> {
    pub record_id: RecordId,
    pub package: &'a str,
    pub zig_version: &'a str,
    /// The id of the image to run.
    pub image: &'a str,
    pub source: &'a SourceFile,
    pub dependencies: Option<&'a SourceFile>,
    /// Where build.zig is; none: at the root.
    pub dir: Option<&'a str>,
    /// What an earlier build left.
    pub kept: Option<&'a SourceFile>,
    /// How much it may leave for the next one.
    pub kept_limit_bytes: u64,
}

impl Docker {
    pub fn new(settings: &Settings, data_id: &str, secret: &str) -> Docker {
        let guarded = ["no", "yes"][usize::from(settings.guards_fetches())];
        Docker {
            routing: Routing::new(settings, data_id),
            kind: EngineKind::default(),
            node_kind: EngineKind::default(),
            data_id: data_id.to_string(),
            secret: secret.to_string(),
            memory_bytes: settings.memory_bytes,
            cpus: settings.cpus,
            silence_seconds: settings.silence_timeout_ms / 1_000,
            fetch_network: settings.fetch_network.clone(),
            fetch_rules: [
                name_hosts(&settings.allow_hosts),
                format!("--env=ZIGCHECK_GUARDED={guarded}"),
            ],
        }
    }

    /// Sets the hosts that the next fetches may name.
    pub fn set_hosts(&mut self, hosts: &Hosts) {
        self.fetch_rules[0] = name_hosts(hosts);
    }

    /// Sets which engine is at that place. The engine says so before it is ready, so no container starts earlier.
    pub fn set_kind(&mut self, place: Place, kind: EngineKind) {
        match place {
            Place::Here => self.kind = kind,
            Place::Node | Place::Cluster => self.node_kind = kind,
        }
    }

    /// Where each command goes.
    pub fn routing(&self) -> &Routing {
        &self.routing
    }

    // Names of containers. A name is a lock: the engine refuses to create a second container of the same name, so an
    // attempt runs at most once. The data id keeps the names of two servers on one engine apart.

    pub fn build_container(&self, build: BuildId, attempt: u32) -> String {
        format!("zigcheck-{}-{build}-{attempt}", self.data_id)
    }

    /// The container that fetches the dependencies of a build.
    pub fn fetch_container(&self, build: BuildId, attempt: u32) -> String {
        format!("zigcheck-{}-fetch-{build}-{attempt}", self.data_id)
    }

    /// The container that fetches the source of a check.
    pub fn source_container(&self, check: CheckId, attempt: u32) -> String {
        format!("zigcheck-{}-source-{check}-{attempt}", self.data_id)
    }

    /// The container that asks the remote of a package for its commit.
    pub fn remote_container(&self, package: PackageId, attempt: u32) -> String {
        format!("zigcheck-{}-remote-{package}-{attempt}", self.data_id)
    }

    /// The container that lists the commits of a package.
    pub fn commits_container(&self, package: PackageId, attempt: u32) -> String {
        format!("zigcheck-{}-commits-{package}-{attempt}", self.data_id)
    }

    /// The container that analyses the source of a build for other targets, or fetches the dependencies for that.
    pub fn targets_container(&self, build: BuildId, attempt: u32, fetches: bool) -> String {
        let word = if fetches { "targetsfetch" } else { "targets" };
        format!("zigcheck-{}-{word}-{build}-{attempt}", self.data_id)
    }

    /// What identifies the record of an attempt. Derived from the secret, so that a restarted server knows it too; no
    /// other attempt can know it.
    pub fn record_id(&self, build: BuildId, attempt: u32) -> RecordId {
        self.record_id_of(build, &attempt.to_string())
    }

    /// The same of an attempt to analyse its source for other targets.
    pub fn targets_record_id(&self, build: BuildId, attempt: u32) -> RecordId {
        self.record_id_of(build, &format!("targets {attempt}"))
    }

    fn record_id_of(&self, build: BuildId, attempt: &str) -> RecordId {
        let text = format!("{} {build} {attempt}", self.secret);
        let nonce = HEXLOWER.encode(&Sha256::digest(text));
        RecordId { build, nonce }
    }

    /// Clones a repository; prints the framed source. Its head says which of the commits `asked` are in its history.
    pub fn fetch_source(
        &self,
        name: &str,
        check: CheckId,
        image: &str,
        url: &str,
        reference: Option<&str>,
        asked: &[String],
    ) -> Command {
        let label = format!("zigcheck.check={check}");
        let argv = self.run(name, &label, Some(&self.fetch_network), image);
        let reference = reference.or((!asked.is_empty()).then_some("HEAD"));
        let mut command = of_repository(argv, "fetch-source", url, reference);
        command.argv.extend_from_slice(asked);
        command
    }

    /// Asks a repository for its current commit; prints that.
    pub fn remote_commit(
        &self,
        name: &str,
        package: PackageId,
        image: &str,
        url: &str,
        reference: Option<&str>,
    ) -> Command {
        let label = format!("zigcheck.package={package}");
        let argv = self.run(name, &label, Some(&self.fetch_network), image);
        of_repository(argv, "remote-commit", url, reference)
    }

    /// Asks a repository for the first parents of its current commit; prints them as `CommitList` reads them. The
    /// declared minimum is that of build.zig.zon in `dir`.
    pub fn list_commits(
        &self,
        name: &str,
        package: PackageId,
        image: &str,
        git: (&str, Option<&str>),
        dir: Option<&str>,
    ) -> Command {
        let label = format!("zigcheck.package={package}");
        let argv = self.run(name, &label, Some(&self.fetch_network), image);
        let (url, reference) = git;
        let reference = reference.unwrap_or("HEAD");
        let mut command = of_repository(argv, "list-commits", url, Some(reference));
        command.argv.extend(dir.map(str::to_string));
        command
    }

    /// Fetches the dependencies that the manifests of the source name; prints them framed.
    pub fn fetch_dependencies(&self, name: &str, input: &ContainerInput) -> Command {
        self.run_script("fetch-deps", name, input, Some(&self.fetch_network))
    }

    /// Asks which private addresses the fetch network reaches.
    pub fn probe_network(&self, image: &str) -> Command {
        let name = format!("zigcheck-{}-probe", self.data_id);
        let network = Some(self.fetch_network.as_str());
        let mut argv = self.run(&name, "zigcheck.probe=network", network, image);
        // Its output is all that is needed of it.
        let behind_run = self.routing.client(Place::Here).len() + 1;
        argv.insert(behind_run, "--rm".to_string());
        argv.push(script_path("probe-network"));
        without_input(argv)
    }

    /// Builds and tests, always without network.
    pub fn build(&self, name: &str, input: &ContainerInput) -> Command {
        self.run_script("build", name, input, None)
    }

    /// Analyses for other targets, always without network.
    pub fn check_targets(&self, name: &str, input: &ContainerInput) -> Command {
        self.run_script("check-targets", name, input, None)
    }

    fn run_script(
        &self,
        script: &str,
        name: &str,
        input: &ContainerInput,
        network: Option<&str>,
    ) -> Command {
        let label = format!("zigcheck.build={}", input.record_id.build);
        let mut argv = self.run(name, &label, network, input.image);
        argv.push(script_path(script));
        let head = json!({
            "build_id": input.record_id.build.get(),
            "nonce": input.record_id.nonce,
            "package_name": input.package,
            "zig_version": input.zig_version,
            "dir": input.dir,
            "silence_seconds": self.silence_seconds,
            "source": {
                "bytes": input.source.bytes,
                "sha256": input.source.sha256,
                "format": input.source.format,
            },
            "deps": input.dependencies.map(|deps| json!({
                "bytes": deps.bytes,
                "sha256": deps.sha256,
            })),
            "kept": input.kept.map(|kept| json!({
                "bytes": kept.bytes,
                "sha256": kept.sha256,
            })),
            "kept_limit_bytes": input.kept_limit_bytes,
        });
        let mut stdin = vec![
            Input::Bytes(format!("{head}\n").into_bytes()),
            Input::File(input.source.path.clone()),
        ];
        let parts = input.dependencies.into_iter().chain(input.kept);
        stdin.extend(parts.map(|part| Input::File(part.path.clone())));
        Command { argv, stdin }
    }

    /// `docker run` up to and including the image. Nothing of the host is mounted; the only writable place is a sized
    /// tmpfs, which is also the portable limit on disk space. A container without network is a build: the engine keeps
    /// its output, so that a restarted server can read it.
    fn run(&self, name: &str, label: &str, network: Option<&str>, image: &str) -> Vec<String> {
        let memory = self.memory_bytes;
        let kind = match self.routing.place_of(name) {
            Place::Here => self.kind,
            Place::Node | Place::Cluster => self.node_kind,
        };
        let kept: &[&str] = match network {
            // A fetch whose client is gone starts over.
            Some(_) => &["--log-driver=none"],
            None => kind.log_options(),
        };
        // The tmpfs counts towards the memory limit: leave some for the compiler. Shared memory is a file system of its
        // own, and a part of the same limit.
        let disk = WORK_TMPFS_BYTES.min(memory / 2);
        let shm = SHARED_MEMORY_BYTES.min(disk / 4);
        let tmpfs = disk - shm;
        let words = [
            "run".to_string(),
            format!("--name={name}"),
            format!("--label={label}"),
            format!("--label={DATA_LABEL}={}", self.data_id),
            // A missing image is an error, never a download.
            "--pull=never".to_string(),
            "--interactive".to_string(),
            // Signals that the client gets (from systemd, for example) must not reach the build.
            "--sig-proxy=false".to_string(),
            "--init".to_string(),
            format!("--network={}", network.unwrap_or("none")),
            format!("--memory={memory}"),
            // Equal to the memory: by default as much swap again is allowed.
            format!("--memory-swap={memory}"),
            format!("--cpus={}", self.cpus),
            format!("--cpu-shares={CPU_SHARES}"),
            format!("--pids-limit={PIDS_LIMIT}"),
            format!("--ulimit=nofile={OPEN_FILES_LIMIT}:{OPEN_FILES_LIMIT}"),
            "--ulimit=core=0:0".to_string(),
            format!("--shm-size={shm}"),
            // A file larger than the tmpfs could only be a sparse one.
            format!("--ulimit=fsize={tmpfs}:{tmpfs}"),
            "--ipc=private".to_string(),
            format!("--user={BUILD_USER}"),
            "--cap-drop=ALL".to_string(),
            "--security-opt=no-new-privileges".to_string(),
            "--read-only".to_string(),
            format!(
                "--tmpfs=/work:rw,exec,nosuid,nodev,size={tmpfs},{}",
                kind.work_options()
            ),
            "--workdir=/work".to_string(),
            format!("--hostname={HOST_NAME}"),
        ];
        // A container without network has its IPv6 loopback, as /etc/hosts says, and an address for its own name.
        let loopback = [
            "--sysctl=net.ipv6.conf.all.disable_ipv6=0".to_string(),
            format!("--add-host={HOST_NAME}:127.0.1.1"),
        ];
        let loopback = loopback.into_iter().filter(|_| network.is_none());
        let kept = kept.iter().map(|word| word.to_string()).chain(loopback);
        let rules = network.map(|_| self.fetch_rules.clone());
        let client = self.routing.runner_of(name).into_iter();
        client
            .chain(words)
            .chain(self.routing.labels_of(name))
            .chain(kept)
            .chain(kind.extra_options(network.is_none()))
            .chain(rules.into_iter().flatten())
            .chain([image.to_string()])
            .collect()
    }

    /// Opens the connection to the node.
    pub fn connect(&self) -> Command {
        without_input(self.routing.connect())
    }

    /// Waits for a slot of the cluster, where that image is: `slurm::node_of` reads the answer.
    pub fn place(&self, name: &str, image: &str) -> Command {
        without_input(self.routing.place(name, image))
    }

    /// Asks for the engine's capabilities: `capabilities::read_capabilities` reads the answer.
    pub fn info(&self, place: Place) -> Command {
        self.short(place, &["info", "--format={{json .}}"])
    }

    /// Lists the toolchains' images: `listings::images` reads the answer, or `Listing::read` that of a cluster.
    pub fn list_images(&self, place: Place) -> Command {
        if let (Place::Cluster, Some(cluster)) = (place, self.routing.cluster()) {
            return without_input(cluster.list_nodes());
        }
        let format = "--format={{.Repository}}:{{.Tag}} {{.ID}}";
        self.short(place, &["images", "--no-trunc", format, "zigcheck"])
    }

    /// Lists the toolchains' images with the time when each was made: `listings::dated_images` reads the answer.
    pub fn list_dated_images(&self) -> Command {
        let format = "--format={{.Repository}}:{{.Tag}} {{.ID}} {{.CreatedAt}}";
        self.short(Place::Here, &["images", "--no-trunc", format, "zigcheck"])
    }

    /// Takes a node of the cluster out of service for that reason, or back without one.
    pub fn set_node(&self, name: &str, reason: Option<&str>) -> Command {
        without_input(Cluster::set_node(name, reason))
    }

    /// Lists the containers of this data directory: `listings::containers` reads the answer, or
    /// `Cluster::own_allocations` that of a cluster.
    pub fn list_containers(&self, place: Place) -> Command {
        if let (Place::Cluster, Some(cluster)) = (place, self.routing.cluster()) {
            return without_input(cluster.list());
        }
        let filter = format!("--filter=label={DATA_LABEL}={}", self.data_id);
        let format = "--format={{.Names}} {{.State}}";
        self.short(place, &["ps", "--all", &filter, format])
    }

    /// Removes containers of attempts that are over: one command for each engine that has some.
    pub fn removals(&self, names: &[String]) -> Vec<Command> {
        let at = |place: Place| {
            let names = names.iter();
            let names = names.filter(|name| self.routing.place_of(name) == place);
            let names: Vec<String> = names.cloned().collect();
            (!names.is_empty()).then(|| self.remove(place, &names))
        };
        let places = self.routing.places().iter();
        places.filter_map(|place| at(*place)).collect()
    }

    /// Removes containers that this engine has listed.
    pub fn remove(&self, place: Place, names: &[String]) -> Command {
        if let (Place::Cluster, Some(cluster)) = (place, self.routing.cluster()) {
            return without_input(cluster.cancel(names));
        }
        let names = names.iter().map(String::as_str);
        let words: Vec<&str> = ["rm", "--force", "--volumes"]
            .into_iter()
            .chain(names)
            .collect();
        self.short(place, &words)
    }

    pub fn kill(&self, name: &str) -> Command {
        self.about(name, &["kill", name])
    }

    /// Asks for the state of a container: `container_state` reads the answer.
    pub fn inspect(&self, name: &str) -> Command {
        let format = "--format={{.State.OOMKilled}} {{.State.Status}} {{.State.ExitCode}}";
        self.about(name, &["inspect", "--type=container", format, name])
    }

    /// Prints all output of a container, each pipe to its own; with `follow`, until the container ends.
    pub fn logs(&self, name: &str, follow: bool) -> Command {
        match follow {
            true => self.about(name, &["logs", "--follow", name]),
            false => self.about(name, &["logs", name]),
        }
    }

    /// Prints the peak memory of a running container in bytes. One of the two files exists, depending on the version of
    /// the system's cgroups.
    pub fn peak_memory(&self, name: &str) -> Command {
        let v2 = "/sys/fs/cgroup/memory.peak";
        let v1 = "/sys/fs/cgroup/memory/memory.max_usage_in_bytes";
        // A `cat` of both files would fail for the one that is missing, and a failed command gives no answer.
        let read = format!("cat {v2} 2>/dev/null || cat {v1}");
        self.about(name, &["exec", name, "bash", "-c", &read])
    }

    /// A short command about one container.
    fn about(&self, container: &str, words: &[&str]) -> Command {
        let mut argv = self.routing.client_of(container);
        argv.extend(words.iter().map(|word| word.to_string()));
        without_input(argv)
    }

    fn short(&self, place: Place, words: &[&str]) -> Command {
        let client = self.routing.client(place).iter().cloned();
        let words = words.iter().map(|word| word.to_string());
        without_input(client.chain(words).collect())
    }
}

fn without_input(argv: Vec<String>) -> Command {
    Command {
        argv,
        stdin: Vec::new(),
    }
}

/// Completes `argv`, which ends with the image, by a script that asks a repository.
fn of_repository(
    mut argv: Vec<String>,
    script: &str,
    url: &str,
    reference: Option<&str>,
) -> Command {
    argv.extend([script_path(script), url.to_string()]);
    argv.extend(reference.map(str::to_string));
    without_input(argv)
}

fn name_hosts(hosts: &Hosts) -> String {
    format!("--env=ZIGCHECK_HOSTS={hosts}")
}

fn script_path(name: &str) -> String {
    format!("/usr/lib/zigcheck/{name}")
}

/// What tells the record of one attempt from all others. The runner reads the nonce on standard input before anything
/// of the package runs, and writes it nowhere but into its record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordId {
    pub build: BuildId,
    pub nonce: String,
}
