//! One check, told line by line to who waits for it: each change as it comes, the matrix at the end.

use serde_json::json;

use crate::app::domain::verdict::{BuildStatus, State};
use crate::app::live::events::{self, EventLog};
use crate::app::live::subscription::ProgressFormat;
use crate::app::render::matrix;
use crate::app::store::builds::BuildRow;
use crate::app::store::checks::CheckRow;
use crate::app::store::events::BuildEvent;
use crate::app::store::store::{self, Store};
use crate::interface::event::Pull;

/// What a follower's lines are made of.
pub struct FollowContext<'a> {
    pub store: &'a Store,
    pub event_log: &'a EventLog,
    /// Where a build stands in the queue.
    pub position: &'a dyn Fn(i64) -> Option<usize>,
}

#[derive(Debug)]
pub struct Follower {
    check: CheckRow,
    format: ProgressFormat,
    /// The number of the next event to look at.
    next: u64,
    /// Each build, and the state it was last told in; none before it was told of.
    shown: Vec<(i64, Option<State>)>,
    /// Told, and not yet taken by the connection.
    pending: Vec<u8>,
    over: bool,
}

impl Follower {
    /// Tells of that check and these builds of it: what happened from event `next` on or, without
    /// one, how things are and what happens from now on.
    pub fn new(
        check: CheckRow,
        builds: &[BuildRow],
        format: ProgressFormat,
        next: Option<u64>,
    ) -> Follower {
        let pending = match format {
            ProgressFormat::Text => matrix::title(&check) + "\n\n",
            ProgressFormat::Json => String::new(),
        };
        Follower {
            check,
            format,
            // No event has that number: it is as if all of them were missed.
            next: next.unwrap_or(0),
            shown: builds.iter().map(|build| (build.id, None)).collect(),
            pending: pending.into_bytes(),
            over: false,
        }
    }

    /// The number of its check.
    pub fn check(&self) -> i64 {
        self.check.id
    }

    /// All that came before that event was looked at.
    pub fn skip_to(&mut self, seq: u64) {
        self.next = seq;
    }

    /// At most `room` further bytes. A database that fails cuts the answer off.
    pub fn pull(&mut self, cx: &FollowContext, room: usize, out: &mut Vec<u8>) -> Pull {
        if self.pending.is_empty() && !self.over && self.look(cx).is_err() {
            return Pull::End;
        }
        if self.pending.is_empty() {
            return if self.over { Pull::End } else { Pull::Idle };
        }
        let taken = self.pending.len().min(room);
        out.extend(self.pending.drain(..taken));
        if self.pending.is_empty() {
            self.pending = Vec::new();
        }
        Pull::More
    }

    /// Tells of the next event, or of all that was missed.
    fn look(&mut self, cx: &FollowContext) -> store::Result<()> {
        if !cx.event_log.holds(self.next) {
            self.catch_up(cx)?;
        }
        while self.pending.is_empty() {
            let mut coming = cx.event_log.since(self.next);
            let Some(kept) = coming.find(|kept| kept.event.check == self.check.id) else {
                self.next = cx.event_log.next();
                break;
            };
            self.next = kept.event.seq + 1;
            self.tell(&kept.event, cx)?;
        }
        if self.is_settled() {
            self.end(cx)?;
        }
        Ok(())
    }

    /// How things are, for who missed how they came to be so.
    fn catch_up(&mut self, cx: &FollowContext) -> store::Result<()> {
        self.next = cx.event_log.next();
        for row in cx.store.builds_of(self.check.id)? {
            let told = self.shown.iter().find(|(id, _)| *id == row.id);
            if told.is_some_and(|(_, state)| *state == Some(row.state)) {
                continue;
            }
            let at = match row.state {
                State::Queued => row.created_at,
                _ => row.finished_at.or(row.started_at).unwrap_or(row.created_at),
            };
            let event = BuildEvent::of(&row, self.next.saturating_sub(1), at);
            self.tell(&event, cx)?;
        }
        Ok(())
    }

    fn tell(&mut self, event: &BuildEvent, cx: &FollowContext) -> store::Result<()> {
        if let Some((_, state)) = self.shown.iter_mut().find(|(id, _)| *id == event.build) {
            *state = Some(event.state);
        }
        let text = match self.format {
            ProgressFormat::Json => events::json(event) + "\n",
            ProgressFormat::Text => self.line(event, cx)?,
        };
        self.pending.extend_from_slice(text.as_bytes());
        Ok(())
    }

    /// `0.17.1  building…  12.3 s`; under a build that did not go well, its first errors.
    fn line(&self, event: &BuildEvent, cx: &FollowContext) -> store::Result<String> {
        let seconds = (event.at - self.check.created_at).max(0) as f64 / 1000.0;
        let row = cx.store.build(event.build)?;
        let ended = row.as_ref().filter(|_| event.state.is_final());
        let (word, behind) = match ended {
            Some(row) => {
                let (verdict, behind) = matrix::words(row);
                (verdict.to_string(), behind)
            }
            None => {
                let attempt = row.as_ref().map_or(1, |row| row.attempt);
                (
                    format!("{}…", event.state.as_str()),
                    waits(event, attempt, cx),
                )
            }
        };
        let columns = matrix::columns(&event.zig_version, &word, &behind);
        let line = format!("{columns} {seconds:>8.1} s\n");
        Ok(line + &ended.map(matrix::errors).unwrap_or_default())
    }

    /// Every build was told of to its end.
    fn is_settled(&self) -> bool {
        let settled = |state: Option<State>| state.is_some_and(State::is_final);
        self.shown.iter().all(|(_, state)| settled(*state))
    }

    /// The last words.
    fn end(&mut self, cx: &FollowContext) -> store::Result<()> {
        self.over = true;
        let check = cx.store.check(self.check.id)?;
        let builds = cx.store.builds_of(self.check.id)?;
        let good = |build: &&BuildRow| build.build_status == BuildStatus::Success;
        let (good, all) = (builds.iter().filter(good).count(), builds.len());
        let text = match self.format {
            ProgressFormat::Text => {
                let matrix = matrix::bare(check.as_ref().unwrap_or(&self.check), &builds);
                format!("\n{matrix}\nresult: {good} of {all} build\n")
            }
            ProgressFormat::Json => {
                let check = self.check.id;
                json!({"type": "result", "check": check, "success": good, "builds": all})
                    .to_string()
                    + "\n"
            }
        };
        self.pending.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

/// What there is to say of a build that has not ended.
fn waits(event: &BuildEvent, attempt: u32, cx: &FollowContext) -> String {
    let queued = event.state == State::Queued;
    let place = queued.then(|| (cx.position)(event.build)).flatten();
    let place = place.map(|place| format!("place {place} in the queue"));
    let attempt = (attempt > 1).then(|| format!("attempt {attempt}"));
    let parts: Vec<String> = attempt.into_iter().chain(place).collect();
    parts.join(", ")
}
