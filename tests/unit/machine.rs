//! The machine of a build, told every order of inputs.

use std::collections::{BTreeMap, HashMap};

use crate::life::inputs::{error, noises};
use crate::life::{At, Life};
use zigcheck::app::builds::build::{Input, JobKind, JobOutcome};
use zigcheck::app::builds::limits::{ERRORS_LIMIT, VACATED_LIMIT};
use zigcheck::interface::event::Exit;

/// Inputs in one order.
const DEPTH: usize = 7;

/// Tells every order of inputs up to that depth; gives how many orders there were and how many of
/// them are whole lives. Lives that have become equal go on as one, counted as often.
fn explore(name: &str, first: Life, depth: usize, of_job: &[(u64, Input)]) -> (u64, u64) {
    let mut lives = vec![first];
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
    println!("{name}: {orders} orders of inputs over {states} states; {over} whole lives");
    (orders, over)
}

/// Explores, and does not let the exploration shrink unseen.
fn explore_all(name: &str, first: Life) {
    let (orders, _) = explore(name, first, DEPTH, &noises());
    assert!(orders >= 5_300_000, "only {orders} orders");
}

#[test]
fn a_source_keeps_every_rule_in_every_order() {
    explore_all("a source", Life::new(JobKind::FetchSource));
}

#[test]
fn a_look_at_a_remote_keeps_every_rule_in_every_order() {
    explore_all("a remote", Life::new(JobKind::ResolveRemote));
}

#[test]
fn an_analysis_for_other_targets_keeps_every_rule_in_every_order() {
    explore_all("targets", Life::new(JobKind::CheckTargets));
}

#[test]
fn a_build_with_dependencies_keeps_every_rule_in_every_order() {
    explore_all("a fetch", Life::new(JobKind::FetchDependencies));
}

#[test]
fn a_build_keeps_every_rule_in_every_order() {
    explore_all("a build", Life::new(JobKind::Build));
}

#[test]
fn a_build_that_reuses_a_cache_keeps_every_rule_in_every_order() {
    explore_all("a build with a cache", Life::new(JobKind::Build).reusing());
    let adopted = Life::adopted((2, 1), true, 5_000);
    explore_all("adopted, with a cache", adopted.reusing());
}

#[test]
fn an_adopted_build_keeps_every_rule_in_every_order() {
    let last = (4, 3);
    // Restarts have cost it attempts, and none of them counts as an error.
    let restarted = (7, 1);
    for (row, testing, until) in [
        ((1, 0), false, 5_000),
        (last, true, 5_000),
        (restarted, true, 0),
    ] {
        explore_all(
            &format!("adopted {row:?}"),
            Life::adopted(row, testing, until),
        );
    }
}

#[test]
fn a_build_on_a_cluster_keeps_every_rule_in_every_order() {
    explore_all("a build on a cluster", Life::new(JobKind::Place));
}

/// Nodes that go with their builds cost a build nothing, at first.
#[test]
fn a_build_that_ends_its_nodes_comes_to_an_end() {
    let mut life = Life::new(JobKind::Place);
    let not_started = || (1, Input::Exited(Exit::NotStarted("no".to_string())));
    let gives = |outcome| (1, Input::Interpreted(outcome));
    for attempt in 1.. {
        let inputs = [
            (3_600_000, Input::Start(JobKind::Place)),
            not_started(),
            gives(JobOutcome::Then(JobKind::Build)),
            not_started(),
            gives(JobOutcome::Then(JobKind::Inspect)),
            not_started(),
            gives(JobOutcome::Vacated(error())),
        ];
        life = inputs
            .iter()
            .fold(life, |life, (after_ms, input)| life.told(*after_ms, input));
        if life.at == At::Over {
            assert_eq!(attempt, VACATED_LIMIT + ERRORS_LIMIT);
            return;
        }
    }
}

/// Jobs that end in one input, so that looks follow each other as often as they may.
#[test]
fn looks_go_round_and_are_given_up_at_last() {
    let short = [(1, Input::Exited(Exit::NotStarted("no".to_string())))];
    let (orders, over) = explore("looks", Life::adopted((1, 0), false, 9_000), 24, &short);
    assert!(over > 30_000, "{orders} orders, {over} whole lives");
}

/// The lives of four attempts, each of which has E answers that end the life and R that lead to another attempt, those of
/// all its jobs included. The last one ends the life in any case.
fn lives(e: u64, r: u64) -> u64 {
    e + r * (e + r * (e + r * (e + r)))
}

/// Jobs that end in one or two inputs, so that all attempts with all their jobs are in reach. The
/// counts were worked out by hand: each job ends in 3 ways.
#[test]
fn every_life_ends_exactly_once() {
    let not_started = Input::Exited(Exit::NotStarted("no".to_string()));
    let short = [(1, not_started), (20_000, Input::Time)];
    // The rest of the output: E 6, R 6. A look: E 6 + 3 * 6, R 6 + 3 * 6.
    for (first, e, r) in [
        (JobKind::FetchSource, 9, 3),
        (JobKind::CheckTargets, 9, 3),
        (JobKind::Build, 9 + 3 * 24, 3 + 3 * 24),
        (JobKind::FetchDependencies, 6 + 3 * 81, 3 + 3 * 75),
    ] {
        let name = format!("{first:?}, calm");
        let (_, over) = explore(&name, Life::calm(first), 120, &short);
        assert_eq!(over, lives(e, r), "{first:?}");
    }
}

/// A build with a cache is in doubt at most once, and that costs no attempt: each doubt is followed by a life without
/// one. Of the answers of a job 2 are doubts, those of the jobs behind it included: 6 of the rest of the output,
/// 6 + 3 * 6 of a look, 6 + 3 * 24 of a build.
#[test]
fn a_build_in_doubt_has_all_its_attempts_without_the_cache() {
    let not_started = Input::Exited(Exit::NotStarted("no".to_string()));
    let short = [(1, not_started), (20_000, Input::Time)];
    let first = Life::calm(JobKind::Build).reusing();
    let (_, over) = explore("a build with a cache, calm", first, 150, &short);
    let doubts = 6 + 3 * 24;
    assert_eq!(over, (1 + doubts) * lives(9 + 3 * 24, 3 + 3 * 24));
}
