//! Statistics as JSON and as a page.

use crate::app::domain::zig_version;
use crate::app::render::view::site::PageOptions;
use crate::app::render::view::stats::{StatsRows, StatsView};
use crate::app::render::{html, stats, text};
use crate::app::state::State;
use crate::app::store::shares::{self, DAY_MS};
use crate::app::store::{build_days, durations, history, totals};
use crate::app::web::answer::Error;
use crate::app::web::handlers::frame::{respond, site};
use crate::app::web::limits::{BUILD_DAYS_LIMIT, STATS_ROWS_LIMIT};
use crate::app::web::routes::read::StatsQuery;
use crate::interface::message::Response;

/// `GET /api/stats`.
pub fn data(state: &State, query: StatsQuery) -> Result<Response, Error> {
    Ok(Response::json(200, &stats::json(&read(state, query)?)))
}

/// `GET /stats`.
pub fn page(state: &State, query: StatsQuery, options: PageOptions) -> Result<Response, Error> {
    let view = StatsView::new(site(state, options), &read(state, query)?);
    let body = |html| match html {
        true => html::stats::html(&view),
        false => text::stats::text(&view),
    };
    Ok(respond(200, &view.site, body))
}

fn read(state: &State, query: StatsQuery) -> Result<StatsRows, Error> {
    let store = &state.services.store;
    let sets = shares::sets(store)?;
    let set = match query.set {
        Some(id) => {
            let found = sets.iter().find(|set| set.id == id);
            Some(found.ok_or_else(|| Error::not_found("set"))?)
        }
        None => sets.first(),
    };
    let to = state.now().unix_ms / DAY_MS;
    let from = to - query.days as i64 + 1;
    let mut versions = state.settings.zig_versions.clone();
    versions.sort_by(|a, b| zig_version::compare(b, a));
    let mut curves = Vec::new();
    for version in versions {
        let days = match set {
            Some(set) => shares::days(store, set.id, &version, from)?,
            None => Vec::new(),
        };
        curves.push((version, days));
    }
    let packages = match set {
        // As long as it is open, every package is in it.
        Some(set) if set.last_package.is_none() => totals::packages(store)?,
        set => set.map_or(0, |set| set.packages),
    };
    Ok(StatsRows {
        set: set.cloned(),
        packages,
        is_filling: shares::is_filling(store)?,
        from,
        to,
        curves,
        builds: build_days::newest(store, BUILD_DAYS_LIMIT)?,
        slowest: durations::slowest(store, STATS_ROWS_LIMIT)?,
        errors: history::common_errors(store, STATS_ROWS_LIMIT)?,
        sets,
    })
}
