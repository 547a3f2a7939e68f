//! The forecast against a clock that ticks: a plain list of slots, moved on a millisecond at a
//! time.

use std::collections::HashMap;

use crate::common::seed::Seed;
use zigcheck::app::domain::ids::{BuildId, CheckId};
use zigcheck::app::domain::task::Task;
use zigcheck::app::queue::forecast::{Piece, starts};

const TICKS: u64 = 3_000;

/// Every slot is a time to its end, or none where that is not known.
fn by_ticks(slots: usize, running: &[Piece], waiting: &[Piece]) -> HashMap<Task, u64> {
    let mut starts = HashMap::new();
    let mut held: Vec<(Option<u64>, Piece)> = Vec::new();
    for piece in running {
        held.push((piece.takes_ms, piece.clone()));
    }
    let mut queue = waiting.to_vec();
    let mut now = 0;
    while now < TICKS {
        // Tasks that end at the same time end in the order of their starts, and their builds join in that order.
        let mut ended: Vec<Piece> = Vec::new();
        held.retain(|(end, piece)| {
            let over = end.is_some_and(|end| end <= now);
            ended.extend(over.then(|| piece.clone()));
            !over
        });
        for (task, takes_ms) in ended.iter().flat_map(|piece| &piece.then) {
            queue.push(Piece {
                task: *task,
                not_before_ms: 0,
                takes_ms: *takes_ms,
                then: Vec::new(),
            });
        }
        let mut took_no_time = false;
        while held.len() < slots {
            let Some(at) = queue.iter().position(|piece| piece.not_before_ms <= now) else {
                break;
            };
            let piece = queue.remove(at);
            assert_eq!(starts.insert(piece.task, now), None, "started twice");
            took_no_time |= piece.takes_ms == Some(0);
            held.push((piece.takes_ms.map(|takes| now + takes), piece));
        }
        // What takes no time ends before the clock moves.
        now += u64::from(!took_no_time);
    }
    starts
}

fn piece(chance: &mut Seed, id: i64, running: bool) -> Piece {
    let takes = |chance: &mut Seed| match chance.below(9) {
        0 => None,
        1 => Some(0),
        _ => Some(chance.between(1, 60) as u64),
    };
    let source = chance.once_in(4);
    let then = (0..4).map(|n| (Task::Build(BuildId(1_000 + id * 10 + n)), takes(chance)));
    let then: Vec<(Task, Option<u64>)> = then.collect();
    Piece {
        task: if source {
            Task::FetchSource(CheckId(id))
        } else {
            Task::Build(BuildId(id))
        },
        not_before_ms: match chance.once_in(4) && !running {
            true => chance.between(1, 90) as u64,
            false => 0,
        },
        takes_ms: takes(chance),
        then: if source { then } else { Vec::new() },
    }
}

#[test]
fn the_forecast_is_what_a_clock_comes_to() {
    let (mut said, mut unsaid, mut late) = (0, 0, 0);
    for seed in 1..=600 {
        let mut chance = Seed(seed);
        let slots = chance.between(1, 5);
        let busy = chance.between(0, slots);
        let running: Vec<Piece> = (0..busy)
            .map(|id| piece(&mut chance, id as i64, true))
            .collect();
        let count = chance.between(0, 30);
        let waiting: Vec<Piece> = (0..count)
            .map(|id| piece(&mut chance, 100 + id as i64, false))
            .collect();
        let wanted = by_ticks(slots, &running, &waiting);
        let got = starts(slots, running, waiting.clone());
        let mut tasks: Vec<Task> = wanted.keys().chain(got.keys()).copied().collect();
        tasks.sort_unstable();
        for task in tasks {
            assert_eq!(got.get(&task), wanted.get(&task), "seed {seed}: {task:?}");
        }
        said += got.len();
        late += got.values().filter(|start| **start > 0).count();
        unsaid += waiting
            .iter()
            .filter(|p| !got.contains_key(&p.task))
            .count();
    }
    println!("{said} said, {late} of them later than now, {unsaid} not");
    assert!(
        said > 5_000 && late > 4_000 && unsaid > 1_000,
        "{said} {late} {unsaid}"
    );
}

fn build(id: i64, takes_ms: Option<u64>) -> Piece {
    Piece {
        task: Task::Build(BuildId(id)),
        not_before_ms: 0,
        takes_ms,
        then: Vec::new(),
    }
}

#[test]
fn slots_come_free_one_by_one() {
    let running = vec![build(1, Some(30)), build(2, Some(10))];
    let waiting = vec![build(3, Some(5)), build(4, Some(5)), build(5, None)];
    let starts = starts(2, running, waiting);
    let of = |id: i64| starts.get(&Task::Build(BuildId(id))).copied();
    assert_eq!((of(3), of(4), of(5)), (Some(10), Some(15), Some(20)));
    assert_eq!(of(1), None, "it runs already");
}

#[test]
fn no_promise_is_built_on_what_is_not_known() {
    let waiting = vec![build(2, Some(5)), build(3, Some(5))];
    let none = starts(1, vec![build(1, None)], waiting.clone());
    assert!(none.is_empty());
    let overdue = starts(1, vec![build(1, Some(0))], waiting);
    assert_eq!(overdue[&Task::Build(BuildId(2))], 0);
    assert_eq!(overdue[&Task::Build(BuildId(3))], 5);
}

#[test]
fn builds_join_the_end_of_the_queue_when_their_source_is_there() {
    let mut source = build(0, Some(10));
    source.task = Task::FetchSource(CheckId(9));
    source.then = vec![
        (Task::Build(BuildId(1)), Some(7)),
        (Task::Build(BuildId(2)), Some(7)),
    ];
    let waiting = vec![source, build(3, Some(100))];
    let starts = starts(1, Vec::new(), waiting);
    let of = |task: Task| starts[&task];
    assert_eq!(
        (
            of(Task::FetchSource(CheckId(9))),
            of(Task::Build(BuildId(3)))
        ),
        (0, 10)
    );
    assert_eq!(
        (of(Task::Build(BuildId(1))), of(Task::Build(BuildId(2)))),
        (110, 117)
    );
}

#[test]
fn no_slots_no_start() {
    assert!(starts(0, Vec::new(), vec![build(1, Some(1))]).is_empty());
}
