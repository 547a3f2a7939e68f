//! The whole core, simulated: a seed makes a life of submissions, containers that behave in every
//! bad way, an engine that comes and goes, and crashes. A failure names its seed; run that one
//! alone with `make sim SEED=n`. `SEEDS=n` says how many lives there are,
//! `FROM=n` which the first is.

#[path = "../common/mod.rs"]
mod common;

mod acts;
mod admin;
mod answers;
mod audience;
mod cache;
mod commands;
mod containers;
mod days;
mod nodes;
mod order;
mod people;
mod rules;
mod scripts;
mod tally;
mod world;

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use tally::Tally;
use world::World;

/// Enough to meet each of the odd ends many times.
const SEEDS: u64 = 1_000;
const STEPS: usize = 300;

fn live(seed: u64) -> Tally {
    let mut world = World::new(seed);
    for _ in 0..STEPS {
        world.step();
    }
    world.come_to_rest();
    std::mem::take(&mut world.tally)
}

fn number(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(value.parse().expect("a number"))
}

/// Lives with these seeds, on all processors: no life knows of another. After a failure no other begins.
fn live_all(seeds: Vec<u64>) -> Tally {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let (next, total) = (AtomicUsize::new(0), Mutex::new(Tally::default()));
    let live_some = || {
        while let Some(seed) = seeds.get(next.fetch_add(1, Ordering::Relaxed)) {
            match std::panic::catch_unwind(|| live(*seed)) {
                Ok(tally) => total.lock().expect("no panic").add(&tally),
                Err(panic) => {
                    next.store(seeds.len(), Ordering::Relaxed);
                    eprintln!("seed {seed} failed; repeat with make sim SEED={seed}");
                    std::panic::resume_unwind(panic);
                }
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..processors.min(seeds.len()) {
            scope.spawn(live_some);
        }
    });
    total.into_inner().expect("no panic")
}

#[test]
fn every_build_ends_once_whatever_happens() {
    let seeds = match number("SEED") {
        Some(seed) => vec![seed],
        None => {
            let first = number("FROM").unwrap_or(0);
            (first..first + number("SEEDS").unwrap_or(SEEDS)).collect()
        }
    };
    let lives = seeds.len() as u64;
    let total = live_all(seeds);
    total.show();
    // Fewer may miss what is rare.
    if lives >= SEEDS {
        total.assert_everything_was_met(lives);
    }
}
