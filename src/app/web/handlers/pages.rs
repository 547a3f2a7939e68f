//! Pages for people as answers: what they show is read here, how it looks is told elsewhere.

use crate::app::dispatch::App;
use crate::app::render::pages::{self, Front, OnePackage};
use crate::app::render::sheet::{self, Look, Sheet};
use crate::app::store::{self, PackageFilter, Page, Sort};
use crate::app::web::handlers::{database, queue};
use crate::config::SHOWN_CHECKS_LIMIT;
use crate::interface::event::Now;
use crate::interface::message::Response;

/// `GET /`.
pub fn front(app: &App, search: Option<&str>, page: Page, look: &Look, now: Now) -> Response {
    let read = || -> store::Result<Sheet> {
        let filter = PackageFilter {
            search: search.map(str::to_string),
            ..PackageFilter::default()
        };
        let sort = Sort {
            column: "last_updated",
            down: true,
        };
        let (rows, total) = app.store.packages(&filter, sort, page)?;
        let mut packages = Vec::new();
        for row in rows {
            let results = app.store.results(row.id)?;
            packages.push((row, results));
        }
        Ok(pages::front(&Front {
            running: app.works.running(),
            waiting: app.works.waiting_builds() as usize,
            slots: app.works.slots(),
            engine_is_up: queue::is_up(app),
            toolchains: &app.settings.zig_versions,
            packages,
            total,
            page,
            search,
            checks: app.store.latest_checks(SHOWN_CHECKS_LIMIT)?,
            look,
            now_unix_ms: now.unix_ms,
        }))
    };
    match read() {
        Ok(sheet) => shown(200, &sheet, look),
        Err(error) => database(error),
    }
}

/// `GET /packages/NAME`.
pub fn package(app: &App, name: &str, look: &Look, now: Now) -> Response {
    let read = || -> store::Result<Option<Sheet>> {
        let Some(row) = app.store.package(name)? else {
            return Ok(None);
        };
        let mut results = Vec::new();
        for result in app.store.results(row.id)? {
            let build = match result.build_id {
                Some(id) => app.store.build(id)?,
                None => None,
            };
            results.push((result, build));
        }
        Ok(Some(pages::package(&OnePackage {
            newest: app.store.newest_builds(row.id)?,
            row,
            results,
            toolchains: &app.settings.zig_versions,
            look,
            now_unix_ms: now.unix_ms,
        })))
    };
    match read() {
        Ok(Some(sheet)) => shown(200, &sheet, look),
        Ok(None) => shown(404, &pages::missing(name), look),
        Err(error) => database(error),
    }
}

/// The page as the client takes it. What packages say of themselves is in it: a browser is to
/// make nothing of it but what is meant, to show it nowhere else, and to tell nobody where a link
/// was found.
fn shown(status: u16, sheet: &Sheet, look: &Look) -> Response {
    let response = match look.html {
        true => Response::new(status, "text/html; charset=utf-8", sheet.html())
            .with("Content-Security-Policy", sheet::policy())
            .with("X-Frame-Options", "DENY")
            .with("Referrer-Policy", "no-referrer"),
        false => Response::new(status, "text/plain; charset=utf-8", sheet.text(look.color)),
    };
    response.with("Vary", "Accept")
}
