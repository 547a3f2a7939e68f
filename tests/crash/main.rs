//! The real server, ended by SIGKILL hundreds of times at any moment of its work, with a stand-in
//! for docker that goes on without it: nothing that was promised is lost, nothing is done twice, and
//! nothing is left behind.

#[path = "../common/mod.rs"]
mod common;

mod checks;
mod life;
mod outage;

use checks::Seen;

/// Lives at a time, each with its own data and its own engine: they mostly wait.
const LIVES: u64 = 8;
const KILLS: usize = 80;
/// On a busy machine a life meets less, and more lives follow.
const LIVES_LIMIT: u64 = 40;

/// Lives with these seeds, side by side; gives what they met.
fn lives(seeds: Vec<u64>) -> Seen {
    let lives: Vec<_> = seeds
        .into_iter()
        .map(|seed| (seed, std::thread::spawn(move || life::lived(seed, KILLS))))
        .collect();
    let mut all = Seen::default();
    for (seed, life) in lives {
        let seen = life.join().unwrap_or_else(|_| {
            panic!("see above; repeat with SEED={seed} cargo test --test crash killed_again")
        });
        println!("SEED={seed}: {seen:?}");
        all.add(&seen);
    }
    all
}

#[test]
fn a_server_that_is_killed_again_and_again_loses_nothing_and_does_nothing_twice() {
    if let Ok(seed) = std::env::var("SEED") {
        lives(vec![seed.parse().expect("SEED is a number")]);
        return;
    }
    let mut all = Seen::default();
    let mut seed = 1;
    while !all.shows_something() {
        assert!(seed <= LIVES_LIMIT, "{all:?}");
        all.add(&lives((seed..seed + LIVES).collect()));
        seed += LIVES;
    }
    println!("all: {all:?}");
}
