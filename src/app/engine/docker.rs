//! A job as an argument list; what the engine's own answers mean.

use std::collections::HashMap;
use std::path::PathBuf;

use data_encoding::HEXLOWER;
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::app::engine::limits::{OPEN_FILES_LIMIT, PIDS_LIMIT, WORK_TMPFS_INODES};
use crate::config::limits::WORK_TMPFS_BYTES;
use crate::config::settings::Settings;
use crate::interface::event::{Command, Exit, Input};

/// The label that tells which data directory a container belongs to.
const DATA_LABEL: &str = "zigcheck.data";

/// What `probe-network` says of a network that reaches public addresses alone.
pub const CLOSED: &str = "closed";

/// The user `build` of the images.
const BUILD_USER: &str = "1000:1000";

/// Exit codes of `docker run` beside 0: those of the scripts in the images, and the engine's own.
pub mod exit {
    /// The host cannot be reached.
    pub const UNREACHABLE: i32 = 10;
    /// The host answered: there is no such thing.
    pub const NOT_THERE: i32 = 11;
    pub const TOO_LARGE: i32 = 12;
    /// The input did not arrive whole.
    pub const CUT_OFF: i32 = 65;
    /// Ended by SIGKILL: ours, or that of the memory limit.
    pub const KILLED: i32 = 137;
    /// The engine's own: the container was not made, or not started.
    pub const REFUSED: i32 = 125;

    /// It cannot be that of a client which came to no container.
    pub fn is_of_container(code: i32) -> bool {
        matches!(
            code,
            0 | UNREACHABLE | NOT_THERE | TOO_LARGE | CUT_OFF | KILLED
        )
    }
}

/// Writes argument lists for one engine and one data directory.
#[derive(Debug, Clone)]
pub struct Docker {
    command: String,
    data_id: String,
    /// What nonces are made of.
    secret: String,
    memory_bytes: u64,
    cpus: f64,
    fetch_network: String,
    /// What fetch containers are told in their environment.
    fetch_rules: [String; 2],
}

/// A source file on its way into a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    pub path: PathBuf,
    pub format: String,
    pub bytes: u64,
    pub sha256: String,
}

/// What a container is told about its build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerInput<'a> {
    pub build: i64,
    pub attempt: u32,
    pub package: &'a str,
    pub zig_version: &'a str,
    /// The id of the image to run.
    pub image: &'a str,
    pub source: &'a SourceFile,
    pub dependencies: Option<&'a SourceFile>,
}

/// Names of containers: a name is a lock, so that an attempt runs once at most.
pub fn build_container(build: i64, attempt: u32) -> String {
    format!("zigcheck-{build}-{attempt}")
}

pub fn fetch_container(build: i64, attempt: u32) -> String {
    format!("zigcheck-{build}-{attempt}-fetch")
}

pub fn source_container(check: i64, attempt: u32) -> String {
    format!("zigcheck-source-{check}-{attempt}")
}

pub fn remote_container(package: i64, attempt: u32) -> String {
    format!("zigcheck-remote-{package}-{attempt}")
}

impl Docker {
    pub fn new(settings: &Settings, data_id: &str, secret: &str) -> Docker {
        Docker {
            command: settings.docker.clone(),
            data_id: data_id.to_string(),
            secret: secret.to_string(),
            memory_bytes: settings.memory_bytes,
            cpus: settings.cpus,
            fetch_network: settings.fetch_network.clone(),
            fetch_rules: [
                format!("--env=ZIGCHECK_HOSTS={}", settings.allow_hosts),
                format!("--env=ZIGCHECK_GUARDED={}", guarded(settings)),
            ],
        }
    }

    /// What the record of that attempt must bear. It is made anew whenever it is asked for, so that
    /// a server that was restarted knows it as well; no other attempt can know it.
    pub fn record_id(&self, build: i64, attempt: u32) -> RecordId {
        let text = format!("{} {build} {attempt}", self.secret);
        let nonce = HEXLOWER.encode(&Sha256::digest(text));
        RecordId { build, nonce }
    }

    /// The name to use where another server on the same engine holds that one.
    pub fn own_name(&self, name: &str) -> String {
        format!("{name}-{}", self.data_id)
    }

    /// Clones the repository; the framed source comes out on standard output.
    pub fn fetch_source(
        &self,
        name: &str,
        check: i64,
        image: &str,
        url: &str,
        reference: Option<&str>,
    ) -> Command {
        let label = format!("zigcheck.check={check}");
        let argv = self.run(name, &label, Some(&self.fetch_network), image);
        of_repository(argv, "fetch-source", url, reference)
    }

    /// Asks the repository which commit it is at; that comes out on standard output.
    pub fn remote_commit(
        &self,
        name: &str,
        package: i64,
        image: &str,
        url: &str,
        reference: Option<&str>,
    ) -> Command {
        let label = format!("zigcheck.package={package}");
        let argv = self.run(name, &label, Some(&self.fetch_network), image);
        of_repository(argv, "remote-commit", url, reference)
    }

    /// Fetches what the source's manifest names; the framed result comes out on standard output.
    pub fn fetch_dependencies(&self, name: &str, task: &ContainerInput) -> Command {
        self.task(task, name, Some(&self.fetch_network), "fetch-deps")
    }

    /// Asks what the network of fetches reaches that it must not: answers of it are for the engine.
    pub fn probe_network(&self, image: &str) -> Command {
        let name = self.own_name("zigcheck-probe");
        let network = Some(self.fetch_network.as_str());
        let mut argv = self.run(&name, "zigcheck.probe=network", network, image);
        // Its answer is all there is of it.
        argv.insert(2, "--rm".to_string());
        argv.push(script("probe-network"));
        Command {
            argv,
            stdin: Vec::new(),
        }
    }

    /// Builds and tests, always without network.
    pub fn build(&self, name: &str, task: &ContainerInput) -> Command {
        self.task(task, name, None, "build")
    }

    fn task(
        &self,
        task: &ContainerInput,
        name: &str,
        network: Option<&str>,
        runner: &str,
    ) -> Command {
        let label = format!("zigcheck.build={}", task.build);
        let mut argv = self.run(name, &label, network, task.image);
        argv.push(script(runner));
        let head = json!({
            "build_id": task.build,
            "nonce": self.record_id(task.build, task.attempt).nonce,
            "package_name": task.package,
            "zig_version": task.zig_version,
            "source": {
                "bytes": task.source.bytes,
                "sha256": task.source.sha256,
                "format": task.source.format,
            },
            "deps": task.dependencies.map(|deps| json!({
                "bytes": deps.bytes,
                "sha256": deps.sha256,
            })),
        });
        let mut stdin = vec![
            Input::Bytes(format!("{head}\n").into_bytes()),
            Input::File(task.source.path.clone()),
        ];
        stdin.extend(task.dependencies.map(|deps| Input::File(deps.path.clone())));
        Command { argv, stdin }
    }

    /// `docker run` up to and with the image. Nothing of the host is mounted; the only writable
    /// place is a sized tmpfs, which is also the portable limit on disk space. Without a network it
    /// is a build, whose output the engine keeps as well: for whoever comes after us.
    fn run(&self, name: &str, label: &str, network: Option<&str>, image: &str) -> Vec<String> {
        let memory = self.memory_bytes;
        let kept: &[&str] = match network {
            // What a fetch sends is of no use without us.
            Some(_) => &["--log-driver=none"],
            // This driver alone keeps every byte as it is: both pipes, whatever is in them, also what
            // has no line end, read while it runs or after its exit. It takes 26 to 28 bytes more for
            // a line (`LINE_COST_BYTES`). One file, and room for all that a build may write: at 320
            // million bytes the driver begins another, and what was written until then is lost to
            // readers. Only what is written while no server counts it can come so far. A start takes
            // as long as without; 100 MB of compiler output take 1.5 s more.
            None => &[
                "--log-driver=local",
                "--log-opt=max-size=320m",
                "--log-opt=max-file=1",
                "--log-opt=compress=false",
            ],
        };
        // Never larger than the memory it counts towards: leave some for the compiler.
        let tmpfs = WORK_TMPFS_BYTES.min(memory / 2);
        let words = [
            "run".to_string(),
            format!("--name={name}"),
            format!("--label={label}"),
            format!("--label={DATA_LABEL}={}", self.data_id),
            // Nothing here may cause a download: an image that is missing is an error.
            "--pull=never".to_string(),
            "--interactive".to_string(),
            // A signal that its client gets (from systemd, say) is not for what is built.
            "--sig-proxy=false".to_string(),
            "--init".to_string(),
            format!("--network={}", network.unwrap_or("none")),
            format!("--memory={memory}"),
            // Equal to the memory: otherwise as much again of swap is allowed.
            format!("--memory-swap={memory}"),
            format!("--cpus={}", self.cpus),
            format!("--pids-limit={PIDS_LIMIT}"),
            format!("--ulimit=nofile={OPEN_FILES_LIMIT}:{OPEN_FILES_LIMIT}"),
            "--ulimit=core=0:0".to_string(),
            // A file larger than its disk could only be a sparse one.
            format!("--ulimit=fsize={tmpfs}:{tmpfs}"),
            "--ipc=none".to_string(),
            format!("--user={BUILD_USER}"),
            "--cap-drop=ALL".to_string(),
            "--security-opt=no-new-privileges".to_string(),
            "--read-only".to_string(),
            format!(
                "--tmpfs=/work:rw,exec,nosuid,nodev,size={tmpfs},nr_inodes={WORK_TMPFS_INODES},\
                 mode=0755,uid=1000,gid=1000"
            ),
            "--workdir=/work".to_string(),
            "--hostname=zigcheck".to_string(),
        ];
        let kept = kept.iter().map(|word| word.to_string());
        let rules = network.map(|_| self.fetch_rules.clone());
        std::iter::once(self.command.clone())
            .chain(words)
            .chain(kept)
            .chain(rules.into_iter().flatten())
            .chain([image.to_string()])
            .collect()
    }

    /// What the engine says of itself: answers of it go to `capabilities`.
    pub fn info(&self) -> Command {
        self.short(&["info", "--format={{json .}}"])
    }

    /// Lists the images there are: answers of it go to `images`.
    pub fn list_images(&self) -> Command {
        let format = "--format={{.Repository}}:{{.Tag}} {{.ID}}";
        self.short(&["images", "--no-trunc", format, "zigcheck"])
    }

    /// Lists the containers of this data directory, one name a line.
    pub fn list_containers(&self) -> Command {
        let filter = format!("--filter=label={DATA_LABEL}={}", self.data_id);
        self.short(&["ps", "--all", &filter, "--format={{.Names}}"])
    }

    pub fn remove(&self, names: &[String]) -> Command {
        let names = names.iter().map(String::as_str);
        let words: Vec<&str> = ["rm", "--force", "--volumes"]
            .into_iter()
            .chain(names)
            .collect();
        self.short(&words)
    }

    pub fn kill(&self, name: &str) -> Command {
        self.short(&["kill", name])
    }

    /// Asks how a container is: answers of it go to `container`.
    pub fn look(&self, name: &str) -> Command {
        let format = format!(
            "--format={{{{index .Config.Labels \"{DATA_LABEL}\"}}}} {{{{.State.OOMKilled}}}} \
             {{{{.State.Status}}}} {{{{.State.ExitCode}}}}"
        );
        self.short(&["inspect", "--type=container", &format, name])
    }

    /// What an answer to `look` says: the exit code of the command, what it wrote, and what it
    /// complained of. A container of another server is none of ours.
    pub fn container(&self, exit: Option<&Exit>, answer: &str, words: &str) -> Container {
        let words = words.trim();
        if exit != Some(&Exit::Code(0)) {
            // The engine's own words for it, in both dialects.
            return match is_no_such(words) {
                true => Container::Gone,
                false => Container::Silent(words.to_string()),
            };
        }
        let mut parts = answer.split_whitespace();
        match parts.next() {
            Some(id) if id == self.data_id => {}
            Some(_) => return Container::Foreign,
            None => {
                return Container::Silent("the engine says nothing of the container".to_string());
            }
        }
        let (oom_killed, state) = (parts.next() == Some("true"), parts.next().unwrap_or(""));
        match (state, parts.next().and_then(|code| code.parse().ok())) {
            ("exited" | "dead", Some(code)) => Container::Exited { code, oom_killed },
            ("running" | "paused" | "restarting", _) => Container::Running,
            ("created", _) => Container::Created,
            ("removing", _) => Container::Gone,
            _ => Container::Silent(format!("the engine says of the container: {answer}")),
        }
    }

    /// All that a container has said, each pipe to its own; to its end, if followed.
    pub fn logs(&self, name: &str, follow: bool) -> Command {
        match follow {
            true => self.short(&["logs", "--follow", name]),
            false => self.short(&["logs", name]),
        }
    }

    /// How much memory a container that runs has used at most, in bytes: of the two files one is
    /// there, by the version of the system's cgroups.
    pub fn peak(&self, name: &str) -> Command {
        let v2 = "/sys/fs/cgroup/memory.peak";
        let v1 = "/sys/fs/cgroup/memory/memory.max_usage_in_bytes";
        // Asked for both, cat would fail for want of the other, and what fails gives no answer.
        let read = format!("cat {v2} 2>/dev/null || cat {v1}");
        self.short(&["exec", name, "bash", "-c", &read])
    }

    fn short(&self, words: &[&str]) -> Command {
        let words = words.iter().map(|word| word.to_string());
        Command {
            argv: std::iter::once(self.command.clone()).chain(words).collect(),
            stdin: Vec::new(),
        }
    }
}

/// `argv`, up to the image, with a script that asks a repository.
fn of_repository(
    mut argv: Vec<String>,
    runner: &str,
    url: &str,
    reference: Option<&str>,
) -> Command {
    argv.extend([script(runner), url.to_string()]);
    argv.extend(reference.map(str::to_string));
    Command {
        argv,
        stdin: Vec::new(),
    }
}

fn guarded(settings: &Settings) -> &'static str {
    match settings.guards_fetches() {
        true => "yes",
        false => "no",
    }
}

fn script(name: &str) -> String {
    format!("/usr/lib/zigcheck/{name}")
}

/// The toolchains an answer to `list_images` names: version to image id.
pub fn images(answer: &str) -> HashMap<String, String> {
    let image = |line: &str| -> Option<(String, String)> {
        let (name, id) = line.trim().split_once(' ')?;
        let (repository, version) = name.rsplit_once(':')?;
        // Some engines put a registry in front: localhost/zigcheck.
        let ours = repository.rsplit('/').next() == Some("zigcheck");
        ours.then(|| (version.to_string(), id.trim().to_string()))
    };
    answer.lines().filter_map(image).collect()
}

/// The container names in an answer to `list_containers`.
pub fn containers(answer: &str) -> Vec<String> {
    let names = answer.lines().map(str::trim);
    names
        .filter(|n| !n.is_empty())
        .map(str::to_string)
        .collect()
}

/// True for what engines say of a name they do not know, docker as well as podman; that a socket
/// is no such file is another matter.
fn is_no_such(words: &str) -> bool {
    let words = words.to_ascii_lowercase();
    words.contains("no such container") || words.contains("no such object")
}

/// What the engine knows of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Container {
    Running,
    /// With its exit code; starved where the memory limit ended a process in it.
    Exited {
        code: i32,
        oom_killed: bool,
    },
    /// Made, but never started.
    Created,
    /// There is none of that name.
    Gone,
    /// One of that name is another server's.
    Foreign,
    /// The engine does not say; what it said instead.
    Silent(String),
}

/// What tells the record of one attempt from all others. The runner is told its nonce on standard
/// input before anything of the package runs, and writes it nowhere else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordId {
    pub build: i64,
    pub nonce: String,
}
