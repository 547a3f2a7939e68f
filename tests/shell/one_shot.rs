//! One command from its start to its end.

use zigcheck::interface::event::{Command, Exit, Input};
use zigcheck::shell::one_shot::{Ended, run};

fn sh(script: &str, input: &[u8], limit_ms: u64) -> Result<Ended, String> {
    let command = Command {
        argv: ["sh", "-c", script].map(str::to_string).to_vec(),
        stdin: vec![Input::Bytes(input.to_vec())],
    };
    run(&command, limit_ms)
}

#[test]
fn both_pipes_and_the_exit_are_kept() {
    let ended = sh("cat; echo no >&2; exit 3", b"yes", 600_000).expect("it ends");
    assert_eq!(ended.exit, Exit::Code(3));
    assert_eq!(
        (&ended.stdout[..], &ended.stderr[..]),
        (&b"yes"[..], &b"no\n"[..])
    );
    let ended = sh("kill -9 $$", b"", 600_000).expect("it ends");
    assert_eq!(ended.exit, Exit::Signal(9));
}

#[test]
fn a_flood_on_both_pipes_is_read_to_its_end_and_kept_up_to_the_limit() {
    let flood = "head -c 3000000 /dev/zero; head -c 3000000 /dev/zero >&2; echo";
    let ended = sh(flood, b"", 600_000).expect("it ends");
    assert_eq!(ended.exit, Exit::Code(0));
    assert_eq!(
        (ended.stdout.len(), ended.stderr.len()),
        (256 << 10, 256 << 10)
    );
}

#[test]
fn what_does_not_end_or_does_not_start_is_an_error() {
    let why = sh("echo begun; exec sleep 1000", b"", 300).expect_err("it is late");
    assert_eq!(why, "no answer within 0 s");
    let nothing = Command {
        argv: vec!["/no/such/program".to_string()],
        stdin: Vec::new(),
    };
    let why = run(&nothing, 600_000).expect_err("it is not there");
    assert!(
        why.starts_with("cannot start \"/no/such/program\""),
        "{why}"
    );
    let long = vec![0; (64 << 10) + 1];
    assert!(sh("cat", &long, 600_000).is_err_and(|why| why.contains("too long")));
}
