//! Builds as allocations with a step: their pipes, their ends, and their limit.

use std::io::{BufRead, BufReader, Read, Write};

use crate::cluster::Cluster;
use crate::common::seed::Seed;

#[test]
fn three_pipes_and_an_exit_code_pass_through_a_node() {
    let cluster = Cluster::start(1);
    assert_eq!(cluster.allocate("zigcheck-1-1"), "n1");
    let script =
        "cat; for ((n = 0; n < 20000; n++)); do echo -e \"$n\\x00\\xff\\r\"; done >&2; exit 7";
    let mut build = cluster.build("zigcheck-1-1", 100, script);
    let source = Seed(18).bytes(300_000);
    let mut stdin = build.stdin.take().expect("it is piped");
    let input = source.clone();
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let output = build.wait_with_output().expect("it is ours");
    writer.join().expect("a thread").expect("all of it is read");
    assert!(
        output.stdout == source,
        "{} bytes came back",
        output.stdout.len()
    );
    let lines = (0..20_000).flat_map(|n| [n.to_string().as_bytes(), b"\x00\xff\r\n"].concat());
    let expected: Vec<u8> = lines.collect();
    // `srun` says so when it hears of the end, which may be before it has passed on all of the log.
    let message = b"srun: error: n1: task 0: Exited with exit code 7\n";
    let mut log = output.stderr;
    let at = log.windows(message.len()).position(|some| some == message);
    let at = at.expect("it says so");
    log.drain(at..at + message.len());
    let shown = String::from_utf8_lossy(&log[..200]);
    assert!(log == expected, "{} bytes: {shown}", log.len());
    assert_eq!(output.status.code(), Some(7));
    cluster.witness("n1", "start", "zigcheck-1-1", 1);
}

#[test]
fn a_cancelled_allocation_takes_its_container_with_it() {
    let cluster = Cluster::start(1);
    cluster.allocate("zigcheck-1-1");
    cluster.allocate("zigcheck-2-1");
    let other = cluster.build("zigcheck-2-1", 100, "cat");
    let mut build = cluster.build("zigcheck-1-1", 100, "echo begun; sleep 1000");
    let mut stdout = BufReader::new(build.stdout.take().expect("it is piped"));
    let mut line = String::new();
    stdout.read_line(&mut line).expect("a line");
    assert_eq!(line, "begun\n");
    cluster.server.sh("scancel --name=zigcheck-1-1");
    assert!(!build.wait().expect("it is ours").success());
    cluster.witness("n1", "destroy", "zigcheck-1-1", 1);
    // The slot is free, and the other build undisturbed.
    cluster.server.wait("sinfo -h -o %C", "2/2/0/4");
    let output = other.wait_with_output().expect("it is ours");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(cluster.containers("n1"), "zigcheck-2-1");
}

#[test]
fn a_build_ends_by_the_time_limit_of_its_step() {
    let cluster = Cluster::start(1);
    cluster.allocate("zigcheck-1-1");
    let mut build = cluster.build("zigcheck-1-1", 1, "echo begun; sleep 1000");
    let mut said = String::new();
    let mut stdout = build.stdout.take().expect("it is piped");
    stdout.read_to_string(&mut said).expect("text");
    assert_eq!(said, "begun\n");
    assert_eq!(build.wait().expect("it is ours").code(), Some(137));
    cluster.witness("n1", "kill", "zigcheck-1-1", 1);
    // It is kept for whoever wants its output, until the allocation ends.
    assert_eq!(cluster.containers("n1"), "zigcheck-1-1");
    cluster.server.sh("scancel --name=zigcheck-1-1");
    cluster.witness("n1", "destroy", "zigcheck-1-1", 1);
}

#[test]
fn a_scheduler_that_dies_disturbs_no_build_and_remembers_its_nodes() {
    let cluster = Cluster::start(1);
    cluster.allocate("zigcheck-1-1");
    // An allocation of the last seconds may be forgotten: the state is saved some five seconds late.
    cluster.server.wait(
        "grep -c zigcheck-1-1 -a /var/lib/slurm/slurmctld/job_state",
        "1",
    );
    let mut build = cluster.build("zigcheck-1-1", 100, "cat");
    cluster.witness("n1", "start", "zigcheck-1-1", 1);
    cluster.server.sh("kill -9 $(cat /run/slurmctld.pid)");
    let mut stdin = build.stdin.take().expect("it is piped");
    stdin.write_all(b"while it is away").expect("it reads");
    drop(stdin);
    let output = build.wait_with_output().expect("it is ours");
    assert_eq!(output.stdout, b"while it is away");
    cluster.start_slurmctld();
    let state = "squeue -h -n zigcheck-1-1 -o '%T %N'";
    cluster.server.wait(state, "RUNNING n1");
    cluster.server.sh("scancel --name=zigcheck-1-1");
    cluster.witness("n1", "destroy", "zigcheck-1-1", 1);
    cluster.wait_for("n1", "idle");
}
