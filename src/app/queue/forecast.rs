//! Estimated starts: the queue played forward with the durations of past builds.
//!
//! All times are in milliseconds from now.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};

use crate::app::domain::task::Task;

/// A task that runs or waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    pub task: Task,
    /// The earliest start; 0 if it runs.
    pub not_before_ms: u64,
    /// Its duration from its start or, if it runs, from now. If unknown, its slot counts as never free again, so that
    /// no estimate rests on it.
    pub takes_ms: Option<u64>,
    /// The builds that join the end of the queue when it is done, with their durations.
    pub then: Vec<(Task, Option<u64>)>,
}

/// The estimated start of each waiting task and of the builds that follow. Each of `running` holds one of `slots`; a
/// task without an entry has no estimate.
pub fn starts(slots: usize, running: Vec<Piece>, waiting: Vec<Piece>) -> HashMap<Task, u64> {
    let mut play = Play {
        now_ms: 0,
        free: slots.saturating_sub(running.len()),
        finish: BinaryHeap::new(),
        behind: Vec::new(),
        waiting: waiting.into(),
        start: HashMap::new(),
    };
    for piece in running {
        play.begin(piece);
    }
    while let Some(now_ms) = play.next_ms() {
        play.now_ms = now_ms;
        play.end_due();
        while let Some(piece) = play.take() {
            play.start.insert(piece.task, now_ms);
            play.begin(piece);
        }
    }
    play.start
}

struct Play {
    now_ms: u64,
    free: usize,
    /// When slots come free, and the index in `behind` of the builds that then join the queue.
    finish: BinaryHeap<Reverse<(u64, usize)>>,
    behind: Vec<Vec<(Task, Option<u64>)>>,
    waiting: VecDeque<Piece>,
    start: HashMap<Task, u64>,
}

impl Play {
    /// The next time at which a slot comes free, or at which a task may take a free one.
    fn next_ms(&self) -> Option<u64> {
        let end = self.finish.peek().map(|Reverse((end, _))| *end);
        let ready = || self.waiting.iter().map(|piece| piece.not_before_ms).min();
        let ready = if self.free > 0 { ready() } else { None };
        let next = end.into_iter().chain(ready).min();
        next.map(|next| next.max(self.now_ms))
    }

    fn begin(&mut self, piece: Piece) {
        if let Some(takes) = piece.takes_ms {
            let end = self.now_ms.saturating_add(takes);
            self.finish.push(Reverse((end, self.behind.len())));
            self.behind.push(piece.then);
        }
    }

    fn end_due(&mut self) {
        while let Some(Reverse((end, at))) = self.finish.peek().copied() {
            if end > self.now_ms {
                break;
            }
            self.finish.pop();
            self.free += 1;
            let then = std::mem::take(&mut self.behind[at]);
            self.waiting
                .extend(then.into_iter().map(|(task, takes_ms)| Piece {
                    task,
                    not_before_ms: self.now_ms,
                    takes_ms,
                    then: Vec::new(),
                }));
        }
    }

    fn take(&mut self) -> Option<Piece> {
        if self.free == 0 {
            return None;
        }
        let due = |piece: &Piece| piece.not_before_ms <= self.now_ms;
        let ready = self.waiting.iter().position(due)?;
        self.free -= 1;
        self.waiting.remove(ready)
    }
}
