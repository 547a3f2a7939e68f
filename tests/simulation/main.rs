//! The whole core, simulated: a seed makes a life of submissions, containers that behave in every
//! bad way, an engine that comes and goes, and crashes. A failure names its seed; run that one
//! alone with `SEED=n cargo test --test simulation`. `SEEDS=n` says how many lives there are,
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
mod order;
mod people;
mod rules;
mod scripts;
mod tally;
mod world;

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
    let mut total = Tally::default();
    for seed in seeds {
        match std::panic::catch_unwind(|| live(seed)) {
            Ok(tally) => total.add(&tally),
            Err(panic) => {
                eprintln!("seed {seed} failed; replay it with SEED={seed}");
                std::panic::resume_unwind(panic);
            }
        }
    }
    total.show();
    if lives >= 100 {
        total.assert_everything_was_met(lives);
    }
}
