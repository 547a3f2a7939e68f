//! Statistics as JSON.

use serde_json::{Value, json};

use crate::app::render::view::stats::{Counts, StatsRows, day};
use crate::app::store::build_days::BuildDayRow;
use crate::app::store::durations::SlowRow;
use crate::app::store::history::ErrorRow;
use crate::app::store::shares::SetRow;

/// The `stats` object of the API.
pub fn json(rows: &StatsRows) -> Value {
    let set = |set: &SetRow| {
        json!({
            "id": set.id,
            "day": day(set.day),
            "packages": set.packages,
            "is_open": set.last_package.is_none(),
        })
    };
    let first = rows.first_day();
    let of_day = |(nth, counts): (usize, &Counts)| {
        let Counts { works, fails } = *counts;
        json!({
            "day": day(first + nth as i64),
            "works": works,
            "fails": fails,
            "without_verdict": rows.packages.saturating_sub(works + fails),
        })
    };
    let counts = rows.counts();
    let shares: Vec<Value> = rows
        .curves
        .iter()
        .zip(&counts)
        .map(|((version, _), days)| {
            let days: Vec<Value> = days.iter().enumerate().map(of_day).collect();
            json!({ "zig_version": version, "days": days })
        })
        .collect();
    json!({
        "set": rows.set.as_ref().map(set),
        "sets": rows.sets.iter().map(set).collect::<Vec<Value>>(),
        "packages": rows.packages,
        "is_complete": !rows.is_filling,
        "shares": shares,
        "builds": rows.builds.iter().map(builds).collect::<Vec<Value>>(),
        "slowest": rows.slowest.iter().map(slow).collect::<Vec<Value>>(),
        "errors": rows.errors.iter().map(error).collect::<Vec<Value>>(),
    })
}

fn builds(row: &BuildDayRow) -> Value {
    json!({
        "day": day(row.day),
        "builds": row.builds,
        "cached": row.cached,
        "errors": row.errors,
        "started": row.started,
        "mean_wait_ms": row.waited_ms.checked_div(row.started),
        "longest_wait_ms": row.longest_wait_ms,
    })
}

fn slow(row: &SlowRow) -> Value {
    json!({
        "package": row.package,
        "zig_version": row.zig_version,
        "duration_ms": row.duration_ms,
    })
}

fn error(row: &ErrorRow) -> Value {
    json!({ "error_key": row.text, "verdicts": row.count })
}
