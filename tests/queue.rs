//! The queue against a plain list, by seeded chance.

#[path = "common/seed.rs"]
mod seed;

use seed::Seed;
use zigcheck::queue::{Queue, Work};

/// What the queue promises, said without any cleverness.
struct Model {
    slots: usize,
    running: Vec<Work>,
    /// In the order of coming, each with its earliest start.
    waiting: Vec<(Work, u64)>,
}

impl Model {
    fn take(&mut self, now: u64) -> Option<Work> {
        if self.running.len() == self.slots {
            return None;
        }
        let ready = self.waiting.iter().position(|(_, from)| *from <= now)?;
        let (work, _) = self.waiting.remove(ready);
        self.running.push(work);
        Some(work)
    }

    fn deadline(&self) -> Option<u64> {
        let free = self.running.len() < self.slots;
        let soonest = self.waiting.iter().map(|(_, from)| *from).min();
        soonest.filter(|_| free)
    }

    fn position(&self, work: Work) -> Option<usize> {
        let ahead = self.waiting.iter().position(|(known, _)| *known == work);
        ahead.map(|ahead| ahead + 1)
    }
}

/// Gives how often work was taken, and how often a free slot found none whose time had come.
fn run(seed: u64, slots: usize) -> (usize, usize) {
    let mut chance = Seed(seed);
    let mut queue = Queue::new(slots);
    let mut model = Model {
        slots,
        running: Vec::new(),
        waiting: Vec::new(),
    };
    let (mut now, mut taken, mut held_back) = (1_000, 0, 0);
    for step in 0..2_000 {
        match chance.below(5) {
            0 | 1 => {
                // Few names, so that builds and sources of one number meet.
                let id = chance.between(1, 12) as i64;
                let work = match chance.once_in(3) {
                    true => Work::Source(id),
                    false => Work::Build(id),
                };
                if model.position(work).is_none() && !model.running.contains(&work) {
                    let from = now + [0, 0, 9, 40, 200][chance.below(5)];
                    queue.push(work, from);
                    model.waiting.push((work, from));
                }
            }
            2 => {
                let (got, wanted) = (queue.take(now), model.take(now));
                assert_eq!(got, wanted, "seed {seed}, step {step}");
                taken += usize::from(got.is_some());
                let free = model.running.len() < slots;
                held_back += usize::from(got.is_none() && free && !model.waiting.is_empty());
            }
            3 => {
                if !model.running.is_empty() {
                    let which = chance.below(model.running.len());
                    let work = model.running.swap_remove(which);
                    queue.release();
                    if chance.once_in(4) {
                        queue.push(work, now + 10);
                        model.waiting.push((work, now + 10));
                    }
                }
            }
            _ => now += chance.between(0, 8) as u64,
        }
        assert!(queue.running() <= slots, "seed {seed}, step {step}");
        let said = (queue.running(), queue.waiting(), queue.deadline_ms());
        let true_ones = (model.running.len(), model.waiting.len(), model.deadline());
        assert_eq!(said, true_ones, "seed {seed}, step {step}");
        let in_order: Vec<(Work, u64)> = queue.in_order().collect();
        assert_eq!(in_order, model.waiting, "seed {seed}, step {step}");
        let id = chance.between(0, 12) as i64;
        for work in [Work::Source(id), Work::Build(id)] {
            let (said, wanted) = (queue.position(work), model.position(work));
            assert_eq!(said, wanted, "seed {seed}, step {step}: {work:?}");
        }
    }
    (taken, held_back)
}

#[test]
fn the_queue_does_what_a_plain_list_does() {
    let (mut taken, mut held_back) = (0, 0);
    for seed in 1..=40 {
        let of_run = run(seed, 1 + seed as usize % 5);
        taken += of_run.0;
        held_back += of_run.1;
    }
    println!("{taken} taken, {held_back} times held back");
    assert!(taken > 8_000, "only {taken} were taken");
    assert!(
        held_back > 400,
        "only {held_back} times was anything held back"
    );
}

#[test]
fn work_held_back_lets_later_work_pass_and_keeps_its_place() {
    let mut queue = Queue::new(2);
    queue.push(Work::Build(1), 500);
    queue.push(Work::Build(2), 0);
    queue.push(Work::Build(3), 0);
    assert_eq!(queue.take(499), Some(Work::Build(2)));
    assert_eq!(queue.position(Work::Build(1)), Some(1));
    assert_eq!(queue.take(500), Some(Work::Build(1)));
    assert_eq!((queue.take(500), queue.deadline_ms()), (None, None));
    queue.release();
    assert_eq!(queue.deadline_ms(), Some(0));
    assert_eq!(queue.take(500), Some(Work::Build(3)));
}

#[test]
fn a_source_and_a_build_of_one_number_are_two_things() {
    let mut queue = Queue::new(1);
    queue.push(Work::Source(7), 0);
    queue.push(Work::Build(7), 0);
    assert_eq!(queue.position(Work::Build(7)), Some(2));
    assert_eq!(queue.take(0), Some(Work::Source(7)));
    assert_eq!(queue.position(Work::Source(7)), None);
}

#[test]
#[should_panic(expected = "is waiting already")]
fn work_waits_once_at_a_time() {
    let mut queue = Queue::new(1);
    queue.push(Work::Build(1), 0);
    queue.push(Work::Build(1), 9);
}

#[test]
#[should_panic(expected = "given back twice")]
fn a_slot_is_given_back_once() {
    let mut queue = Queue::new(1);
    queue.push(Work::Build(1), 0);
    queue.take(0);
    queue.release();
    queue.release();
}
