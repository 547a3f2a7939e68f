//! The machine of a build, told every order of inputs.

#[path = "common/life.rs"]
mod life;

use std::collections::{BTreeMap, HashMap};

use life::{At, Life, noises};
use zigcheck::build::{Input, Kind};
use zigcheck::event::Exit;

/// Inputs in one order.
const DEPTH: usize = 7;

/// Tells every order of inputs up to that depth; gives how many orders there were and how many of
/// them are whole lives. Lives that have become equal go on as one, counted as often.
fn explore(first: Kind, depth: usize, of_job: &[(u64, Input)]) -> (u64, u64) {
    let mut lives = vec![Life::new(first)];
    let mut known: HashMap<Life, usize> = HashMap::from([(lives[0].clone(), 0)]);
    let mut followers: Vec<Vec<usize>> = Vec::new();
    let mut layer: BTreeMap<usize, u64> = BTreeMap::from([(0, 1)]);
    let (mut orders, mut over) = (0, 0);
    for _ in 0..depth {
        let mut next: BTreeMap<usize, u64> = BTreeMap::new();
        for (&at, &ways) in &layer {
            // Keys rise with the time of their finding, so that this is either known or next.
            if at == followers.len() {
                let life = lives[at].clone();
                life.is_deaf_to_strays();
                life.ends_by_time_alone();
                let letters = life.letters(of_job).into_iter();
                let told = letters.map(|(after_ms, input)| {
                    let told = life.told(after_ms, &input);
                    *known.entry(told).or_insert_with_key(|new| {
                        lives.push(new.clone());
                        lives.len() - 1
                    })
                });
                followers.push(told.collect());
            }
            for &follower in &followers[at] {
                *next.entry(follower).or_default() += ways;
                orders += ways;
            }
        }
        let ended = next.iter().filter(|(at, _)| lives[**at].at == At::Over);
        over += ended.map(|(_, ways)| ways).sum::<u64>();
        layer = next;
    }
    let states = lives.len();
    println!("{first:?}: {orders} orders of inputs over {states} states; {over} whole lives");
    (orders, over)
}

/// Explores, and does not let the exploration shrink unseen.
fn explore_all(first: Kind) {
    let (orders, _) = explore(first, DEPTH, &noises());
    assert!(orders >= 5_300_000, "only {orders} orders");
}

#[test]
fn a_source_keeps_every_rule_in_every_order() {
    explore_all(Kind::Source);
}

#[test]
fn a_build_with_dependencies_keeps_every_rule_in_every_order() {
    explore_all(Kind::Fetch);
}

#[test]
fn a_build_keeps_every_rule_in_every_order() {
    explore_all(Kind::Build);
}

/// Jobs that end in one or two inputs, so that all three attempts with all their jobs are in reach.
/// The counts were worked out by hand: each job ends in 3 ways, each answer goes its one way.
#[test]
fn every_life_ends_exactly_once() {
    let not_started = Input::Exited(Exit::NotStarted("no".to_string()));
    let short = [(1, not_started), (20_000, Input::Time)];
    for (first, lives) in [
        (Kind::Source, 144),
        (Kind::Fetch, 195_126),
        (Kind::Build, 5_967),
    ] {
        let (_, over) = explore(first, 60, &short);
        assert_eq!(over, lives, "{first:?}");
    }
}
