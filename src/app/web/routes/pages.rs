//! Calls for pages: which page, and in which form.

use crate::app::render::page::PageOptions;
use crate::app::web::call::{Call, ReadCall};
use crate::app::web::request;
use crate::app::web::routes::route_request::RouteRequest;
use crate::interface::message::Response;

fn options(request: &RouteRequest) -> PageOptions {
    let html = request::wants_html(request.head);
    PageOptions {
        html,
        color: !html && request.query.flag("color"),
        host: request::host(request.head).unwrap_or("HOST").to_string(),
    }
}

pub fn front(request: &RouteRequest) -> Result<Call, Response> {
    Ok(Call::Read(ReadCall::FrontPage {
        search: request.query.owned("search"),
        page: request.query.page()?,
        options: options(request),
    }))
}

pub fn package(request: &RouteRequest) -> Result<Call, Response> {
    Ok(Call::Read(ReadCall::PackagePage {
        name: request.name()?,
        options: options(request),
    }))
}
