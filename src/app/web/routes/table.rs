//! All routes, and the call that a request makes: a tree, of which each handler matches its own branch.

use crate::app::web::limits::{HOOK_LIMIT_BYTES, JSON_LIMIT_BYTES};
use crate::app::web::query::{Query, bad};
use crate::app::web::request;
use crate::app::web::routes::admin::{self, AdminCall};
use crate::app::web::routes::badges;
use crate::app::web::routes::compare;
use crate::app::web::routes::feeds;
use crate::app::web::routes::forms::{self, FormCall};
use crate::app::web::routes::hooks::{self, HookCall};
use crate::app::web::routes::pages::{self, PageCall};
use crate::app::web::routes::read::{self, ReadCall};
use crate::app::web::routes::route::{
    Access, Body, Route, RouteRequest, check_form_type, check_json_type, check_tree_type, get,
};
use crate::app::web::routes::stats;
use crate::app::web::routes::submit::{self, SubmitCall, UploadOptions};
use crate::app::web::routes::upgrade;
use crate::app::web::routes::watch::{self, WatchCall};
use crate::config::limits::SOURCE_LIMIT_BYTES;
use crate::config::settings::Settings;
use crate::interface::message::{Admission, Head, Response};

#[derive(Debug, Clone, PartialEq)]
pub enum Call {
    /// Whether the server can do its work.
    Health,
    Read(ReadCall),
    Page(PageCall),
    Watch(WatchCall),
    Submit(SubmitCall),
    /// A submission by a form of a page.
    Form(FormCall),
    /// A check of an uploaded tree; the body follows in pieces.
    Upload(UploadOptions),
    /// A forge says that there was a push.
    Hook(HookCall),
    Admin(AdminCall),
}

macro_rules! branches {
    ($($branch:ident($call:ty),)*) => {$(
        impl From<$call> for Call {
            fn from(call: $call) -> Call {
                Call::$branch(call)
            }
        }
    )*};
}

branches! {
    Read(ReadCall),
    Page(PageCall),
    Watch(WatchCall),
    Submit(SubmitCall),
    Form(FormCall),
    Upload(UploadOptions),
    Hook(HookCall),
    Admin(AdminCall),
}

const ROUTES: [&[Route<Call>]; 13] = [
    &[get("/api/health", |_| Ok(Call::Health))],
    // Before pages: `**` of a page is any path.
    &feeds::routes(),
    &upgrade::routes(),
    &pages::routes(),
    &read::routes(),
    &badges::routes(),
    &compare::routes(),
    &stats::routes(),
    &watch::routes(),
    &submit::routes(),
    &forms::routes(),
    &hooks::routes(),
    &admin::routes(),
];

/// The part of a path that `*` stands for in the pattern, several of them joined by `/`, or the parts that `**` stands
/// for, of which there are two at least; empty without either. None where the path is another.
fn parameter(pattern: &str, parts: &[String]) -> Option<String> {
    let mut pattern = pattern.split('/').skip(1);
    let mut parameter = String::new();
    for (at, part) in parts.iter().enumerate() {
        match pattern.next()? {
            "**" => {
                let behind: Vec<&str> = pattern.collect();
                let rest = parts[at..].len().checked_sub(behind.len())?;
                let (rest, end) = parts[at..].split_at(rest);
                let is_path = rest.len() > 1 && !rest.iter().any(String::is_empty);
                let mut parameter = rest.join("/");
                for (part, word) in end.iter().zip(behind) {
                    match word {
                        "*" if !part.is_empty() => parameter += &format!("/{part}"),
                        word if word == part => {}
                        _ => return None,
                    }
                }
                return is_path.then_some(parameter);
            }
            "*" if !part.is_empty() && parameter.is_empty() => parameter = part.clone(),
            "*" if !part.is_empty() => parameter += &format!("/{part}"),
            word if word == part => {}
            _ => return None,
        }
    }
    pattern.next().is_none().then_some(parameter)
}

/// Method and path of every route.
pub fn all() -> impl Iterator<Item = (&'static str, &'static str)> {
    let routes = ROUTES.into_iter().flatten();
    routes.map(|route| (route.method, route.path))
}

/// The route of a request, else the error that says which methods there are, or what is wrong. The caller checks what
/// `Routed::access` asks for.
pub fn find(head: &Head) -> Result<Routed, Response> {
    let parts = request::parts(&head.path);
    let found = find_among(head, parts.as_deref());
    // Where the path cannot be decoded, it is compared as it was sent.
    let is_api = match &parts {
        Some(parts) => request::is_api(parts),
        None => head.path.starts_with("/api/"),
    };
    found.map_err(|error| request::open_if(is_api && request::is_read(head), error))
}

fn find_among(head: &Head, parts: Option<&[String]>) -> Result<Routed, Response> {
    let method = head.method.as_str();
    if !request::is_method(method) {
        return Err(Response::error(501, "there is no such method here"));
    }
    let all = ROUTES.into_iter().flatten();
    if (method, head.path.as_str()) == ("OPTIONS", "*") {
        let methods: Vec<&str> = all.map(|route| route.method).collect();
        return Err(request::options(request::allow(&methods), false));
    }
    let parts = parts.ok_or_else(|| bad("the path must be UTF-8 in whole escapes"))?;
    let mut methods = Vec::new();
    // A path that is written out stands for itself: the path of a repository may be the same.
    let is_written = |route: &&Route<Call>| !route.path.contains("**");
    let mut written = all.clone().filter(is_written);
    let has_written = written.any(|route| parameter(route.path, parts).is_some());
    for route in all.filter(|route| !has_written || is_written(route)) {
        let Some(parameter) = parameter(route.path, parts) else {
            continue;
        };
        // HEAD is answered like GET.
        if route.method == method || (method == "HEAD" && route.method == "GET") {
            check_origin(route, head)?;
            return Ok(Routed { route, parameter });
        }
        methods.push(route.method);
    }
    if methods.is_empty() {
        return Err(Response::error(404, "there is nothing at this path"));
    }
    let allow = request::allow(&methods);
    if method == "OPTIONS" {
        let is_open = methods.contains(&"GET") && request::is_api(parts);
        return Err(request::options(allow, is_open));
    }
    let sentence = format!("wrong method for this path; allowed: {allow}");
    Err(Response::error(405, &sentence).with("Allow", allow))
}

fn check_origin(route: &Route<Call>, head: &Head) -> Result<(), Response> {
    match route.method != "GET" && request::is_foreign(head) {
        true => Err(Response::error(403, "pages of other hosts may only read")),
        false => Ok(()),
    }
}

/// The route of one head.
#[derive(Debug)]
pub struct Routed {
    route: &'static Route<Call>,
    /// What `*` or `**` stands for in the route; empty without one.
    parameter: String,
}

impl Routed {
    /// True where pages of other origins may read the answer, errors included.
    pub fn is_open(&self) -> bool {
        self.route.method == "GET" && self.route.path.starts_with("/api/")
    }

    /// True where the request changes nothing.
    pub fn is_read(&self) -> bool {
        self.route.method == "GET"
    }

    /// True where the rate limits of submissions apply.
    pub fn is_limited(&self) -> bool {
        self.route.access == Access::Limited
    }

    /// True where the rate limit of push hooks applies.
    pub fn is_hook(&self) -> bool {
        self.route.access == Access::Hook
    }

    /// Its callers.
    pub fn access(&self) -> Access {
        self.route.access
    }

    /// What becomes of the body; an error where the head shows that the request cannot be answered.
    pub fn admission(&self, head: &Head, settings: &Settings) -> Result<Admission, Response> {
        let body = self.route.body;
        let is_needed = !matches!(body, Body::Ignored | Body::OptionalJson);
        if is_needed && !request::has_body(head) {
            let sentence = "a body is needed, with Content-Length or Transfer-Encoding";
            return Err(Response::error(411, sentence));
        }
        let mut limit_bytes = JSON_LIMIT_BYTES;
        match body {
            Body::Ignored => {}
            Body::OptionalJson if !request::has_body(head) => {}
            Body::Json | Body::OptionalJson => check_json_type(head)?,
            Body::Form => check_form_type(head)?,
            Body::Hook => {
                check_json_type(head)?;
                limit_bytes = HOOK_LIMIT_BYTES;
            }
            Body::Tree => {
                check_tree_type(head)?;
                self.read(head, b"", settings)?;
                limit_bytes = SOURCE_LIMIT_BYTES;
                return Ok(Admission::Spool { limit_bytes });
            }
        }
        Ok(Admission::Collect { limit_bytes })
    }

    /// The call that the request makes; else the error that names the wrong field.
    pub fn read(&self, head: &Head, body: &[u8], settings: &Settings) -> Result<Call, Response> {
        (self.route.read)(&RouteRequest {
            parameter: &self.parameter,
            query: Query::read(&head.query),
            head,
            body,
            settings,
        })
    }
}
