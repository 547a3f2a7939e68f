//! The metrics: totals that the database keeps, and what was counted since the start of the server. Nothing is
//! counted here, so that a scrape costs the same on a server of any size.

use std::collections::BTreeMap;

use crate::app::domain::task::Priority;
use crate::app::domain::verdict::{BuildStatus, Reason};
use crate::app::engine::nodes::{Listing, NodeState};
use crate::app::render::exposition::{CONTENT_TYPE, Exposition, Kind};
use crate::app::render::limits::METRICS_LIMIT_VERSIONS;
use crate::app::state::State;
use crate::app::store::store::{self, Store};
use crate::app::store::{build_counts, durations, queue, shares, totals};
use crate::base::histogram::Histogram;
use crate::interface::counters::DropCause;
use crate::interface::message::Response;

/// The label of all versions that have no series of their own.
const OTHER: &str = "other";
const MS_PER_SECOND: f64 = 1e3;
const US_PER_SECOND: f64 = 1e6;

pub fn metrics(state: &State) -> store::Result<Response> {
    let mut out = Exposition::default();
    server(state, &mut out);
    tasks(state, &mut out)?;
    nodes(state, &mut out);
    builds(state, &mut out)?;
    packages(state, &mut out)?;
    disk(state, &mut out)?;
    engine(state, &mut out);
    network(state, &mut out);
    Ok(Response::new(200, CONTENT_TYPE, out.finish()).with("Cache-Control", "no-store"))
}

fn number(is: bool) -> f64 {
    f64::from(u8::from(is))
}

fn seconds(ms: i64) -> f64 {
    ms as f64 / MS_PER_SECOND
}

fn server(state: &State, out: &mut Exposition) {
    let help = "The version of the server.";
    let labels = [("version", env!("CARGO_PKG_VERSION"))];
    out.metric("zigcheck_info", Kind::Gauge, help)
        .sample(&labels, 1.0);
    let started = seconds(state.started_unix_ms);
    let help = "When the server was started, in seconds since 1970.";
    out.gauge("zigcheck_start_time_seconds", started, help);
    let uptime = state.uptime_seconds() as f64;
    let help = "How long the server has run.";
    out.gauge("zigcheck_uptime_seconds", uptime, help);
    let help = "1: the server starts nothing new, and ends when nothing runs.";
    out.gauge("zigcheck_draining", number(state.is_draining()), help);
    let help = "How long turns of the reactor took, since the start of the server: what a client may have to wait for.";
    out.metric("zigcheck_turn_duration_seconds", Kind::Histogram, help)
        .histogram(&state.shell.turns, US_PER_SECOND);
}

/// Slots and the queue.
fn tasks(state: &State, out: &mut Exposition) -> store::Result<()> {
    let (scheduler, store) = (&state.scheduler, &state.services.store);
    let slots = scheduler.queue.slots() as f64;
    out.gauge("zigcheck_slots", slots, "Tasks that may run at once.");
    let running = scheduler.queue.running() as f64;
    out.gauge("zigcheck_slots_used", running, "Tasks that run.");
    let help =
        "Tasks that wait for a slot, by why they are there. Paused: they are tried again later.";
    out.metric("zigcheck_queue_tasks", Kind::Gauge, help);
    let counts = queue::counts(store)?;
    for (priority, (ready, paused)) in Priority::ALL.iter().zip(counts) {
        for (state, count) in [("ready", ready), ("paused", paused)] {
            let labels = [("priority", priority.as_str()), ("state", state)];
            out.sample(&labels, count as f64);
        }
    }
    let waiting = scheduler.waiting_builds() as f64;
    let help =
        "Builds that wait: for a slot, for their source, or for the verdict of another build.";
    out.gauge("zigcheck_waiting_builds", waiting, help);
    let now = state.now().unix_ms;
    let oldest = queue::oldest_request(store)?.map_or(0, |at| (now - at).max(0));
    let help =
        "How long ago a client asked for the oldest fetch or build that waits; 0: none waits.";
    out.gauge("zigcheck_queue_oldest_seconds", seconds(oldest), help);
    Ok(())
}

/// The nodes of a cluster, as of its last answer. Without one there are none.
fn nodes(state: &State, out: &mut Exposition) {
    let none = Listing::default();
    let listing = state.services.engine.listing().unwrap_or(&none);
    let help = "Nodes of the cluster that builds run on, by their state.";
    out.metric("zigcheck_nodes", Kind::Gauge, help);
    for state in NodeState::ALL {
        let labels = [("state", state.as_str())];
        out.sample(&labels, listing.count(state) as f64);
    }
    let help = "Builds that nodes in service hold at once, with what still runs on others.";
    out.gauge("zigcheck_node_slots", listing.slots() as f64, help);
    let help = "Slots of nodes that are taken, by whomever.";
    out.gauge("zigcheck_node_slots_used", listing.taken() as f64, help);
}

/// The label of a version.
fn label<'v>(state: &'v State, zig_version: &str) -> &'v str {
    let named = state
        .settings
        .zig_versions
        .iter()
        .take(METRICS_LIMIT_VERSIONS);
    let mut named = named.map(String::as_str);
    named.find(|known| *known == zig_version).unwrap_or(OTHER)
}

/// The labels of all versions, with a value each.
fn by_label<T: Default>(state: &State) -> BTreeMap<&str, T> {
    let named = state
        .settings
        .zig_versions
        .iter()
        .take(METRICS_LIMIT_VERSIONS);
    let labels = named.map(String::as_str).chain([OTHER]);
    labels.map(|label| (label, T::default())).collect()
}

fn verdict(status: BuildStatus) -> &'static str {
    match status {
        BuildStatus::Pending => "cancelled",
        BuildStatus::Success | BuildStatus::Failed | BuildStatus::Error => status.as_str(),
    }
}

fn builds(state: &State, out: &mut Exposition) -> store::Result<()> {
    let rows = build_counts::all(&state.services.store)?;
    let mut by_version: BTreeMap<&str, BTreeMap<&str, u64>> = by_label(state);
    for counts in by_version.values_mut() {
        let statuses = BuildStatus::ALL.iter();
        counts.extend(statuses.map(|status| (verdict(*status), 0)));
    }
    for row in &rows {
        let counts = by_version
            .entry(label(state, &row.zig_version))
            .or_default();
        *counts.entry(verdict(row.build_status)).or_default() += row.builds;
    }
    let help =
        "Builds that ended, with those that took a verdict from the cache. Kept in the database.";
    out.metric("zigcheck_builds_total", Kind::Counter, help);
    for (version, counts) in &by_version {
        for (verdict, count) in counts {
            let labels = [("zig_version", *version), ("verdict", *verdict)];
            out.sample(&labels, *count as f64);
        }
    }
    let help = "Builds that ended with a reason, under all versions. Kept in the database.";
    out.metric("zigcheck_build_reasons_total", Kind::Counter, help);
    for reason in Reason::ALL {
        let rows = rows.iter().filter(|row| row.reason == Some(*reason));
        let count: u64 = rows.map(|row| row.builds).sum();
        out.sample(&[("reason", reason.as_str())], count as f64);
    }
    let cached = rows.iter().map(|row| row.cached).sum();
    let help = "Builds that took a verdict from the cache. Kept in the database.";
    out.counter("zigcheck_verdict_cache_hits_total", cached, help);
    let is_verdict = |status| matches!(status, BuildStatus::Success | BuildStatus::Failed);
    let verdicts = rows.iter().filter(|row| is_verdict(row.build_status));
    let last = verdicts.map(|row| row.last_at).max().unwrap_or(0);
    let help = "When the last build came to success or failed, in seconds since 1970; 0: none did.";
    out.gauge(
        "zigcheck_last_verdict_timestamp_seconds",
        seconds(last),
        help,
    );
    build_times(state, out)
}

fn build_times(state: &State, out: &mut Exposition) -> store::Result<()> {
    let times = &state.services.times;
    let help = "How long builds ran that ended since the start of the server.";
    histogram_ms("zigcheck_build_duration_seconds", &times.runs, help, out);
    let help = "How long the same builds had waited since they were asked for.";
    histogram_ms("zigcheck_build_wait_seconds", &times.waits, help, out);
    let help = "The moving average of how long builds take under a version. Kept in the database.";
    out.metric("zigcheck_build_duration_average_seconds", Kind::Gauge, help);
    let averages = durations::of_package(&state.services.store, "")?;
    for (version, ms) in averages {
        // An average of averages says nothing.
        let label = label(state, &version);
        if label == version {
            out.sample(&[("zig_version", label)], ms as f64 / MS_PER_SECOND);
        }
    }
    Ok(())
}

fn histogram_ms<const N: usize>(
    name: &'static str,
    times: &Histogram<N>,
    help: &str,
    out: &mut Exposition,
) {
    out.metric(name, Kind::Histogram, help)
        .histogram(times, MS_PER_SECOND);
}

fn packages(state: &State, out: &mut Exposition) -> store::Result<()> {
    let store = &state.services.store;
    let help = "Packages that are checked again and again.";
    out.gauge("zigcheck_packages", totals::packages(store)? as f64, help);
    let help = "Packages that work and fail under a version that the server checks under.";
    out.metric("zigcheck_package_verdicts", Kind::Gauge, help);
    let mut by_version: BTreeMap<&str, (u64, u64)> = by_label(state);
    for version in &state.settings.zig_versions {
        let (works, fails) = share(store, version)?;
        let sum = by_version.entry(label(state, version)).or_default();
        *sum = (sum.0 + works, sum.1 + fails);
    }
    for (version, (works, fails)) in by_version {
        for (verdict, count) in [("works", works), ("fails", fails)] {
            let labels = [("zig_version", version), ("verdict", verdict)];
            out.sample(&labels, count as f64);
        }
    }
    Ok(())
}

/// How many packages work and fail under a version now: the numbers of the last day on which they changed.
fn share(store: &Store, zig_version: &str) -> store::Result<(u64, u64)> {
    let days = shares::days(store, shares::ALL_PACKAGES, zig_version, i64::MAX)?;
    Ok(days.last().map_or((0, 0), |day| (day.works, day.fails)))
}

fn disk(state: &State, out: &mut Exposition) -> store::Result<()> {
    let (disk, store) = (&state.disk, &state.services.store);
    let free = disk.usage.map_or(f64::NAN, |usage| usage.free_bytes as f64);
    let help = "Free space of the disk that the data is on.";
    out.gauge("zigcheck_disk_free_bytes", free, help);
    let floor = disk.floor_bytes().map_or(f64::NAN, |bytes| bytes as f64);
    let help = "Free space below which nothing new starts.";
    out.gauge("zigcheck_disk_floor_bytes", floor, help);
    let help = "1: nothing new starts for lack of space.";
    out.gauge("zigcheck_disk_low", number(disk.is_low), help);
    let totals = totals::read(store)?;
    let help = "What the server keeps on the disk.";
    out.metric("zigcheck_stored_bytes", Kind::Gauge, help);
    for (kind, bytes) in [
        ("database", totals::file_bytes(store)?.max(0) as u64),
        ("write_ahead_log", store.log_bytes()),
        ("logs", totals.log_bytes),
        ("sources", totals.source_bytes),
        ("dependencies", totals.dependency_bytes),
        ("kept_caches", totals.kept_bytes),
    ] {
        out.sample(&[("kind", kind)], bytes as f64);
    }
    let help = "Builds whose log and verdict are kept.";
    out.gauge("zigcheck_kept_builds", totals.builds as f64, help);
    Ok(())
}

fn engine(state: &State, out: &mut Exposition) {
    let engine = &state.services.engine;
    let is_up = engine.has_answered() && engine.absence().is_none();
    let help = "1: the container engine answered when it was last asked. A scrape asks it, for the next one.";
    out.gauge("zigcheck_engine_up", number(is_up), help);
    let missing = engine.missing(&state.settings.zig_versions).count();
    let help = "Zig versions without an image, as the engine listed them last.";
    out.gauge("zigcheck_missing_images", missing as f64, help);
}

/// What the shell has counted, and the answers.
fn network(state: &State, out: &mut Exposition) {
    let clients = &state.shell.clients;
    let received = clients.received_bytes;
    let help = "Bytes received from clients, since the start of the server.";
    out.counter("zigcheck_received_bytes_total", received, help);
    let sent = clients.sent_bytes;
    let help = "Bytes sent to clients, since the start of the server.";
    out.counter("zigcheck_sent_bytes_total", sent, help);
    let help = "Connections that are open.";
    out.gauge("zigcheck_connections", clients.open as f64, help);
    let accepted = clients.accepted;
    let help = "Connections that were accepted, since the start of the server.";
    out.counter("zigcheck_connections_accepted_total", accepted, help);
    let help =
        "Connections that the server refused or ended before their client did, since its start.";
    out.metric("zigcheck_connections_dropped_total", Kind::Counter, help);
    for cause in DropCause::ALL {
        let labels = [("cause", cause.as_str())];
        out.sample(&labels, clients.dropped(cause) as f64);
    }
    let watchers = state.services.feed.watchers() as f64;
    let help = "Streams of logs and events that are open.";
    out.gauge("zigcheck_watchers", watchers, help);
    let help = "Answers to requests, since the start of the server.";
    out.metric("zigcheck_http_responses_total", Kind::Counter, help);
    for (code, count) in ["1xx", "2xx", "3xx", "4xx", "5xx"]
        .iter()
        .zip(state.answered)
    {
        out.sample(&[("code", code)], count as f64);
    }
}
