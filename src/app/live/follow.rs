//! The progress of one check: a line for each event, and the matrix at the end.

use serde_json::json;

use crate::app::domain::ids::{BuildId, CheckId};
use crate::app::domain::verdict::State;
use crate::app::live::events::{self, EventLog};
use crate::app::live::subscription::ProgressFormat;
use crate::app::render::{matrix, required};
use crate::app::store::builds::{self, BuildRow};
use crate::app::store::checks::{self, CheckRow};
use crate::app::store::events::BuildEvent;
use crate::app::store::store::{self, Store};
use crate::interface::event::Pull;

/// What a follower reads to make its lines.
pub struct FollowContext<'a> {
    pub store: &'a Store,
    pub event_log: &'a EventLog,
    /// The position of a build in the queue.
    pub position: &'a dyn Fn(BuildId) -> Option<usize>,
}

#[derive(Debug)]
pub struct Follower {
    check: CheckRow,
    format: ProgressFormat,
    /// The versions that must be green or amber.
    required: Vec<String>,
    /// The number of the next event to read.
    next: u64,
    /// Each build with the last state that was reported; `None` before the first report.
    reported: Vec<(BuildId, Option<State>)>,
    /// Text that the connection has not taken yet.
    pending: Vec<u8>,
    /// The last pull, once the result was reported.
    ended: Option<Pull>,
}

impl Follower {
    /// A follower of a check and its builds: from event `next` on; without it, their present states and later
    /// events.
    pub fn new(
        check: CheckRow,
        builds: &[BuildRow],
        (format, required): (ProgressFormat, Vec<String>),
        next: Option<u64>,
    ) -> Follower {
        let pending = match format {
            ProgressFormat::Text => matrix::title(&check) + "\n\n",
            ProgressFormat::Json => String::new(),
        };
        Follower {
            check,
            format,
            required,
            // No event has number 0, so `catch_up` reports the present states.
            next: next.unwrap_or(0),
            reported: builds.iter().map(|build| (build.id, None)).collect(),
            pending: pending.into_bytes(),
            ended: None,
        }
    }

    /// The id of the check.
    pub fn check(&self) -> CheckId {
        self.check.id
    }

    /// Skips the events before number `seq`.
    pub fn skip_to(&mut self, seq: u64) {
        self.next = seq;
    }

    /// Appends at most `space` further bytes. A database error ends the answer, unfinished; so does a result that is
    /// not what is required.
    pub fn pull(&mut self, cx: &FollowContext, space: usize, out: &mut Vec<u8>) -> Pull {
        if self.pending.is_empty() && self.ended.is_none() && self.read_events(cx).is_err() {
            return Pull::Unfinished;
        }
        if self.pending.is_empty() {
            return self.ended.unwrap_or(Pull::Idle);
        }
        let taken = self.pending.len().min(space);
        out.extend(self.pending.drain(..taken));
        if self.pending.is_empty() {
            self.pending = Vec::new();
        }
        Pull::More
    }

    /// Reports the next event, or the present states if events were missed.
    fn read_events(&mut self, cx: &FollowContext) -> store::Result<()> {
        if !cx.event_log.holds(self.next) {
            self.catch_up(cx)?;
        }
        while self.pending.is_empty() {
            let mut entries = cx.event_log.since(self.next);
            let is_own =
                |event: &BuildEvent| event.check == self.check.id && event.transition.is_none();
            let Some(entry) = entries.find(|entry| is_own(&entry.event)) else {
                self.next = cx.event_log.next;
                break;
            };
            self.next = entry.event.seq + 1;
            self.report(&entry.event, cx)?;
        }
        if self.all_final() {
            self.report_result(cx)?;
        }
        Ok(())
    }

    /// Reports each build whose state has changed since its last report.
    fn catch_up(&mut self, cx: &FollowContext) -> store::Result<()> {
        self.next = cx.event_log.next;
        for row in builds::of_check(cx.store, self.check.id)? {
            let reported = self.reported.iter().find(|(id, _)| *id == row.id);
            if reported.is_some_and(|(_, state)| *state == Some(row.state)) {
                continue;
            }
            let at = match row.state {
                State::Queued => row.created_at,
                _ => row.finished_at.or(row.started_at).unwrap_or(row.created_at),
            };
            let event = BuildEvent::of(&row, self.next.saturating_sub(1), at);
            self.report(&event, cx)?;
        }
        if checks::by_id(cx.store, self.check.id)?.is_none() {
            // Deleted with its package: no event follows.
            for (_, state) in &mut self.reported {
                *state = Some(State::Cancelled);
            }
        }
        Ok(())
    }

    fn report(&mut self, event: &BuildEvent, cx: &FollowContext) -> store::Result<()> {
        if let Some((_, state)) = self.reported.iter_mut().find(|(id, _)| *id == event.build) {
            *state = Some(event.state);
        }
        let text = match self.format {
            ProgressFormat::Json => events::json(event) + "\n",
            ProgressFormat::Text => self.line(event, cx)?,
        };
        self.pending.extend_from_slice(text.as_bytes());
        Ok(())
    }

    /// `0.17.1  building…  12.3 s`; under a failed build, its first errors.
    fn line(&self, event: &BuildEvent, cx: &FollowContext) -> store::Result<String> {
        let seconds = (event.at - self.check.created_at).max(0) as f64 / 1000.0;
        let row = builds::by_id(cx.store, event.build)?;
        let ended = row.as_ref().filter(|_| event.state.is_final());
        let (word, detail) = match ended {
            Some(row) => {
                let (verdict, detail) = matrix::describe(row);
                (verdict.to_string(), detail)
            }
            None => {
                let attempt = row.as_ref().map_or(1, |row| row.attempt);
                (
                    format!("{}…", event.state.as_str()),
                    open_detail(event, attempt, cx),
                )
            }
        };
        let columns = matrix::columns(&event.zig_version, &word, &detail);
        let line = format!("{columns} {seconds:>8.1} s\n");
        Ok(line + &ended.map(matrix::errors).unwrap_or_default())
    }

    /// True if a final state of every build was reported.
    fn all_final(&self) -> bool {
        let is_final = |state: Option<State>| state.is_some_and(State::is_final);
        self.reported.iter().all(|(_, state)| is_final(*state))
    }

    /// Reports the result of the check, the last line.
    fn report_result(&mut self, cx: &FollowContext) -> store::Result<()> {
        let check = checks::by_id(cx.store, self.check.id)?;
        let builds = builds::of_check(cx.store, self.check.id)?;
        let unmet = required::unmet(&self.required, &builds);
        self.ended = Some(match unmet.is_empty() {
            true => Pull::End,
            false => Pull::Unfinished,
        });
        let all = self.reported.len();
        let text = match self.format {
            ProgressFormat::Text => {
                let matrix = matrix::without_errors(check.as_ref().unwrap_or(&self.check), &builds);
                let deleted = match check {
                    Some(_) => matrix::cached_note(&builds),
                    None => "the package was deleted\n",
                };
                let closing = required::closing(&self.required, &builds, all);
                format!("\n{matrix}{deleted}{closing}")
            }
            ProgressFormat::Json => {
                let (check, good) = (self.check.id.get(), required::good(&builds));
                let mut result =
                    json!({"type": "result", "check": check, "success": good, "builds": all});
                if !self.required.is_empty() {
                    result["unmet"] = json!(unmet);
                }
                result.to_string() + "\n"
            }
        };
        self.pending.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

/// The detail of a build that has not ended.
fn open_detail(event: &BuildEvent, attempt: u32, cx: &FollowContext) -> String {
    let queued = event.state == State::Queued;
    let position = queued.then(|| (cx.position)(event.build)).flatten();
    let position = position.map(|position| format!("place {position} in the queue"));
    let attempt = (attempt > 1).then(|| format!("attempt {attempt}"));
    let parts: Vec<String> = attempt.into_iter().chain(position).collect();
    parts.join(", ")
}
