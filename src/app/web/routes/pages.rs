//! Calls for pages: which page, and in which form.

use crate::app::render::page::PageOptions;
use crate::app::store::list::Paging;
use crate::app::web::request;
use crate::app::web::routes::route::{Route, RouteRequest, get};
use crate::interface::message::Response;

/// A page for people.
#[derive(Debug, Clone, PartialEq)]
pub enum PageCall {
    /// The packages and the latest checks.
    Front {
        search: Option<String>,
        page: Paging,
        options: PageOptions,
    },
    Package {
        /// Its name, or the path of its repository.
        name: String,
        options: PageOptions,
    },
}

pub const fn routes<C: From<PageCall>>() -> [Route<C>; 3] {
    [
        get("/", front),
        get("/packages/*", package),
        get("/packages/**", package_of_repository),
    ]
}

fn options(request: &RouteRequest) -> PageOptions {
    let html = request::wants_html(request.head);
    PageOptions {
        html,
        color: !html && request.query.flag("color"),
        host: request::host(request.head).unwrap_or("HOST").to_string(),
    }
}

fn front<C: From<PageCall>>(request: &RouteRequest) -> Result<C, Response> {
    Ok(C::from(PageCall::Front {
        search: request.query.owned("search"),
        page: request.query.page_or_after()?,
        options: options(request),
    }))
}

fn package_of_repository<C: From<PageCall>>(request: &RouteRequest) -> Result<C, Response> {
    Ok(C::from(PageCall::Package {
        name: request.repository()?,
        options: options(request),
    }))
}

fn package<C: From<PageCall>>(request: &RouteRequest) -> Result<C, Response> {
    Ok(C::from(PageCall::Package {
        name: request.name()?,
        options: options(request),
    }))
}
