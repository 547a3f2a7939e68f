//! Pages for people: which one, and how it is to be shown.

use crate::app::render::sheet::Look;
use crate::app::web::request;
use crate::app::web::routes::{Asked, Call, name_checked};
use crate::interface::message::Response;

fn look(asked: &Asked) -> Look {
    let head = asked.head;
    let html = request::wants_html(head);
    Look {
        html,
        color: !html && asked.query.flag("color"),
        host: request::host(head).unwrap_or("HOST").to_string(),
    }
}

pub fn show_front(asked: &Asked) -> Result<Call, Response> {
    Ok(Call::ShowFront {
        search: asked.query.owned("search"),
        page: asked.query.page()?,
        look: look(asked),
    })
}

pub fn show_package_page(asked: &Asked) -> Result<Call, Response> {
    Ok(Call::ShowPackagePage {
        name: name_checked(asked.part.to_string())?,
        look: look(asked),
    })
}
