//! The pages of the documentation.

use crate::app::render::sanitize::Clean;
use crate::app::render::view::docs::{CallLine, DocsView, manual_page};
use crate::app::render::view::site::PageOptions;
use crate::app::render::{html, text};
use crate::app::state::State;
use crate::app::web::answer::Error;
use crate::app::web::handlers::frame::{respond, site};
use crate::app::web::reference::{Body, CALLS, Call, Kind};
use crate::interface::message::Response;

/// `GET /docs`.
pub fn docs(state: &State, options: PageOptions) -> Response {
    let host = options.host.clone();
    let view = DocsView {
        site: site(state, options),
        calls: CALLS.iter().map(|call| line(call, &host)).collect(),
    };
    respond(200, &view.site, |is_html| match is_html {
        true => html::docs::html(&view),
        false => text::docs::text(&view),
    })
}

fn line(call: &'static Call, host: &str) -> CallLine {
    CallLine {
        method: call.method,
        path: call.path,
        summary: call.summary,
        parameters: call.query,
        fields: match call.body {
            Body::Json(fields) => fields,
            Body::None | Body::Archive => "",
        },
        needs_token: call.kind == Kind::Admin,
        curl: call.curl(host).map(|curl| Clean::new(&curl)),
        example: call.example(),
    }
}

/// `GET /docs/NAME`: a page of the manual.
pub fn manual(state: &State, name: &str, options: PageOptions) -> Result<Response, Error> {
    let page = manual_page(name).ok_or_else(|| Error::not_found("page of the manual"))?;
    let site = site(state, options);
    Ok(respond(200, &site, |is_html| match is_html {
        true => html::docs::manual(&site, page),
        false => page.markdown.to_string(),
    }))
}
