//! What all pages have in common: the load of the server, and the headers of the answer.

use crate::app::render::html::layout;
use crate::app::render::view::compare::{compare_path, newest_pair};
use crate::app::render::view::site::{PageOptions, Site};
use crate::app::state::State;
use crate::app::store::toolchains;
use crate::app::web::handlers::queue;
use crate::interface::message::Response;

/// What each page shows of the server.
pub fn site(state: &State, options: PageOptions) -> Site {
    let compare = newest_pair(&state.settings.zig_versions);
    let listing = state.services.engine.listing();
    let nodes = listing.map(|listing| &listing.nodes);
    Site {
        options,
        running: state.scheduler.queue.running(),
        slots: state.scheduler.queue.slots(),
        waiting: state.scheduler.waiting_builds(),
        engine_is_up: queue::is_up(state),
        nodes: nodes.map(|nodes| {
            (
                nodes.iter().filter(|it| it.is_in_service()).count(),
                nodes.len(),
            )
        }),
        // Without it a page is less plain, and right.
        dated: toolchains::dated_versions(&state.services.store).unwrap_or_default(),
        compare: compare.map(|(older, newer)| compare_path(older, newer)),
        now_unix_ms: state.now().unix_ms,
    }
}

/// The page in the form that the client takes.
pub fn respond(status: u16, site: &Site, body: impl Fn(bool) -> String) -> Response {
    let response = match site.options.html {
        true => as_html(status, body(true)),
        false => Response::new(status, "text/plain; charset=utf-8", body(false)),
    };
    response.with("Vary", "Accept")
}

/// A page of HTML. It holds text that packages wrote: the policy forbids a browser to run any of it, to frame the page,
/// and to send its address to the targets of links.
pub fn as_html(status: u16, body: impl Into<Vec<u8>>) -> Response {
    Response::new(status, "text/html; charset=utf-8", body)
        .with("Content-Security-Policy", layout::content_security_policy())
        .with("X-Frame-Options", "DENY")
        // Not `no-referrer`: with it a browser says of its own form that it comes from nowhere.
        .with("Referrer-Policy", "same-origin")
}
