//! The search through commits: every history of up to twelve commits, with any results.

use std::collections::BTreeMap;

use zigcheck::app::domain::commit_list::CommitList;
use zigcheck::app::domain::commit_search::{Known, TryResult};
use zigcheck::app::domain::limits::TRIES_LIMIT;
use zigcheck::app::domain::zig_version::is_named_by;

/// The history of that number: its digits in base three are the results of its commits.
fn history(commits: usize, mut number: usize) -> Vec<TryResult> {
    let results = [TryResult::Fails, TryResult::Works, TryResult::Unclear];
    let digits = (0..commits).map(|_| {
        let digit = number % 3;
        number /= 3;
        results[digit]
    });
    digits.collect()
}

fn known<'a>(
    history: &[TryResult],
    hints: &'a [usize],
    results: &'a BTreeMap<usize, TryResult>,
) -> Known<'a> {
    Known {
        commits: history.len(),
        hints,
        results,
    }
}

/// Searches until nothing is left to try or no tries are left; gives what was tried, in order.
fn search(history: &[TryResult], hints: &[usize], tries: usize) -> Vec<usize> {
    let mut results = BTreeMap::new();
    let mut tried = Vec::new();
    while tried.len() < tries {
        // What is known is all that the next step has: a restart between two tries changes nothing.
        let Some(next) = known(history, hints, &results).next_try() else {
            break;
        };
        let is_new = results.insert(next, history[next]).is_none();
        assert!(is_new, "{next} is tried twice in {history:?}");
        tried.push(next);
        let works = |at: &&usize| history[**at] == TryResult::Works;
        let newest = tried.iter().filter(works).min();
        assert_eq!(
            known(history, hints, &results).answer().as_ref(),
            newest,
            "{history:?}"
        );
    }
    tried
}

#[test]
fn an_answer_with_enough_tries_is_that_of_a_walk_through_all_commits() {
    for commits in 0..=12 {
        for number in 0..3usize.pow(commits as u32) {
            let history = history(commits, number);
            let walk = history
                .iter()
                .position(|result| *result == TryResult::Works);
            for hints in [&[][..], &[3, 7], &[9, 0, 2, 1]] {
                let hints: Vec<usize> = hints.iter().copied().filter(|at| *at < commits).collect();
                let tried = search(&history, &hints, TRIES_LIMIT as usize);
                let works = tried.iter().filter(|at| history[**at] == TryResult::Works);
                assert_eq!(works.min().copied(), walk, "{history:?} with {hints:?}");
            }
        }
    }
}

#[test]
fn no_history_of_twelve_commits_costs_more_than_its_tries_nor_loses_a_try_that_worked() {
    for number in 0..3usize.pow(12) {
        let history = history(12, number);
        let tried = search(&history, &[5], 6);
        assert!(tried.len() <= 6, "{history:?}");
    }
}

#[test]
fn a_history_that_broke_once_is_halved() {
    for commits in [100, 1_000, 5_000] {
        for broke in [1, 2, 3, 10, 70, 99] {
            let mut history = vec![TryResult::Works; commits];
            history[..broke].fill(TryResult::Fails);
            let tried = search(&history, &[], TRIES_LIMIT as usize);
            let works = tried.iter().filter(|at| history[**at] == TryResult::Works);
            assert_eq!(works.min(), Some(&broke), "{tried:?}");
            // Its neighbour is known to fail before any other commit is tried.
            let at = tried
                .iter()
                .position(|at| *at + 1 == broke)
                .expect("a neighbour");
            assert!(at < 2 * broke.ilog2() as usize + 3, "{broke}: {tried:?}");
        }
    }
}

#[test]
fn old_tags_do_not_take_the_tries_from_the_latest_commits() {
    // As zig-args under 0.15.2: three commits work, and all tags are older.
    let mut history = vec![TryResult::Fails; 118];
    history[10..13].fill(TryResult::Works);
    let tags: Vec<usize> = (20..118).step_by(6).collect();
    for hints in [&[7, 75, 89][..], &tags] {
        let tried = search(&history, hints, TRIES_LIMIT as usize);
        assert!(tried.contains(&10), "{tried:?}");
    }
    let tried = search(&history, &[7, 75, 89], TRIES_LIMIT as usize);
    assert!(tried.contains(&9), "{tried:?}");
}

#[test]
fn what_nothing_works_in_is_searched_to_its_end() {
    let history = vec![TryResult::Fails; 40];
    let tried = search(&history, &[], TRIES_LIMIT as usize);
    assert_eq!(&tried[..8], &[0, 1, 2, 4, 8, 16, 32, 39]);
    assert_eq!(tried.len(), TRIES_LIMIT as usize);
}

#[test]
fn a_list_is_read_with_its_positions_and_hints() {
    let hash = |digit: char| digit.to_string().repeat(40);
    let text = format!(
        "complete\n{} 900 - -\n{} 800 v0.4.0 0.16.0\n{} 700 v0.3.0 -\n{} 600 zig-0.14 -\n{} 500 - 0.14.0\n",
        hash('a'),
        hash('b'),
        hash('c'),
        hash('d'),
        hash('e'),
    );
    let list = CommitList::parse(&text).expect("a list");
    assert_eq!(list.commits.len(), 5);
    assert_eq!(list.position(0), Some(4));
    assert_eq!(list.commits[1].tag.as_deref(), Some("v0.4.0"));
    assert_eq!(list.commits[1].time, 800);
    assert_eq!(list.hints("0.17.1"), [1, 2, 3]);
    // The last commit before the minimum became too new, then the tags that it does not exclude.
    assert_eq!(list.hints("0.15.2"), [2, 3]);
    // A tag that names the version comes first.
    assert_eq!(list.hints("0.14.1"), [3, 2]);
    // Below every minimum: nothing is likely.
    assert_eq!(list.hints("0.13.0"), [] as [usize; 0]);
    let truncated = CommitList::parse(&text.replacen("complete", "truncated", 1));
    assert_eq!(truncated.expect("a list").position(0), None);
}

#[test]
fn a_text_that_is_no_list_is_none() {
    let hash = "a".repeat(40);
    for text in [
        String::new(),
        "complete\n".to_string(),
        format!("whole\n{hash} 1 - -\n"),
        format!("complete\n{hash} 1 -\n"),
        format!("complete\n{hash} 1 - - -\n"),
        format!("complete\n{hash} -1 - -\n"),
        format!("complete\n{} 1 - -\n", "g".repeat(40)),
        format!("complete\n{}", format!("{hash} 1 - -\n").repeat(5_001)),
    ] {
        assert_eq!(CommitList::parse(&text), None, "{text:.60}");
    }
}

#[test]
fn a_tag_names_a_version() {
    for (tag, is_named) in [
        ("zig-0.14", true),
        ("v1.2-zig0.14.1", true),
        ("zig/v0.14", true),
        ("ZIG-0.14-rc", true),
        ("zig-0.14.2", false),
        ("zig-0.145", false),
        ("0.14.1", false),
        ("zig", false),
    ] {
        assert_eq!(is_named_by("0.14.1", tag), is_named, "{tag}");
    }
}
