//! Pages: this reads the rows, `render::pages` draws them.

use crate::app::domain::ids::PackageId;
use crate::app::render::page::{self, Page, PageOptions};
use crate::app::render::pages::{self, FrontPage, PackagePage};
use crate::app::state::State;
use crate::app::store::list::{Paging, Sort};
use crate::app::store::package_list::{self, PackageFilter, RELEVANCE};
use crate::app::store::{builds, checks, packages, results};
use crate::app::web::answer::Error;
use crate::app::web::handlers::queue;
use crate::app::web::limits::SHOWN_CHECKS_LIMIT;
use crate::app::web::query::too_deep;
use crate::app::web::routes::pages::PageCall;
use crate::interface::message::{Head, Response};

pub fn page(state: &mut State, head: &Head, call: PageCall) -> Result<Response, Error> {
    match call {
        PageCall::Front {
            search,
            page,
            options,
        } => front(state, search, page, &options),
        PageCall::Package { name, options } => package(state, head, &name, &options),
    }
}

/// `GET /`.
fn front(
    state: &State,
    search: Option<String>,
    paging: Paging,
    options: &PageOptions,
) -> Result<Response, Error> {
    let store = &state.services.store;
    let filter = PackageFilter {
        search,
        ..PackageFilter::default()
    };
    let sort = Sort {
        column: match filter.search {
            Some(_) => RELEVANCE,
            None => "last_updated",
        },
        down: true,
    };
    let found = package_list::page(store, &filter, sort, &paging)?;
    let found = found.ok_or_else(too_deep)?;
    let ids: Vec<PackageId> = found.rows.iter().map(|row| row.id).collect();
    let results = results::of_packages(store, &ids)?;
    let packages = found.rows.into_iter().zip(results).collect();
    let front = pages::front(&FrontPage {
        running: state.scheduler.queue.running(),
        waiting: state.scheduler.waiting_builds() as usize,
        slots: state.scheduler.queue.slots(),
        engine_is_up: queue::is_up(state),
        toolchains: &state.settings.zig_versions,
        packages,
        total: found.total,
        paging,
        search: filter.search.as_deref(),
        checks: checks::latest(store, SHOWN_CHECKS_LIMIT)?,
        options,
        now_unix_ms: state.now().unix_ms,
    });
    Ok(respond(200, &front, options))
}

/// `GET /packages/NAME` and `GET /packages/OWNER/REPO`.
fn package(
    state: &mut State,
    head: &Head,
    name: &str,
    options: &PageOptions,
) -> Result<Response, Error> {
    let store = &state.services.store;
    let Some(row) = packages::find(store, name)? else {
        return Ok(respond(404, &pages::missing(name), options));
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
    let package = pages::package(&PackagePage {
        row,
        results,
        toolchains: &state.settings.zig_versions,
        options,
        now_unix_ms: state.now().unix_ms,
    });
    state.views.count(id, head);
    Ok(respond(200, &package, options))
}

/// The page in the form that the client takes. It holds text that packages wrote: the policy forbids a browser to run
/// any of it, to frame the page, and to send its address to the targets of links.
fn respond(status: u16, page: &Page, options: &PageOptions) -> Response {
    let response = match options.html {
        true => Response::new(status, "text/html; charset=utf-8", page.html())
            .with("Content-Security-Policy", page::content_security_policy())
            .with("X-Frame-Options", "DENY")
            .with("Referrer-Policy", "no-referrer"),
        false => Response::new(
            status,
            "text/plain; charset=utf-8",
            page.text(options.color),
        ),
    };
    response.with("Vary", "Accept")
}
