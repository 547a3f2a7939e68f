//! The real server, ended by SIGKILL hundreds of times at any moment of its work, with a stand-in
//! for docker that goes on without it: nothing that was promised is lost, nothing is done twice, and
//! nothing is left behind.

#[path = "../common/mod.rs"]
mod common;

mod checks;
mod life;
mod outage;

use checks::Seen;

/// Of several servers, each with its own data and its own engine. One alone: `SEED=3 cargo test
/// --test crash killed`.
const SEEDS: [u64; 4] = [1, 2, 3, 4];
const KILLS: usize = 160;

#[test]
fn a_server_that_is_killed_again_and_again_loses_nothing_and_does_nothing_twice() {
    let alone = std::env::var("SEED").ok();
    let seeds = match alone.as_ref().map(|seed| seed.parse::<u64>()) {
        None => SEEDS.to_vec(),
        Some(seed) => vec![seed.expect("SEED is a number")],
    };
    let lives: Vec<_> = seeds
        .iter()
        .map(|seed| {
            let seed = *seed;
            (seed, std::thread::spawn(move || life::lived(seed, KILLS)))
        })
        .collect();
    let mut all = Seen::default();
    for (seed, life) in lives {
        match life.join() {
            Ok(seen) => {
                println!("SEED={seed}: {seen:?}");
                all.add(&seen);
            }
            Err(_) => panic!("SEED={seed} failed: see above"),
        }
    }
    println!("all: {all:?}");
    if alone.is_none() {
        assert!(all.kills >= 500, "{all:?}");
        // Else it shows nothing.
        assert!(all.adopted >= 100, "{all:?}");
        assert!(all.repeated >= 20, "{all:?}");
        assert!(all.cached >= 20, "{all:?}");
    }
}
