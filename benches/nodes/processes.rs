//! What the processes of a machine take, read from the files of the kernel.

use std::path::PathBuf;

use crate::machine::Machine;

/// Ticks of `/proc/PID/stat` in a second: Linux has had no other for programs.
const TICKS_PER_S: f64 = 100.0;

/// Those of a machine that bear a name.
pub struct Processes(Vec<PathBuf>);

impl Processes {
    pub fn of(machine: &Machine, name: &str) -> Processes {
        let space = |pid: &str| std::fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
        let own = space(&machine.init().to_string());
        let entries = std::fs::read_dir("/proc").expect("a Linux").flatten();
        let is_one = |path: &PathBuf| {
            let called = std::fs::read_to_string(path.join("comm")).unwrap_or_default();
            let pid = path.file_name().and_then(|pid| pid.to_str()).unwrap_or("");
            called.trim_end() == name && space(pid) == own
        };
        Processes(entries.map(|entry| entry.path()).filter(is_one).collect())
    }

    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// A field of a file of each of them, summed up. A process that has ended counts nothing.
    fn sum(&self, file: &str, field: &str) -> u64 {
        let of = |path: &PathBuf| {
            let text = std::fs::read_to_string(path.join(file)).ok()?;
            let line = text.lines().find(|line| line.starts_with(field))?;
            line.split_whitespace().nth(1)?.parse::<u64>().ok()
        };
        self.0.iter().filter_map(of).sum()
    }

    /// Their memory in MiB; what several share is counted once.
    pub fn memory_mib(&self) -> f64 {
        self.sum("smaps_rollup", "Pss:") as f64 / 1024.0
    }

    pub fn resident_mib(&self) -> f64 {
        self.sum("status", "VmRSS:") as f64 / 1024.0
    }

    pub fn threads(&self) -> u64 {
        self.sum("status", "Threads:")
    }

    pub fn descriptors(&self) -> usize {
        let of = |path: &PathBuf| std::fs::read_dir(path.join("fd")).map_or(0, Iterator::count);
        self.0.iter().map(of).sum()
    }

    /// Seconds of processor time, without that of their children.
    pub fn cpu_s(&self) -> f64 {
        let of = |path: &PathBuf| {
            let text = std::fs::read_to_string(path.join("stat")).ok()?;
            let (_, rest) = text.rsplit_once(')')?;
            // Behind the name: the state, ten others, then user and system time.
            let fields = rest.split_whitespace().skip(11).take(2);
            fields
                .map(|field| field.parse::<f64>().ok())
                .sum::<Option<f64>>()
        };
        self.0.iter().filter_map(of).sum::<f64>() / TICKS_PER_S
    }
}

/// How much of all processors of this machine was used between two points in time.
pub struct Busy {
    used: f64,
    all: f64,
}

impl Busy {
    pub fn now() -> Busy {
        let text = std::fs::read_to_string("/proc/stat").expect("a Linux");
        let line = text.lines().next().expect("the sum of all processors");
        let fields = line.split_whitespace().skip(1).take(8);
        let ticks: Vec<f64> = fields
            .map(|field| field.parse().expect("a number"))
            .collect();
        let all: f64 = ticks.iter().sum();
        // Behind user, nice and system: idle, and idle while a disk is waited for.
        let used = all - ticks[3] - ticks[4];
        Busy { used, all }
    }

    pub fn percent_since(&self) -> f64 {
        let now = Busy::now();
        100.0 * (now.used - self.used) / (now.all - self.all)
    }
}
