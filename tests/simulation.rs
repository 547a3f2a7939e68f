//! The whole core, simulated: a seed makes a life of submissions, containers that behave in every
//! bad way, an engine that comes and goes, and crashes. A failure names its seed; run that one
//! alone with `SEED=n cargo test --test simulation`.

#[path = "simulation/audience.rs"]
mod audience;
#[path = "common/seed.rs"]
mod seed;
#[path = "simulation/world.rs"]
mod world;

use world::World;

/// Enough to meet each of the odd ends several hundred times.
const SEEDS: u64 = 1_200;
const STEPS: usize = 220;

fn live(seed: u64) -> world::Tally {
    let mut world = World::new(seed);
    for _ in 0..STEPS {
        world.step();
        world.check();
    }
    world.come_to_rest();
    std::mem::take(&mut world.tally)
}

#[test]
fn every_build_ends_once_whatever_happens() {
    let seeds = match std::env::var("SEED") {
        Ok(seed) => vec![seed.parse().expect("SEED is a number")],
        Err(_) => (0..SEEDS).collect(),
    };
    let alone = seeds.len() == 1;
    let mut total = world::Tally::default();
    for seed in seeds {
        let lived = std::panic::catch_unwind(|| live(seed));
        match lived {
            Ok(tally) => total.add(&tally),
            Err(panic) => {
                eprintln!("seed {seed} failed; replay it with SEED={seed}");
                std::panic::resume_unwind(panic);
            }
        }
    }
    println!("{total:?}");
    if !alone {
        total.assert_everything_was_met();
    }
}
