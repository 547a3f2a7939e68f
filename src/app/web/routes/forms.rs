//! Calls by the forms of pages: a browser sends them without a script.

use serde_json::{Map, Value};

use crate::app::render::view::site::PageOptions;
use crate::app::render::view::submit::Typed;
use crate::app::web::routes::pages::options;
use crate::app::web::routes::route::{Access, Body, Route, RouteRequest, row};
use crate::app::web::routes::submit::{SubmitCall, package_call};
use crate::interface::message::Response;

/// A submission by a form.
#[derive(Debug, Clone, PartialEq)]
pub struct FormCall {
    /// What it asks for; else the error that names the wrong field.
    pub call: Result<SubmitCall, Response>,
    /// What was typed; none where the form is a button.
    pub typed: Option<Typed>,
    pub options: PageOptions,
}

pub const fn routes<C: From<FormCall>>() -> [Route<C>; 3] {
    use Access::Limited;
    [
        row("POST", "/submit", Limited, Body::Form, submit),
        row(
            "POST",
            "/packages/*/check",
            Limited,
            Body::Ignored,
            check_again,
        ),
        row("POST", "/packages/*/compat", Limited, Body::Ignored, search),
    ]
}

fn submit<C: From<FormCall>>(request: &RouteRequest) -> Result<C, Response> {
    let mut typed = Typed::default();
    for (name, value) in form_urlencoded::parse(request.body) {
        if let Some(field) = typed.field(&name) {
            *field = value.trim().to_string();
        }
    }
    let fields = typed.fields().into_iter();
    let fields = fields.map(|(name, value)| (name.to_string(), Value::String(value.to_string())));
    let fields: Map<String, Value> = fields.collect();
    Ok(C::from(FormCall {
        call: package_call(&fields, request.settings),
        typed: Some(typed),
        options: options(request.head, false),
    }))
}

fn check_again<C: From<FormCall>>(request: &RouteRequest) -> Result<C, Response> {
    let name = request.name()?;
    Ok(C::from(FormCall {
        call: Ok(SubmitCall::Rebuild { name, fresh: false }),
        typed: None,
        options: options(request.head, false),
    }))
}

fn search<C: From<FormCall>>(request: &RouteRequest) -> Result<C, Response> {
    let name = request.name()?;
    let zig_versions = request.settings.zig_versions.clone();
    Ok(C::from(FormCall {
        call: Ok(SubmitCall::Search { name, zig_versions }),
        typed: None,
        options: options(request.head, false),
    }))
}
