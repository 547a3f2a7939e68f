//! Pages for people: which one, and how it is to be shown.

use super::{Asked, Call, Look, name_checked};
use crate::message::Response;
use crate::target;

fn look(asked: &Asked) -> Look {
    let head = asked.head;
    let html = target::wants_html(head);
    Look {
        html,
        color: !html && asked.query.flag("color"),
        host: target::host(head).unwrap_or("HOST").to_string(),
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
