//! Random bytes at everything that reads what others wrote: noise, and good inputs changed in every
//! way. Nothing panics, what is accepted is held to what it promises, and pieces do not matter.
//!
//! A failure names its seed: `make fuzz SEED=n` replays that case alone. `CASES=n` says how many there
//! are, `FROM=n` where they begin, so that each run can be another.

#[path = "../common/mod.rs"]
mod common;

mod mutate;
mod runner;
mod trees;
mod urls;
mod wire;

use std::panic::catch_unwind;
use std::time::{Duration, Instant};

use crate::common::seed::Seed;

/// One kind of input: how often it comes, and one case of it, which gives whether the input was
/// accepted.
struct Parser {
    name: &'static str,
    share: u64,
    case: fn(&mut Seed) -> bool,
}

const fn parser(name: &'static str, share: u64, case: fn(&mut Seed) -> bool) -> Parser {
    Parser { name, share, case }
}

const PARSERS: [Parser; 18] = [
    parser("HTTP head", 8, wire::head),
    parser("HTTP body", 6, wire::body),
    parser("HTTP connection", 8, wire::connection),
    parser("  in any order", 5, wire::connection_in_any_order),
    parser("  good requests", 3, wire::good_requests),
    parser("WebSocket", 8, wire::socket),
    parser("  in any order", 6, wire::socket_in_any_order),
    parser("query", 5, urls::query),
    parser("path", 5, urls::path),
    parser("request", 7, urls::request),
    parser("git URL", 5, urls::git_url),
    parser("ref", 4, urls::reference),
    parser("repository", 6, urls::repository),
    parser("tar head", 6, trees::head),
    parser("archive", 4, trees::archive),
    parser("manifest", 5, trees::manifest),
    parser("record", 5, runner::record),
    parser("framed file", 4, runner::framed),
];

/// For a run of all tests: some seconds.
const CASES: u64 = 60_000;
/// A case takes some 100 us; where a million of them take longer than that something is wrong.
const PATIENCE: Duration = Duration::from_secs(3_600);

/// The parser of a case. Its seed says it, so that a replay needs nothing else.
fn of(seed: u64) -> usize {
    let mut at = seed % 100;
    for (nth, parser) in PARSERS.iter().enumerate() {
        match at.checked_sub(parser.share) {
            None => return nth,
            Some(rest) => at = rest,
        }
    }
    unreachable!("the shares are a hundred")
}

fn number(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok().filter(|value| !value.is_empty())?;
    Some(
        value
            .parse()
            .unwrap_or_else(|_| panic!("{name} is a number")),
    )
}

#[test]
fn whatever_comes_is_read_or_refused() {
    assert_eq!(PARSERS.iter().map(|parser| parser.share).sum::<u64>(), 100);
    let (from, count) = match number("SEED") {
        Some(seed) => (seed, 1),
        None => (
            number("FROM").unwrap_or(0),
            number("CASES").unwrap_or(CASES),
        ),
    };
    let start = Instant::now();
    let mut seen = [(0, 0, Duration::ZERO); PARSERS.len()];
    for seed in from..from.saturating_add(count) {
        let nth = of(seed);
        let began = Instant::now();
        let accepted = match catch_unwind(|| (PARSERS[nth].case)(&mut Seed(seed))) {
            Ok(accepted) => accepted,
            Err(_) => panic!("{}: repeat with make fuzz SEED={seed}", PARSERS[nth].name),
        };
        let (cases, good, took) = &mut seen[nth];
        *cases += 1;
        *good += u64::from(accepted);
        *took += began.elapsed();
        assert!(
            began.elapsed() < PATIENCE,
            "too slow: repeat with make fuzz SEED={seed}"
        );
    }
    for (parser, (cases, good, took)) in PARSERS.iter().zip(&seen) {
        let us = took.as_micros() as u64 / cases.max(&1);
        println!(
            "{cases:>8} {:<16} {good:>8} accepted, {us:>5} us each",
            parser.name
        );
    }
    let rate = count as f64 / start.elapsed().as_secs_f64();
    println!("{count:>8} cases from {from} on, {rate:.0} a second");
    for (parser, (cases, good, _)) in PARSERS.iter().zip(&seen) {
        // Else it is not looked at what comes behind the first byte.
        let some = *good * 100 >= *cases && *good * 100 <= cases * 97;
        assert!(some || count < 10_000, "{}: {good} of {cases}", parser.name);
    }
}
