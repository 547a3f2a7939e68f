//! The queue as an answer: who runs, who waits, why, and until when.

use std::collections::HashMap;
use std::rc::Rc;

use serde_json::{Value, json};

use crate::app::App;
use crate::config::{ATTEMPTS_LIMIT, FORECAST_LIMIT};
use crate::event::Now;
use crate::forecast::{self, Piece};
use crate::page;
use crate::queue::Work;
use crate::store::{self, Page};
use crate::work::{Running, Waiting};

/// A build that waits: for its own turn, for that of its source, or, without either, for the end
/// of a fetch.
struct Waiter<'w> {
    build: i64,
    position: usize,
    turn: Option<Rc<Waiting<'w>>>,
}

/// One build for each slot in use, and one page of those that wait.
///
/// While a source is fetched, the first build of its check stands for it among those that run;
/// the others wait, and will join the end of the queue.
pub fn show(app: &App, page: Page, now: Now) -> store::Result<Value> {
    let mut expected = Expected::new(app)?;
    let running = app.works.running_work();
    let mut shown = Vec::new();
    for running in &running {
        let Some(row) = app.store.build(running.build)? else {
            continue;
        };
        let mut value = super::shown(app, &row, None);
        value["elapsed_ms"] = json!(elapsed_ms(running, now));
        value["expected_ms"] = json!(expected.of(running.package, running.zig_version)?);
        shown.push(value);
    }
    let starts = match is_up(app) {
        true => starts(app, &mut expected, &running, now)?,
        false => HashMap::new(),
    };
    let waiters = waiters(app, &running);
    let skipped = (page.page - 1).saturating_mul(page.limit);
    let of_page = waiters.iter().skip(skipped as usize);
    let mut waiting = Vec::new();
    for waiter in of_page.take(page.limit as usize) {
        let Some(row) = app.store.build(waiter.build)? else {
            continue;
        };
        let start = starts.get(&Work::Build(waiter.build));
        let start = start.map(|ms| page::time(now.unix_ms.saturating_add_unsigned(*ms)));
        let mut value = super::shown(app, &row, Some(waiter.position));
        value["position"] = json!(waiter.position);
        value["reason"] = json!(reason(app, waiter, now));
        value["estimated_start"] = json!(start);
        waiting.push(value);
    }
    Ok(json!({
        "slots": app.works.slots(),
        "running": shown,
        "waiting": waiting,
        "total": waiters.len(),
        "page": page.page,
        "limit": page.limit,
    }))
}

/// Nothing speaks against the engine; while it is asked how it is, it counts as it was.
pub fn is_up(app: &App) -> bool {
    app.engine.latest().is_ok() || app.engine.is_asking()
}

fn elapsed_ms(running: &Running, now: Now) -> u64 {
    (now.unix_ms - running.started_unix_ms).max(0) as u64
}

/// Everything that waits, in order, and last the builds whose source is being fetched.
fn waiters<'w>(app: &'w App, running: &[Running]) -> Vec<Waiter<'w>> {
    let mut waiters = Vec::new();
    let mut position = 0;
    for waiting in app.works.waiting_work(usize::MAX) {
        position += 1;
        let builds: Vec<i64> = match waiting.work {
            Work::Build(build) => vec![build],
            Work::Source(_) => waiting.behind.iter().map(|(build, _)| *build).collect(),
        };
        let turn = Rc::new(waiting);
        waiters.extend(builds.into_iter().map(|build| Waiter {
            build,
            position,
            turn: Some(turn.clone()),
        }));
    }
    let fetched = running.iter().flat_map(|running| &running.behind);
    let stand_in = |build: i64| running.iter().any(|running| running.build == build);
    let fetched = fetched.filter(|(build, _)| !stand_in(*build));
    waiters.extend(fetched.map(|(build, _)| Waiter {
        build: *build,
        position: position + 1,
        turn: None,
    }));
    waiters
}

/// Why it does not run yet, in words.
fn reason(app: &App, waiter: &Waiter, now: Now) -> String {
    let Some(turn) = &waiter.turn else {
        return "its source is being fetched".to_string();
    };
    if !is_up(app) {
        return "the engine is unavailable".to_string();
    }
    let source = matches!(turn.work, Work::Source(_));
    let pause = turn.not_before_ms.saturating_sub(now.mono_ms);
    if pause > 0 {
        let what = if source { "its source is " } else { "" };
        let until = page::time(now.unix_ms.saturating_add_unsigned(pause));
        let attempt = turn.attempt;
        return format!(
            "{what}held back until {until} after an error: attempt {attempt} of {ATTEMPTS_LIMIT}"
        );
    }
    let before = match waiter.position - 1 {
        0 => "it is next".to_string(),
        before => format!("{before} before it"),
    };
    match source {
        true => format!("first come, first served: {before}, and its source comes first"),
        false => format!("first come, first served: {before}"),
    }
}

/// When what waits will start, in milliseconds from now.
fn starts(
    app: &App,
    expected: &mut Expected,
    running: &[Running],
    now: Now,
) -> store::Result<HashMap<Work, u64>> {
    // Builds join the end of the queue when their source is there. Where that end is out of
    // sight, nobody can say when they will start.
    let whole = app.works.waiting() <= FORECAST_LIMIT;
    let mut busy = Vec::new();
    for running in running {
        let expected_ms = expected.of(running.package, running.zig_version)?;
        // What is overdue may end at any moment.
        let left = expected_ms.map(|ms| ms.saturating_sub(elapsed_ms(running, now)));
        busy.push(Piece {
            work: running.work,
            not_before_ms: 0,
            takes_ms: left,
            then: expected.of_all(running.package, &running.behind, whole)?,
        });
    }
    let mut waiting = Vec::new();
    for work in app.works.waiting_work(FORECAST_LIMIT) {
        waiting.push(Piece {
            work: work.work,
            not_before_ms: work.not_before_ms.saturating_sub(now.mono_ms),
            takes_ms: expected.of(work.package, work.zig_version)?,
            then: expected.of_all(work.package, &work.behind, whole)?,
        });
    }
    Ok(forecast::starts(app.works.slots(), busy, waiting))
}

/// What the past says of durations, each package looked up once.
struct Expected<'a> {
    app: &'a App,
    of_any: Vec<(String, u64)>,
    known: HashMap<String, Vec<(String, u64)>>,
}

impl<'a> Expected<'a> {
    fn new(app: &'a App) -> store::Result<Expected<'a>> {
        Ok(Expected {
            app,
            of_any: app.store.durations("")?,
            known: HashMap::new(),
        })
    }

    /// As the package took before under that toolchain, or as any does, if there ever was one.
    fn of(&mut self, package: &str, zig_version: &str) -> store::Result<Option<u64>> {
        if !self.known.contains_key(package) {
            let own = self.app.store.durations(package)?;
            self.known.insert(package.to_string(), own);
        }
        let mut all = self.known[package].iter().chain(&self.of_any);
        let found = all.find(|(known, _)| known == zig_version);
        Ok(found.map(|(_, ms)| *ms))
    }

    /// Of builds behind a source; of none where they are not `wanted`.
    fn of_all(
        &mut self,
        package: &str,
        builds: &[(i64, &str)],
        wanted: bool,
    ) -> store::Result<Vec<(Work, Option<u64>)>> {
        let builds = builds.iter().filter(|_| wanted);
        let each = builds.map(|(build, zig_version)| {
            let expected = self.of(package, zig_version)?;
            Ok((Work::Build(*build), expected))
        });
        each.collect()
    }
}
