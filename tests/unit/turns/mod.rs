//! What the queue promises, rule by rule.

mod priorities;

use crate::common::rows::in_memory;
use crate::common::seed::Seed;
use zigcheck::app::domain::ids::{BuildId, CheckId, PackageId};
use zigcheck::app::domain::task::{Entry, Priority, Task, WaitReason};
use zigcheck::app::queue::limits::{DUE_LIMIT, ROUND_LIMIT_TENANTS};
use zigcheck::app::queue::queue::Queue;
use zigcheck::app::store::store::Store;

/// A queue with its database, and the time.
struct Line {
    store: Store,
    queue: Queue,
    now: i64,
    next: i64,
    /// Parties, in the order of their starts.
    running: Vec<String>,
}

const MINUTE: i64 = 60_000;

impl Line {
    fn with(slots: usize) -> Line {
        let store = in_memory();
        let queue = Queue::open(slots, &store, 0).unwrap();
        Line {
            store,
            queue,
            now: 0,
            next: 1,
            running: Vec::new(),
        }
    }

    fn restart(&mut self) {
        let slots = self.queue.slots();
        self.queue = Queue::open(slots, &self.store, self.now).unwrap();
        self.running.iter().for_each(|p| self.queue.adopt(p));
    }

    fn push(&mut self, priority: Priority, tenant: &str, popularity: i64) -> BuildId {
        self.push_later(priority, tenant, popularity, None)
    }

    fn push_later(
        &mut self,
        priority: Priority,
        tenant: &str,
        popularity: i64,
        not_before: Option<i64>,
    ) -> BuildId {
        let build = BuildId(self.next);
        self.next += 1;
        let entry = Entry {
            task: Task::Build(build),
            priority,
            tenant: tenant.to_string(),
            popularity,
        };
        let store = &mut self.store;
        let pushed = self.queue.push(store, &entry, not_before, self.now);
        pushed.unwrap();
        build
    }

    fn take(&mut self) -> Option<Entry> {
        let taken = self.queue.take(&mut self.store, self.now).unwrap()?;
        self.running.push(taken.tenant.clone());
        Some(taken)
    }

    fn end(&mut self, which: usize) {
        let tenant = self.running.remove(which);
        self.queue.release(&tenant);
    }

    fn fill(&mut self) -> Vec<Entry> {
        std::iter::from_fn(|| self.take()).collect()
    }

    /// All that starts, where what runs ends in the order of its start.
    fn run_dry(&mut self) -> Vec<Entry> {
        let mut started = self.fill();
        while !self.running.is_empty() {
            self.end(0);
            started.append(&mut self.fill());
        }
        started
    }

    fn order(&self) -> Vec<(Task, Option<WaitReason>)> {
        let places = self.queue.order(&self.store, 256, self.now).unwrap();
        let told = places.into_iter().map(|p| (p.entry.task, p.wait_reason));
        told.collect()
    }
}

fn priority(letter: &str) -> Priority {
    match letter {
        "person" => Priority::Interactive,
        "admin" => Priority::Admin,
        "toolchain" => Priority::Toolchain,
        "recheck" => Priority::Recheck,
        other => panic!("{other}"),
    }
}

#[test]
fn the_rules_one_by_one() {
    // What waits: priority, tenant, popularity, numbered from 1; and the order of its starts.
    let table = [
        (
            "classes, in their order",
            1,
            "recheck x 9, toolchain x 5, admin x 1, person A 0",
            "4 3 2 1",
        ),
        (
            "popular before others",
            1,
            "admin x 1, admin y 3, admin x 2",
            "2 3 1",
        ),
        (
            "then the oldest",
            1,
            "recheck y 1, recheck x 1, recheck z 1",
            "1 2 3",
        ),
        (
            "people take turns",
            1,
            "person A 0, person A 0, person A 0, person B 0, person C 0, person C 0",
            "1 4 5 2 6 3",
        ),
        (
            "however popular the builds of one are",
            1,
            "person A 9, person A 9, person B 0, person B 1",
            "1 4 2 3",
        ),
        (
            "owners do not: popularity decides alone",
            1,
            "recheck x 9, recheck x 8, recheck y 7, recheck x 7",
            "1 2 3 4",
        ),
        (
            "half of the slots for one tenant, if others wait",
            4,
            "recheck x 9, recheck x 8, recheck x 7, recheck y 1",
            "1 2 4 3",
        ),
        (
            "in whatever priority",
            2,
            "person A 9, person A 8, person A 7, recheck x 0",
            "1 4 2 3",
        ),
        (
            "one of three slots is half",
            3,
            "admin x 1, admin x 1, admin y 0",
            "1 3 2",
        ),
        (
            "all slots, where nobody waits",
            4,
            "person A 0, person A 0, person A 0",
            "1 2 3",
        ),
    ];
    for (rule, slots, waiting, wanted) in table {
        let mut line = Line::with(slots);
        for words in waiting.split(", ") {
            let words: Vec<&str> = words.split(' ').collect();
            line.push(priority(words[0]), words[1], words[2].parse().unwrap());
        }
        let told = line.order();
        let text = |tasks: &mut dyn Iterator<Item = Task>| {
            let ids = tasks.map(|task| task.id().to_string());
            ids.collect::<Vec<_>>().join(" ")
        };
        let started = line.run_dry();
        let started = text(&mut started.into_iter().map(|entry| entry.task));
        assert_eq!(started, wanted, "{rule}");
        let told = text(&mut told.into_iter().map(|place| place.0));
        assert_eq!(told, wanted, "{rule}, as it is told");
    }
}

/// How many running builds end until this one starts.
fn ends_until(line: &mut Line, build: BuildId, chance: &mut Seed) -> usize {
    let mut finish = 0;
    loop {
        let started = line.fill();
        if started.iter().any(|entry| entry.task == Task::Build(build)) {
            return finish;
        }
        let which = chance.below(line.running.len());
        line.end(which);
        finish += 1;
    }
}

#[test]
fn ten_thousand_builds_of_one_delay_anothers_by_one_running_build_at_most() {
    for slots in 1..=4 {
        let mut chance = Seed(slots as u64);
        let mut line = Line::with(slots);
        for _ in 0..10_000 {
            line.push(Priority::Interactive, "bulk", chance.below(9) as i64);
        }
        line.fill();
        let (mut singles, mut most) = (0, 0);
        while line.queue.waiting() > 1_000 {
            // One that comes back, and one that was never here.
            for tenant in ["other".to_string(), format!("new {singles}")] {
                let build = line.push(Priority::Interactive, &tenant, 0);
                let finish = ends_until(&mut line, build, &mut chance);
                assert!(
                    finish <= 1,
                    "{slots} slots, single {singles}: {finish} ends"
                );
                most = most.max(finish);
                while let Some(its) = line.running.iter().position(|of| *of == tenant) {
                    line.end(its);
                }
                line.fill();
                singles += 1;
            }
            for _ in 0..chance.below(9) {
                let which = chance.below(line.running.len());
                line.end(which);
                line.fill();
            }
            if chance.once_in(50) {
                line.restart();
            }
        }
        assert!(singles > 1_000 && most == 1, "{slots} slots");
    }
}

#[test]
fn who_comes_again_each_time_gets_every_second_start() {
    let mut line = Line::with(1);
    for _ in 0..20 {
        line.push(Priority::Interactive, "bulk", 0);
    }
    line.push(Priority::Interactive, "again", 9);
    let mut started = Vec::new();
    for _ in 0..20 {
        let entry = line.take().unwrap();
        if entry.tenant == "again" {
            line.push(Priority::Interactive, "again", 9);
        }
        started.push(entry.tenant);
        line.end(0);
    }
    let bulk = started.iter().filter(|tenant| *tenant == "bulk").count();
    assert_eq!(bulk, 10, "{started:?}");
}

#[test]
fn who_was_passed_over_for_its_share_has_no_claim_to_the_rounds_it_missed() {
    let mut line = Line::with(4);
    for number in 0..60 {
        line.push(Priority::Interactive, ["A", "B", "C"][number % 3], 0);
    }
    line.running = vec!["A".to_string(), "A".to_string()];
    line.restart();
    for _ in 0..20 {
        line.fill();
        line.end(2); // of B and C in turn, while those of A go on
    }
    line.end(0);
    line.end(0);
    let started = line.fill();
    let tenants: Vec<&str> = started.iter().map(|entry| entry.tenant.as_str()).collect();
    assert!(matches!(tenants[..], ["A", "B" | "C", ..]), "{tenants:?}");
}

#[test]
fn an_endless_stream_of_new_parties_holds_nobody_up_for_ever() {
    let mut line = Line::with(1);
    for _ in 0..5 {
        line.push(Priority::Interactive, "bulk", 0);
    }
    let mut pauses = Vec::new();
    let mut since = 0;
    for number in 0..5 * ROUND_LIMIT_TENANTS {
        line.push(Priority::Interactive, &format!("new {number}"), 9);
        since += 1;
        if line.take().unwrap().tenant == "bulk" {
            pauses.push(since);
            since = 0;
        }
        line.end(0);
    }
    assert!(pauses.len() >= 2, "{pauses:?}");
    let limit = 2 * ROUND_LIMIT_TENANTS + 2;
    assert!(pauses.iter().all(|pause| *pause <= limit), "{pauses:?}");
}

#[test]
fn a_tenant_at_its_share_is_shown_so_while_others_wait() {
    let mut line = Line::with(4);
    for _ in 0..3 {
        line.push(Priority::Interactive, "A", 0);
    }
    line.fill();
    let fourth = Task::Build(line.push(Priority::Interactive, "A", 0));
    assert_eq!(line.order(), [(fourth, None)]);
    let other = Task::Build(line.push(Priority::Recheck, "x", 0));
    let told = [(other, None), (fourth, Some(WaitReason::FairShare))];
    assert_eq!(line.order(), told);
    line.fill();
    line.end(0);
    line.end(0);
    assert_eq!(line.order(), [(fourth, None)]);
}

#[test]
fn a_paused_task_lets_others_pass_and_keeps_its_age() {
    let mut line = Line::with(1);
    let early = line.push_later(Priority::Admin, "x", 0, Some(500));
    let late = line.push(Priority::Admin, "x", 0);
    let (early, late) = (Task::Build(early), Task::Build(late));
    assert_eq!(
        line.order(),
        [(late, None), (early, Some(WaitReason::Backoff))]
    );
    assert_eq!(line.queue.rank(&line.store, late, 9).unwrap(), Some(1));
    line.now = 500;
    assert_eq!(line.take().map(|entry| entry.task), Some(early));
    assert_eq!(line.queue.deadline(), None);
    line.end(0);
    assert_eq!(line.queue.deadline(), Some(0));
    assert_eq!(line.take().map(|entry| entry.task), Some(late));
    line.end(0);
    let third = Task::Build(line.push_later(Priority::Recheck, "x", 0, Some(900)));
    assert_eq!((line.take(), line.queue.deadline()), (None, Some(900)));
    assert!(line.queue.remove(&mut line.store, third).unwrap());
    assert!(!line.queue.remove(&mut line.store, third).unwrap());
    assert_eq!((line.queue.waiting(), line.queue.deadline()), (0, None));
}

#[test]
fn much_that_is_due_at_once_joins_bit_by_bit() {
    let mut line = Line::with(1);
    let many = DUE_LIMIT as i64 + 1;
    for _ in 0..many {
        line.push_later(Priority::Recheck, "x", 0, Some(100));
    }
    line.push_later(Priority::Interactive, "A", 0, Some(101));
    line.now = 200;
    assert_eq!(line.take().unwrap().priority, Priority::Recheck);
    assert_eq!(line.queue.waiting(), many as u64);
    line.end(0);
    assert_eq!(line.take().unwrap().priority, Priority::Interactive);
    line.end(0);
    assert_eq!(line.run_dry().len(), DUE_LIMIT);
}

#[test]
fn what_is_adopted_holds_slots_that_there_are_not() {
    let mut line = Line::with(1);
    line.push(Priority::Interactive, "A", 0);
    for tenant in ["A", "B"] {
        line.queue.adopt(tenant);
        line.running.push(tenant.to_string());
    }
    assert_eq!((line.queue.running(), line.queue.deadline()), (2, None));
    line.end(1);
    assert_eq!(line.take(), None);
    line.end(0);
    assert_eq!(line.take().unwrap().tenant, "A");
}

#[test]
fn tasks_of_one_number_and_five_kinds_are_five() {
    let mut line = Line::with(1);
    let tasks = [
        Task::FetchSource(CheckId(7)),
        Task::Build(BuildId(7)),
        Task::CheckRemote(PackageId(7)),
        Task::ListCommits(PackageId(7)),
        Task::CheckTargets(BuildId(7)),
    ];
    for task in tasks {
        assert_eq!(Task::from_columns(task.kind(), task.id()), Some(task));
        let entry = Entry {
            task,
            priority: Priority::Interactive,
            tenant: String::new(),
            popularity: 0,
        };
        let store = &mut line.store;
        line.queue.push(store, &entry, None, 0).unwrap();
    }
    assert!(line.queue.remove(&mut line.store, tasks[1]).unwrap());
    let is_waiting = tasks.map(|task| line.queue.is_waiting(&line.store, task).unwrap());
    assert_eq!(is_waiting, [true, false, true, true, true]);
    let started: Vec<Task> = line.run_dry().into_iter().map(|e| e.task).collect();
    assert_eq!(
        started,
        [
            Task::FetchSource(CheckId(7)),
            Task::CheckRemote(PackageId(7)),
            Task::ListCommits(PackageId(7)),
            Task::CheckTargets(BuildId(7)),
        ]
    );
    assert_eq!(Task::from_columns(5, 7), None);
    let numbers = Priority::ALL.map(|priority| Priority::from_number(priority.number()));
    assert_eq!(numbers, Priority::ALL.map(Some));
    assert_eq!(
        (Priority::from_number(-1), Priority::from_number(6)),
        (None, None)
    );
}

#[test]
#[should_panic(expected = "is waiting already")]
fn work_waits_once_at_a_time() {
    let mut line = Line::with(1);
    line.push(Priority::Interactive, "A", 0);
    line.next -= 1;
    line.push(Priority::Admin, "x", 0);
}

#[test]
#[should_panic(expected = "given back twice")]
fn a_slot_is_given_back_once() {
    let mut line = Line::with(1);
    line.push(Priority::Interactive, "A", 0);
    line.take();
    line.queue.release("A");
    line.queue.release("A");
}
