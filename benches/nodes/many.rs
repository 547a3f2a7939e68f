//! Hundreds of nodes: what slurmctld and the commands of the server take with them. All slurmd are in one machine,
//! each with a port of its own. Their nodes run nothing but stand-in steps, and neither epilog nor health script.

use std::time::Instant;

use zigcheck::app::engine::slurm;

use crate::cluster::{AS_SERVER, Cluster, SERVER, start_munged};
use crate::common::by_hand::settings;
use crate::engines::{Engines, SLOT_CPUS, SLOT_MIB, VERSION};
use crate::percentile;
use crate::processes::Processes;

/// Slots of a node.
const SLOTS: usize = 4;
/// Slots that are taken: each costs some 30 ms.
const RUNNING_LIMIT: usize = 800;
/// Requests for a slot that are made at the same time.
const AT_ONCE: usize = 100;
/// How often a command is run.
const ROUNDS: usize = 20;
const DATA: &str = "0123456789abcdef";
/// The port of the first slurmd; the others have those behind it.
const FIRST_PORT: usize = 7001;

pub fn measure(nodes: usize, waiting: usize) {
    let many = Many::start(nodes);
    many.show_commands("nothing runs");
    let running = RUNNING_LIMIT.min(nodes * SLOTS);
    many.allocate(running);
    many.show_commands(&format!("{running} run"));
    if waiting > 0 {
        many.wait_in_slurm(running, waiting);
        many.show_commands(&format!("{running} run and {waiting} wait"));
    }
    many.cancel(running);
    many.show_commands(&format!(
        "slurmctld still knows {} that have ended",
        running + waiting
    ));
}

struct Many {
    cluster: Cluster,
    commands: slurm::Cluster,
}

impl Many {
    fn start(nodes: usize) -> Many {
        let mut cluster = Engines::StandIns.cluster(SLOTS, conf(nodes));
        let before = slurmctld_mib(&cluster);
        cluster.add_machine();
        let machine = &cluster.nodes[0];
        Engines::StandIns.start(&cluster, machine);
        cluster.install_node(machine);
        start_munged(machine);
        let begun = Instant::now();
        let start = format!("slurmd -D -N d$n --conf-server {SERVER} &");
        let script =
            format!("ulimit -n $(ulimit -H -n); for n in $(seq {nodes}); do {start} done; wait");
        machine.daemon("slurmd", &script);
        let idle = format!("sinfo -h -o '%T %D' | grep -x 'idle {nodes}'");
        cluster.server.wait(&idle, &format!("idle {nodes}"));
        let took = begun.elapsed().as_secs_f64();
        let slurmd = Processes::of(machine, "slurmd");
        println!(
            "{nodes} nodes of {SLOTS} slots, all slurmd in one machine: idle after {took:.1} s; they take {:.0} MiB, \
             slurmctld {:.0} MiB, {before:.0} without nodes",
            slurmd.memory_mib(),
            slurmctld_mib(&cluster)
        );
        let mut settings = settings();
        settings.cpus = SLOT_CPUS as f64;
        settings.memory_bytes = 512 << 20;
        Many {
            cluster,
            commands: slurm::Cluster::new(&settings, DATA),
        }
    }

    /// Takes that many slots, some at once and the others one after another.
    fn allocate(&self, slots: usize) {
        let names: Vec<String> = (1..=slots).map(name).collect();
        let place = |name: &String| self.commands.place(name, VERSION);
        let commands: Vec<_> = names.iter().map(place).collect();
        let (at_once, others) = commands.split_at(AT_ONCE.min(slots / 2));
        let slurmctld = Processes::of(&self.cluster.server, "slurmctld");
        let (begun, used) = (Instant::now(), slurmctld.cpu_s());
        let mut took = self.run(at_once, true);
        let each = begun.elapsed().as_secs_f64() / at_once.len() as f64;
        println!(
            "  {} slots asked for at once: {:.0} a second; p50 {:.0} ms, worst {:.0} ms",
            at_once.len(),
            1.0 / each,
            percentile(&mut took, 50),
            percentile(&mut took, 100)
        );
        let mut took = self.run(others, false);
        println!(
            "  {} slots, one after another: {:.0} a second; p50 {:.1} ms, worst {:.0} ms",
            others.len(),
            1e3 * took.len() as f64 / took.iter().sum::<f64>(),
            percentile(&mut took, 50),
            percentile(&mut took, 100)
        );
        println!(
            "  {:.1} ms of slurmctld's processor time for each",
            (slurmctld.cpu_s() - used) * 1e3 / slots as f64
        );
    }

    /// Lets that many requests wait in Slurm. The server never does that: its queue is its own.
    fn wait_in_slurm(&self, running: usize, waiting: usize) {
        let submit = |number: usize| {
            let name = name(number);
            let words = [
                "sbatch",
                "-Q",
                "-n1",
                "-J",
                &name,
                "-C",
                "zig",
                "-o",
                "/dev/null",
                "--mem=576",
            ];
            let mut words: Vec<String> = words.map(str::to_string).to_vec();
            words.push(format!("--comment={DATA}/{name}"));
            words.push("--wrap=sleep 1000".to_string());
            words
        };
        let commands: Vec<_> = (1..=waiting)
            .map(|number| submit(running + number))
            .collect();
        self.run(&commands, false);
    }

    /// Says how long the commands of the server take.
    fn show_commands(&self, meanwhile: &str) {
        let squeue = |by: &str, which: &str| {
            let words = ["squeue", "-h", by, which, "-o", "%k %A"];
            words.map(str::to_string).to_vec()
        };
        let mut commands = vec![
            ("the allocation of a name", squeue("-n", &name(1))),
            ("all allocations", self.commands.list()),
            ("all nodes", self.commands.list_nodes()),
        ];
        if let Some(number) = self.numbers(1).first() {
            commands.insert(0, ("the allocation of a number", squeue("-j", number)));
        }
        let slurmctld = Processes::of(&self.cluster.server, "slurmctld");
        println!(
            "  while {meanwhile}, slurmctld {:.0} MiB:",
            slurmctld.memory_mib()
        );
        let mut first = None;
        for (what, command) in commands {
            let used = slurmctld.cpu_s();
            let mut took = self.run(&vec![command.clone(); ROUNDS], false);
            let p50 = percentile(&mut took, 50);
            println!(
                "    {what}, {}: p50 {p50:.1} ms, worst {:.1} ms, {:.1} ms of slurmctld's; ratio {:.1}",
                command[0],
                percentile(&mut took, 100),
                (slurmctld.cpu_s() - used) * 1e3 / ROUNDS as f64,
                p50 / *first.get_or_insert(p50)
            );
        }
    }

    /// The numbers of so many allocations that run.
    fn numbers(&self, count: usize) -> Vec<String> {
        let list = format!("squeue -h -t R -o %A | head -n {count}");
        let numbers = self.cluster.server.sh(&list);
        numbers.lines().map(str::to_string).collect()
    }

    /// Cancels some of what runs as the server does, as many by their numbers, and then all that is there.
    fn cancel(&self, running: usize) {
        let server = &self.cluster.server;
        let some = AT_ONCE.min(running / 2);
        let names: Vec<String> = (1..=some).map(name).collect();
        let by_name = self.run(&[self.commands.cancel(&names)], false)[0] / some as f64;
        let scancel = |number: String| vec!["scancel".to_string(), number];
        let commands: Vec<_> = self.numbers(some).into_iter().map(scancel).collect();
        let by_number = self.run(&commands, false).iter().sum::<f64>() / some as f64;
        println!(
            "  an allocation is cancelled in {by_name:.1} ms by its name, {by_number:.1} ms by its number: ratio {:.1}",
            by_name / by_number
        );
        let begun = Instant::now();
        server.sh("scancel --partition=builds");
        server.wait("squeue -h | wc -l", "0");
        println!(
            "  all others are gone after {:.1} s",
            begun.elapsed().as_secs_f64()
        );
    }

    /// Runs the commands as the server's user; gives the milliseconds of each.
    fn run(&self, commands: &[Vec<String>], at_once: bool) -> Vec<f64> {
        let background = if at_once { "&" } else { "" };
        let mut script = "one() { local begun=${EPOCHREALTIME/./}; \"$@\" </dev/null >/dev/null || echo failed; \
             echo $((${EPOCHREALTIME/./} - begun)); }\n"
            .to_string();
        for command in commands {
            let words: Vec<String> = command.iter().map(|word| quoted(word)).collect();
            script += &format!("one {} {background}\n", words.join(" "));
        }
        let path = self.cluster.data("commands").join("script");
        std::fs::write(&path, script + "wait\n").expect("a file");
        let said = self
            .cluster
            .server
            .sh(&format!("{AS_SERVER} bash {}", path.display()));
        let each = said.lines().map(|line| {
            let us: f64 = line.parse().unwrap_or_else(|_| panic!("{said}"));
            us / 1e3
        });
        each.collect()
    }
}

/// A directory, a file and a port for each slurmd, and nothing that all of them would run here. Nodes that join by
/// themselves all have the same port, so these are named.
fn conf(nodes: usize) -> Vec<(&'static str, String)> {
    let spool = "SlurmdSpoolDir=/var/lib/slurm/slurmd";
    let named = format!(
        "NodeName=d[1-{nodes}] NodeHostname=n1 NodeAddr=10.77.0.11 Port=[{FIRST_PORT}-{}] CPUs={} RealMemory={} \
         Feature=zig,zig-{VERSION}",
        FIRST_PORT + nodes - 1,
        SLOTS * SLOT_CPUS,
        SLOTS * SLOT_MIB
    );
    let set = "NodeSet=zig Feature=zig";
    vec![
        (spool, format!("{spool}-%n")),
        (
            "SlurmdPidFile=/run/slurmd.pid",
            "SlurmdPidFile=/run/slurmd-%n.pid".to_string(),
        ),
        (
            "HealthCheckInterval=20",
            "HealthCheckInterval=0".to_string(),
        ),
        (
            "Epilog=/usr/lib/zigcheck/epilog",
            "Epilog=/bin/true".to_string(),
        ),
        (set, format!("{named}\\n{set}")),
    ]
}

fn name(number: usize) -> String {
    format!("zigcheck-{DATA}-{number}-1")
}

fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

fn slurmctld_mib(cluster: &Cluster) -> f64 {
    Processes::of(&cluster.server, "slurmctld").memory_mib()
}
