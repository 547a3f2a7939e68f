//! Pages that change while they are shown, and how all streams are pulled.

use std::sync::Arc;

use maud::Markup;

use crate::app::domain::ids::BuildId;
use crate::app::live::limits::VERSIONS_LIMIT;
use crate::app::live::page::{LivePage, Piece, Subject};
use crate::app::render::html;
use crate::app::render::html::layout::{self, Head as PageHead};
use crate::app::render::view::site::PageOptions;
use crate::app::state::State;
use crate::app::store::builds;
use crate::app::store::list::Paging;
use crate::app::web::answer::{Answer, Error};
use crate::app::web::conditional;
use crate::app::web::handlers::frame::{as_html, site};
use crate::app::web::handlers::{log_page, pages};
use crate::app::web::routes::pages::{PageCall, Target};
use crate::base::slab::Key;
use crate::interface::event::{Pull, Streamed};
use crate::interface::message::Head;

/// A comment in HTML.
const KEEPALIVE: &str = "<!-- -->\n";

/// A live page, if the client shows such pages and the subject has not ended.
pub fn watch(
    state: &mut State,
    conn: Key,
    request: &Head,
    call: &PageCall,
) -> Result<Option<Answer>, Error> {
    if !call.options.is_live {
        return Ok(None);
    }
    if let Target::Log { id, .. } = call.target {
        let Some(row) = log_page::growing(state, id)? else {
            return Ok(None);
        };
        conditional::check_untagged(request, state.now().unix_ms)?;
        let page = log_page::live(state, &row, call.options.clone())?;
        state.services.feed.watch_log_page(conn, page);
        return Ok(Some(stream()));
    }
    let Some(subject) = open_subject(state, &call.target)? else {
        return Ok(None);
    };
    let Some(shown) = show(state, subject, &call.options)? else {
        return Ok(None);
    };
    conditional::check_untagged(request, state.now().unix_ms)?;
    let site = site(state, call.options.clone());
    let begin = layout::begin_live(&site, &shown.head, VERSIONS_LIMIT);
    let feed = &mut state.services.feed;
    feed.put_piece((subject, call.options.clone()), shown.piece);
    feed.watch_page(conn, LivePage::new(subject, call.options.clone(), begin));
    Ok(Some(stream()))
}

/// What the page shows, if that has not ended. Pages of what has ended are kept answers: nothing is rendered for them
/// here.
fn open_subject(state: &State, target: &Target) -> Result<Option<Subject>, Error> {
    let store = &state.services.store;
    Ok(match target {
        Target::Check(id) => {
            let builds = builds::of_check(store, *id)?;
            let is_open = builds.iter().any(|row| !row.state.is_final());
            is_open.then_some(Subject::Check(*id))
        }
        Target::Build(id) => {
            let row = builds::by_id(store, *id)?;
            let open = row.filter(|row| !row.state.is_final());
            open.map(|row| Subject::Build {
                id: *id,
                check: row.check,
            })
        }
        Target::Queue(paging) if *paging == first_page(paging.limit) => Some(Subject::Queue),
        _ => None,
    })
}

fn stream() -> Answer {
    let body = Streamed {
        length: None,
        keepalive: KEEPALIVE,
    };
    let head = as_html(200, "").with("Vary", "Accept");
    let head = head.with("Vary", "User-Agent");
    Answer::Stream(head.with("Cache-Control", "no-store"), body)
}

/// Appends at most `space` bytes of a stream. What a live page sends next is rendered first, unless it was rendered for
/// another.
pub fn pull(state: &mut State, conn: Key, space: usize, out: &mut Vec<u8>) -> Pull {
    // Without a piece the page ends unfinished, and the browser says so.
    if let Some((subject, options)) = state.services.feed.missing_piece(conn)
        && let Ok(Some(shown)) = show(state, subject, &options)
    {
        let feed = &mut state.services.feed;
        feed.put_piece((subject, options), shown.piece);
    }
    let (scheduler, services) = (&state.scheduler, &mut state.services);
    let (store, unix_ms) = (&services.store, services.now.unix_ms);
    let position = |build: BuildId| {
        let row = builds::by_id(store, build).ok().flatten()?;
        scheduler.view(store).position(&row, unix_ms).ok()?
    };
    services.feed.pull(conn, store, &position, space, out)
}

struct Shown {
    head: PageHead,
    piece: Piece,
}

fn show(state: &State, subject: Subject, options: &PageOptions) -> Result<Option<Shown>, Error> {
    let shown = |(head, main): (PageHead, Markup), is_last| Shown {
        head,
        piece: Piece {
            html: Arc::from(main.0),
            is_last,
        },
    };
    Ok(match subject {
        Subject::Check(id) => pages::check_view(state, id, options)?
            .map(|view| shown(html::check::parts(&view), view.is_finished)),
        Subject::Build { id, .. } => pages::build_view(state, id, options)?
            .map(|view| shown(html::build::parts(&view), view.is_finished)),
        Subject::Queue => {
            let view = pages::queue_view(state, &first_page(20), options)?;
            Some(shown(html::queue::parts(&view), false))
        }
    })
}

fn first_page(limit: u64) -> Paging {
    Paging {
        page: 1,
        limit,
        after: None,
    }
}
