//! Children: their pipes, their exits, and what they inherit.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::common::pack::sha256;
use zigcheck::interface::event::{Command, Exit, Input, Pipe};

use crate::common::toy::{Job, Toy};
use crate::common::toy_server::{ended, run, sh};
use crate::dir::{Dir, pattern};

fn fed(program: &[&str], stdin: Vec<Input>) -> Command {
    let argv = program.iter().map(|word| word.to_string()).collect();
    Command { argv, stdin }
}

#[test]
fn output_is_told_before_the_end_of_its_pipe_and_an_exit_code_once() {
    let jobs = ended(vec![sh("echo out; echo err >&2; exit 3")]);
    assert_eq!(jobs[0].stdout, b"out\n");
    assert_eq!(jobs[0].stderr, b"err\n");
    assert_eq!(jobs[0].exit, Some(Exit::Code(3)));
    assert_eq!(jobs[0].eofs.len(), 2);
}

#[test]
fn a_signal_is_told_as_a_signal() {
    let jobs = ended(vec![sh("kill -TERM $$"), sh("kill -KILL $$")]);
    assert_eq!(jobs[0].exit, Some(Exit::Signal(15)));
    assert_eq!(jobs[1].exit, Some(Exit::Signal(9)));
}

#[test]
fn a_grandchild_holds_the_pipe_after_the_exit() {
    // It speaks once the child is reaped.
    let grandchild = "while kill -0 $$ 2>/dev/null; do sleep 0.01; done; echo late";
    let jobs = ended(vec![sh(&format!("({grandchild}) & exit 0"))]);
    assert_eq!(jobs[0].stdout, b"late\n");
    assert_eq!(jobs[0].order, ["exit", "out", "eof"]);
}

#[test]
fn a_kill_after_the_exit_closes_the_pipes() {
    let began = Instant::now();
    let mut toy = Toy::with(vec![sh("sleep 300 & exit 0")]);
    toy.kill_after_exit = true;
    run(&mut toy);
    assert!(began.elapsed() < Duration::from_secs(290));
}

#[test]
fn a_kill_ends_the_child() {
    let mut toy = Toy::with(vec![sh("echo ready; exec sleep 60")]);
    toy.kill_on_output = true;
    run(&mut toy);
    let job = toy.jobs.values().next().unwrap();
    assert_eq!(job.exit, Some(Exit::Signal(9)));
}

#[test]
fn what_cannot_be_started_says_why() {
    let jobs = ended(vec![
        fed(&["/no/such/program"], vec![]),
        fed(&["/etc/passwd"], vec![]),
        fed(&[], vec![]),
        sh("echo fine"),
    ]);
    let words = |i: usize| match &jobs[i].exit {
        Some(Exit::NotStarted(words)) => words.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(
        words(0),
        "cannot start \"/no/such/program\": No such file or directory (os error 2)"
    );
    assert!(words(1).contains("Permission denied"));
    assert!(words(2).contains("no program named"));
    assert_eq!(jobs[3].stdout, b"fine\n");
}

#[test]
fn a_failed_start_is_told_without_waiting_for_anything_else() {
    let jobs = ended(vec![fed(&["/no/such/program"], vec![])]);
    assert!(matches!(jobs[0].exit, Some(Exit::NotStarted(_))));
}

#[test]
fn ten_megabytes_go_in_and_come_out() {
    let dir = Dir::new("stdin");
    let file = dir.0.join("middle");
    let bytes = pattern(10 << 20);
    std::fs::write(&file, &bytes[1000..9 << 20]).unwrap();
    let stdin = || {
        vec![
            Input::Bytes(bytes[..1000].to_vec()),
            Input::Bytes(Vec::new()),
            Input::File(file.clone()),
            Input::Bytes(bytes[9 << 20..].to_vec()),
        ]
    };
    let jobs = ended(vec![fed(&["sha256sum"], stdin()), fed(&["cat"], stdin())]);
    let sum = String::from_utf8(jobs[0].stdout.clone()).unwrap();
    assert_eq!(sum, format!("{}  -\n", sha256(&bytes)));
    assert!(jobs[1].stdout == bytes);
}

#[test]
fn no_input_ends_at_once() {
    let jobs = ended(vec![fed(&["cat"], vec![])]);
    assert_eq!(jobs[0].exit, Some(Exit::Code(0)));
}

#[test]
fn a_child_may_leave_its_input_unread() {
    let big = || vec![Input::Bytes(pattern(4 << 20))];
    let jobs = ended(vec![
        fed(
            &["sh", "-c", "head -c 10 >/dev/null; echo done; exit 5"],
            big(),
        ),
        fed(
            &["sh", "-c", "exec <&-; echo closed; sleep 0.3; echo more"],
            big(),
        ),
        fed(&["true"], big()),
    ]);
    assert_eq!(jobs[0].stdout, b"done\n");
    assert_eq!(jobs[0].exit, Some(Exit::Code(5)));
    assert_eq!(jobs[1].stdout, b"closed\nmore\n");
    assert_eq!(jobs[2].exit, Some(Exit::Code(0)));
}

#[test]
fn an_input_that_cannot_be_read_ends_early() {
    let dir = Dir::new("unreadable");
    let fifo = dir.0.join("fifo");
    assert!(
        std::process::Command::new("mkfifo")
            .arg(&fifo)
            .status()
            .unwrap()
            .success()
    );
    let stdin = |path: PathBuf| {
        vec![
            Input::Bytes(b"head".to_vec()),
            Input::File(path),
            Input::Bytes(b"tail".to_vec()),
        ]
    };
    let jobs = ended(vec![
        fed(&["cat"], stdin("/no/such/file".into())),
        fed(&["cat"], stdin(dir.0.clone())),
        fed(&["cat"], stdin(fifo)),
    ]);
    for job in &jobs {
        assert_eq!(job.stdout, b"head");
        assert_eq!(job.exit, Some(Exit::Code(0)));
    }
}

#[test]
fn a_child_starts_clean() {
    let script = "ls -l /proc/self/fd | wc -l; grep -E 'Sig(Blk|Ign)' /proc/self/status; \
                  ps -o pgid= -p $$ | tr -d ' '; echo $$; echo ${LISTEN_PID-none}; \
                  echo ${NOTIFY_SOCKET-none} ${WATCHDOG_USEC-none}";
    let jobs = ended(vec![sh(script)]);
    let text = String::from_utf8(jobs[0].stdout.clone()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    // What was inherited from whoever runs the tests comes through either way.
    let plain = std::process::Command::new("sh")
        .arg("-c")
        .arg(script)
        .output()
        .unwrap();
    let plain = String::from_utf8(plain.stdout).unwrap();
    assert_eq!(lines[..3], plain.lines().collect::<Vec<_>>()[..3]);
    let ignored = u64::from_str_radix(lines[2].split('\t').nth(1).unwrap(), 16).unwrap();
    assert_eq!(ignored & 1 << 12, 0, "SIGPIPE does what it should");
    assert_eq!(lines[1], "SigBlk:\t0000000000000000");
    assert_eq!(lines[3], lines[4], "a process group of its own");
    assert_eq!(lines[5], "none");
    assert_eq!(lines[6], "none none");
}

#[test]
fn the_ends_of_a_child_are_blocking() {
    // A writer that met EAGAIN would fail: half a megabyte to a pipe that is not read at once.
    let jobs = ended(vec![
        sh("head -c 500000 /dev/zero && echo ok >&2"),
        fed(
            &["sh", "-c", "sleep 0.2; cat | wc -c"],
            vec![Input::Bytes(pattern(300_000))],
        ),
    ]);
    assert_eq!(jobs[0].stdout.len(), 500_000);
    assert_eq!(jobs[0].stderr, b"ok\n");
    assert_eq!(jobs[1].stdout, b"300000\n");
}

#[test]
fn more_children_than_there_is_room_for() {
    let mut toy = Toy::with((0..200).map(|_| sh("read x; exit 0")).collect());
    run(&mut toy);
    let not = |job: &&Job| matches!(job.exit, Some(Exit::NotStarted(_)));
    let refused = toy.jobs.values().filter(not).count();
    assert_eq!(toy.jobs.len(), 200);
    assert_eq!(refused, 200 - 128);
}

#[test]
fn single_bytes_do_not_fill_a_turn() {
    // dd writes one byte at a time, as fast as it can.
    let jobs = ended(vec![sh("dd if=/dev/zero bs=1 count=200000 2>/dev/null")]);
    assert_eq!(jobs[0].stdout.len(), 200_000);
}

#[test]
fn nothing_starts_before_it_is_saved() {
    let dir = Dir::new("marker");
    let marker = dir.0.join("marker");
    let mut toy = Toy::with(vec![sh(&format!("cat {}", marker.display()))]);
    toy.marker = Some(marker);
    run(&mut toy);
    let job = toy.jobs.values().next().unwrap();
    assert!(!job.stdout.is_empty());
    assert_eq!(job.exit, Some(Exit::Code(0)));
}

#[test]
fn both_pipes_are_told_apart() {
    let mut toy = Toy::with(vec![sh("exec 2>&-; exec sleep 60")]);
    toy.kill_on_eof = true;
    run(&mut toy);
    let job = toy.jobs.values().next().unwrap();
    assert_eq!(job.eofs[0], Pipe::Stderr);
    assert_eq!(job.exit, Some(Exit::Signal(9)));
}
