//! Pages for people: which one, and how it is to be shown.

use crate::app::render::page::PageOptions;
use crate::app::web::request;
use crate::app::web::routes::{Call, Request_, name_checked};
use crate::interface::message::Response;

fn options(asked: &Request_) -> PageOptions {
    let head = asked.head;
    let html = request::wants_html(head);
    PageOptions {
        html,
        color: !html && asked.query.flag("color"),
        host: request::host(head).unwrap_or("HOST").to_string(),
    }
}

pub fn show_front(asked: &Request_) -> Result<Call, Response> {
    Ok(Call::ShowFront {
        search: asked.query.owned("search"),
        page: asked.query.page()?,
        options: options(asked),
    })
}

pub fn show_package_page(asked: &Request_) -> Result<Call, Response> {
    Ok(Call::ShowPackagePage {
        name: name_checked(asked.part.to_string())?,
        options: options(asked),
    })
}
