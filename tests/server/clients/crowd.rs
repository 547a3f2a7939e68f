//! Two hundred watchers of one log while it is written: each gets all of it, in order, whenever it
//! came, in whatever way it reads.

use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::ask::{build_of, stored};
use crate::common::seed::{Seed, seed_of_run};
use crate::common::standin::{check, start};
use crate::common::wire::{BINARY, CLOSE, Chunk, TEXT, Wire, address, connect};

const WATCHERS: usize = 200;
/// A slow one's socket holds no more than this, so that the server has to wait for it.
const SLOW_UNREAD_BYTES: usize = 64 << 10;

/// What a watcher does, drawn by lot.
#[derive(Debug, Clone, Copy)]
struct Plan {
    socket: bool,
    /// The offset at which a WebSocket begins.
    from: usize,
    joins_after: Duration,
    /// Pauses that long behind each piece.
    pause: Option<Duration>,
}

fn plan(seed: &mut Seed, bytes: usize) -> Plan {
    let socket = seed.once_in(2);
    let from = match socket && seed.once_in(2) {
        true => seed.below(bytes),
        false => 0,
    };
    let slow = seed.once_in(4);
    Plan {
        socket,
        from,
        // The build takes some three seconds: some come when it is over.
        joins_after: Duration::from_millis(seed.below(4_000) as u64),
        pause: slow.then(|| Duration::from_micros(seed.between(500, 8_000) as u64)),
    }
}

/// What is left of the log, to be met by what comes.
struct Expected {
    plan: Plan,
    log: Arc<Vec<u8>>,
    at: usize,
}

impl Expected {
    fn meet(&mut self, bytes: &[u8]) -> Result<(), String> {
        let (plan, at) = (self.plan, self.at);
        let there = self.log.get(at..at + bytes.len());
        if there != Some(bytes) {
            let same = there.unwrap_or_default().iter().zip(bytes);
            let same = same.take_while(|(one, other)| one == other).count();
            return Err(format!(
                "{plan:?} differs at {} of {}",
                at + same,
                self.log.len()
            ));
        }
        self.at += bytes.len();
        if let Some(pause) = plan.pause {
            std::thread::sleep(pause);
        }
        Ok(())
    }

    fn is_met(&self) -> Result<(), String> {
        match self.log.len() - self.at {
            0 => Ok(()),
            left => Err(format!(
                "{:?}: the last {left} bytes are missing",
                self.plan
            )),
        }
    }
}

fn watch(
    to: SocketAddr,
    build: i64,
    plan: Plan,
    log: Arc<Vec<u8>>,
    start: Instant,
) -> Result<(), String> {
    std::thread::sleep(plan.joins_after.saturating_sub(start.elapsed()));
    let unread = plan.pause.map(|_| SLOW_UNREAD_BYTES);
    let stream = connect(to, Ipv4Addr::LOCALHOST, unread).map_err(|e| e.to_string())?;
    let expected = Expected {
        plan,
        log,
        at: plan.from,
    };
    match plan.socket {
        true => over_socket(Wire::over(stream), build, expected),
        false => over_http(Wire::over(stream), build, expected),
    }
}

fn over_socket(wire: Wire, build: i64, mut expected: Expected) -> Result<(), String> {
    let plan = expected.plan;
    let mut wire = wire.upgraded(&format!("/ws?build={build}&from={}", plan.from));
    loop {
        match wire.frame() {
            Some((BINARY, bytes)) => expected.meet(&bytes)?,
            Some((CLOSE, code)) if code.starts_with(&1000_u16.to_be_bytes()) => {
                return expected.is_met();
            }
            Some((TEXT, text)) => {
                let text = String::from_utf8_lossy(&text).into_owned();
                return Err(format!("{plan:?} was told {text}"));
            }
            other => return Err(format!("{plan:?} got {other:?}")),
        }
    }
}

fn over_http(mut wire: Wire, build: i64, mut expected: Expected) -> Result<(), String> {
    wire.get(&format!("/api/builds/{build}/log"));
    let head = wire.head();
    let plan = expected.plan;
    if head.status != 200 {
        return Err(format!("{plan:?}: {}", head.text));
    }
    // The build may be over by now.
    if let Some(length) = head.header("Content-Length") {
        let mut left: usize = length.parse().expect("a number");
        while left > 0 {
            let piece = wire.exactly(left.min(16 << 10));
            left -= piece.len();
            expected.meet(&piece)?;
        }
        return expected.is_met();
    }
    loop {
        match wire.chunk() {
            Chunk::Bytes(bytes) => expected.meet(&bytes)?,
            Chunk::End => return expected.is_met(),
            Chunk::Cut => return Err(format!("{plan:?} was cut off")),
        }
    }
}

#[test]
fn two_hundred_watchers_get_the_whole_log_in_order() {
    let (server, _dir) = start("clients-crowd", &[]);
    // The same each time it is built: the first one tells what the watchers of the second get.
    let first = check(&server, "bulky");
    server.finished(first);
    let log = Arc::new(stored(&server, build_of(&server, first)));
    assert!(log.len() > 3 << 20, "{}", log.len());
    let seed = seed_of_run();
    let repeat = format!("repeat with SEED={seed} cargo test --test server two_hundred");
    let mut chance = Seed(seed);
    let second = check(&server, "bulky");
    let build = build_of(&server, second);
    let (to, begun) = (address(&server), Instant::now());
    let watchers: Vec<_> = (0..WATCHERS)
        .map(|_| {
            let (plan, log) = (plan(&mut chance, log.len()), log.clone());
            std::thread::spawn(move || watch(to, build, plan, log, begun))
        })
        .collect();
    let ends: Vec<_> = watchers.into_iter().map(|watcher| watcher.join()).collect();
    let failed: Vec<String> = ends
        .into_iter()
        .filter_map(|end| match end {
            Ok(end) => end.err(),
            Err(_) => Some("one panicked".to_string()),
        })
        .collect();
    let some = &failed[..failed.len().min(5)];
    assert!(
        failed.is_empty(),
        "{repeat}: {} failed: {some:#?}",
        failed.len()
    );
    server.finished(second);
    assert!(stored(&server, build) == *log, "{repeat}");
}

#[test]
fn a_watcher_that_leaves_in_the_middle_is_missed_by_nobody() {
    let (server, _dir) = start("clients-leavers", &[]);
    let check = check(&server, "bulky");
    let build = build_of(&server, check);
    let mut stays = Wire::open(&server);
    stays.get(&format!("/api/builds/{build}/log"));
    assert_eq!(stays.head().status, 200);
    for nth in 0..50 {
        let mut leaves = match nth % 2 {
            0 => Wire::socket(&server, &format!("/ws?build={build}&from=0")),
            _ => Wire::open(&server),
        };
        if nth % 2 == 1 {
            leaves.get(&format!("/api/builds/{build}/log"));
        }
        let mut some = [0; 100];
        let read = leaves.stream.read(&mut some).expect("an answer");
        assert!(read > 0);
    }
    let (seen, end) = stays.chunks();
    assert_eq!(end, Chunk::End, "after {} bytes", seen.len());
    server.finished(check);
    assert!(seen == stored(&server, build));
}
