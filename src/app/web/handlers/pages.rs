//! Pages for people as answers: what they show is read here, how it looks is told elsewhere.

use crate::app::render::page::{self, Page, PageOptions};
use crate::app::render::pages::{self, FrontPage, PackagePage};
use crate::app::state::State;
use crate::app::store::list::{Paging, Sort};
use crate::app::store::packages::PackageFilter;
use crate::app::store::store;
use crate::app::web::handlers::{database, queue};
use crate::app::web::limits::SHOWN_CHECKS_LIMIT;
use crate::interface::message::Response;

/// `GET /`.
pub fn front(
    state: &State,
    search: Option<&str>,
    paging: Paging,
    options: &PageOptions,
) -> Response {
    let read = || -> store::Result<Page> {
        let filter = PackageFilter {
            search: search.map(str::to_string),
            ..PackageFilter::default()
        };
        let sort = Sort {
            column: "last_updated",
            down: true,
        };
        let (rows, total) = state.services.store.packages(&filter, sort, paging)?;
        let mut packages = Vec::new();
        for row in rows {
            let results = state.services.store.results(row.id)?;
            packages.push((row, results));
        }
        Ok(pages::front(&FrontPage {
            running: state.scheduler.running(),
            waiting: state.scheduler.waiting_builds() as usize,
            slots: state.scheduler.slots(),
            engine_is_up: queue::is_up(state),
            toolchains: &state.settings.zig_versions,
            packages,
            total,
            paging,
            search,
            checks: state.services.store.latest_checks(SHOWN_CHECKS_LIMIT)?,
            options,
            now_unix_ms: state.now().unix_ms,
        }))
    };
    match read() {
        Ok(page) => page_response(200, &page, options),
        Err(error) => database(error),
    }
}

/// `GET /packages/NAME`.
pub fn package(state: &State, name: &str, options: &PageOptions) -> Response {
    let read = || -> store::Result<Option<Page>> {
        let Some(row) = state.services.store.package(name)? else {
            return Ok(None);
        };
        let mut results = Vec::new();
        for result in state.services.store.results(row.id)? {
            let build = match result.build_id {
                Some(id) => state.services.store.build(id)?,
                None => None,
            };
            results.push((result, build));
        }
        Ok(Some(pages::package(&PackagePage {
            newest: state.services.store.newest_builds(row.id)?,
            row,
            results,
            toolchains: &state.settings.zig_versions,
            options,
            now_unix_ms: state.now().unix_ms,
        })))
    };
    match read() {
        Ok(Some(page)) => page_response(200, &page, options),
        Ok(None) => page_response(404, &pages::missing(name), options),
        Err(error) => database(error),
    }
}

/// The page as the client takes it. What packages say of themselves is in it: a browser is to
/// make nothing of it but what is meant, to show it nowhere else, and to tell nobody where a link
/// was found.
fn page_response(status: u16, page: &Page, options: &PageOptions) -> Response {
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
