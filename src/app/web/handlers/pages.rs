//! Pages: this reads the rows, `render::view` makes the pages of them.

use crate::app::domain::ids::PackageId;
use crate::app::render::html::{self, layout};
use crate::app::render::text;
use crate::app::render::view::front::{FrontRows, FrontView};
use crate::app::render::view::package::{PackageRows, PackageView};
use crate::app::render::view::problem::Problem;
use crate::app::render::view::site::{PageOptions, Site};
use crate::app::state::State;
use crate::app::store::list::{Paging, Sort};
use crate::app::store::package_list::{self, PackageFilter, RELEVANCE};
use crate::app::store::{builds, checks, packages, results};
use crate::app::web::answer::{Error, Shown};
use crate::app::web::handlers::queue;
use crate::app::web::limits::SHOWN_CHECKS_LIMIT;
use crate::app::web::query::too_deep;
use crate::app::web::routes::pages::{PageCall, Target};
use crate::interface::message::Response;

pub fn page(state: &State, call: PageCall) -> Result<Shown, Error> {
    let PageCall { target, options } = call;
    match target {
        Target::Front { search, page } => Ok(front(state, search, page, options)?.into()),
        Target::Package { name } => package(state, &name, options),
    }
}

/// What each page shows of the server.
pub fn site(state: &State, options: PageOptions) -> Site {
    Site {
        options,
        running: state.scheduler.queue.running(),
        slots: state.scheduler.queue.slots(),
        waiting: state.scheduler.waiting_builds(),
        engine_is_up: queue::is_up(state),
        now_unix_ms: state.now().unix_ms,
    }
}

/// `GET /`.
fn front(
    state: &State,
    search: Option<String>,
    paging: Paging,
    options: PageOptions,
) -> Result<Response, Error> {
    let store = &state.services.store;
    let filter = PackageFilter {
        search,
        ..PackageFilter::default()
    };
    let sort = Sort {
        column: match filter.search {
            Some(_) => RELEVANCE,
            None => "popularity_score",
        },
        down: true,
    };
    let found = package_list::page(store, &filter, sort, &paging)?;
    let found = found.ok_or_else(too_deep)?;
    let ids: Vec<PackageId> = found.rows.iter().map(|row| row.id).collect();
    let results = results::of_packages(store, &ids)?;
    let rows = FrontRows {
        toolchains: &state.settings.zig_versions,
        packages: found.rows.into_iter().zip(results).collect(),
        total: found.total,
        paging,
        search: filter.search.as_deref(),
        checks: checks::latest(store, SHOWN_CHECKS_LIMIT)?,
    };
    let view = FrontView::new(site(state, options), &rows);
    let body = |html| match html {
        true => html::front::html(&view),
        false => text::front::text(&view),
    };
    Ok(respond(200, &view.site, body))
}

/// `GET /packages/NAME` and `GET /packages/OWNER/REPO`.
fn package(state: &State, name: &str, options: PageOptions) -> Result<Shown, Error> {
    let store = &state.services.store;
    let Some(row) = packages::find(store, name)? else {
        let sentence = format!("There is no package {name}.");
        return Ok(problem(state, options, 404, &sentence).into());
    };
    let id = row.id;
    let mut results = Vec::new();
    for result in results::of_package(store, row.id)? {
        let build = match result.build_id {
            Some(id) => builds::by_id(store, id)?,
            None => None,
        };
        results.push((result, build));
    }
    let rows = PackageRows {
        row,
        results,
        toolchains: &state.settings.zig_versions,
    };
    let view = PackageView::new(site(state, options), &rows);
    let body = |html| match html {
        true => html::package::html(&view),
        false => text::package::text(&view),
    };
    Ok(Shown {
        response: respond(200, &view.site, body),
        viewed: Some(id),
    })
}

/// The page that says what is wrong.
pub fn problem(state: &State, options: PageOptions, status: u16, sentence: &str) -> Response {
    let problem = Problem::new(site(state, options), status, sentence);
    let body = |html| match html {
        true => html::problem::html(&problem),
        false => text::problem::text(&problem),
    };
    respond(status, &problem.site, body)
}

/// The page in the form that the client takes. It holds text that packages wrote: the policy forbids a browser to run
/// any of it, to frame the page, and to send its address to the targets of links.
fn respond(status: u16, site: &Site, body: impl Fn(bool) -> String) -> Response {
    let is_html = site.options.html;
    let response = match is_html {
        true => Response::new(status, "text/html; charset=utf-8", body(true))
            .with("Content-Security-Policy", layout::content_security_policy())
            .with("X-Frame-Options", "DENY")
            // Not `no-referrer`: with it a browser says of its own form that it comes from nowhere.
            .with("Referrer-Policy", "same-origin"),
        false => Response::new(status, "text/plain; charset=utf-8", body(false)),
    };
    response.with("Vary", "Accept")
}
