//! The kinds of engine, and the arguments of `run` in which they differ.

use crate::app::engine::limits::{USER_PROCESSES_LIMIT, WORK_TMPFS_INODES};

/// Which engine the command speaks to, by its own information. Everything but `run` is the same for both.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum EngineKind {
    #[default]
    Docker,
    Podman,
}

impl EngineKind {
    /// The log driver of a build. Of each engine this is the one that keeps every byte of both pipes as it is, text or
    /// not, with or without a final line end, and can be read during the run as well as after it. A log of 320 million
    /// bytes is large enough for all that a build may write; only output that no server counts can grow further.
    pub fn log_options(self) -> &'static [&'static str] {
        match self {
            // It stores 26 to 28 bytes more for each line (`LINE_COST_BYTES`). At its largest size the driver starts
            // another file, and readers lose the first. It does not slow the start; 100 MB of compiler output take
            // 1.5 s longer.
            EngineKind::Docker => &[
                "--log-driver=local",
                "--log-opt=max-size=320m",
                "--log-opt=max-file=1",
                "--log-opt=compress=false",
            ],
            // Podman has no `local`; its `json-file` is another name for this one. It stores 46 bytes more for each
            // line or piece of a line. At its largest size it empties the file and goes on.
            EngineKind::Podman => &["--log-driver=k8s-file", "--log-opt=max-size=320m"],
        }
    }

    /// Options of the work tmpfs that give it to the build user and bound its files.
    pub fn work_options(self) -> String {
        match self {
            EngineKind::Docker => {
                format!("nr_inodes={WORK_TMPFS_INODES},mode=0755,uid=1000,gid=1000")
            }
            // Podman refuses `uid` and `nr_inodes`. `U` gives the file system to the user of the container. Endless
            // empty files meet the memory limit. A copy of the image's directory would bring back its owner.
            EngineKind::Podman => "mode=0755,notmpcopyup,U".to_string(),
        }
    }

    /// Arguments that make a container of this engine like one of the other; `is_build`: it has no network.
    pub fn extra_options(self, is_build: bool) -> Vec<String> {
        if self == EngineKind::Docker {
            return Vec::new();
        }
        let mut options = vec![
            // By default a read-only container has /run, /tmp and /var/tmp on file systems without a limit.
            "--read-only-tmpfs=false".to_string(),
            // By default podman raises this limit, which only a server with CAP_SYS_RESOURCE may.
            format!("--ulimit=nproc={USER_PROCESSES_LIMIT}:{USER_PROCESSES_LIMIT}"),
        ];
        if is_build {
            // Podman takes /etc/hosts from the host, whose `localhost` may be IPv4 alone.
            let addresses = ["127.0.0.1", "::1"];
            options.extend(addresses.map(|address| format!("--add-host=localhost:{address}")));
        }
        options
    }
}
