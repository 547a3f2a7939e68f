//! The routes, in one table; a head finds its route once, and keeps it.

use crate::app::web::call::Call;
use crate::app::web::limits::JSON_LIMIT_BYTES;
use crate::app::web::query::{Query, bad};
use crate::app::web::request;
use crate::app::web::routes::route_request::{RouteRequest, check_content_type};
use crate::app::web::routes::{admin, pages, read, submit, watch};
use crate::config::limits::SOURCE_LIMIT_BYTES;
use crate::config::settings::Settings;
use crate::interface::message::{Admission, Head, Response};

type ReadRequest = fn(&RouteRequest) -> Result<Call, Response>;

struct Route {
    method: &'static str,
    /// `*` stands for one part of the path.
    path: &'static str,
    read: ReadRequest,
    body: Body,
    access: Access,
}

#[derive(Clone, Copy, PartialEq)]
enum Body {
    /// Not needed; one that comes is read and ignored.
    Ignored,
    Json,
    Tree,
}

#[derive(Clone, Copy, PartialEq)]
enum Access {
    Anyone,
    /// Anyone, within the rate limits of submissions.
    Limited,
    /// Only with the admin token.
    Admin,
}

const ROUTES: [Route; 20] = [
    get("/", pages::front),
    get("/packages/*", pages::package),
    get("/api/health", |_| Ok(Call::Health)),
    get("/api/packages", read::packages),
    get("/api/packages/*", read::package),
    get("/api/checks/*", read::check),
    get("/api/builds", read::builds),
    get("/api/builds/*", read::build),
    get("/api/builds/*/log", watch::log),
    get("/api/queue", read::queue),
    get("/api/events", watch::events),
    get("/ws", watch::socket),
    submission("POST", "/api/packages", submit::package, Body::Json),
    submission(
        "POST",
        "/api/packages/*/builds",
        submit::rebuild,
        Body::Ignored,
    ),
    submission("POST", "/api/check", submit::upload, Body::Tree),
    submission("PUT", "/api/check", submit::upload, Body::Tree),
    admin(
        "DELETE",
        "/api/builds/*",
        admin::cancel_build,
        Body::Ignored,
    ),
    admin(
        "POST",
        "/admin/trigger-build",
        admin::trigger_build,
        Body::Json,
    ),
    admin(
        "POST",
        "/admin/check-builds",
        admin::check_builds,
        Body::Ignored,
    ),
    admin("GET", "/admin/status", admin::status, Body::Ignored),
];

const fn get(path: &'static str, read: ReadRequest) -> Route {
    route("GET", path, read, Body::Ignored, Access::Anyone)
}

const fn submission(
    method: &'static str,
    path: &'static str,
    read: ReadRequest,
    body: Body,
) -> Route {
    route(method, path, read, body, Access::Limited)
}

const fn admin(method: &'static str, path: &'static str, read: ReadRequest, body: Body) -> Route {
    route(method, path, read, body, Access::Admin)
}

const fn route(
    method: &'static str,
    path: &'static str,
    read: ReadRequest,
    body: Body,
    access: Access,
) -> Route {
    Route {
        method,
        path,
        read,
        body,
        access,
    }
}

impl Route {
    /// The part of the path that `*` stands for, or an empty one without a `*`; none where the path is another.
    fn parameter<'p>(&self, parts: &'p [String]) -> Option<&'p str> {
        let pattern = self.path.split('/').skip(1);
        if pattern.clone().count() != parts.len() {
            return None;
        }
        let mut parameter = "";
        for (pattern, part) in pattern.zip(parts) {
            match pattern == "*" && !part.is_empty() {
                true => parameter = part,
                false if pattern == part => {}
                false => return None,
            }
        }
        Some(parameter)
    }

    /// HEAD is answered like GET.
    fn takes(&self, method: &str) -> bool {
        self.method == method || (method == "HEAD" && self.method == "GET")
    }
}

/// A head with its route.
pub struct Routed<'h> {
    route: &'static Route,
    parameter: String,
    head: &'h Head,
}

/// The route of a request; else the error that says which methods there are, or what is wrong. Checks what concerns
/// the route alone: the origin of the page and the admin token.
pub fn find<'h>(head: &'h Head, settings: &Settings) -> Result<Routed<'h>, Response> {
    let parts = request::parts(&head.path);
    let found = find_among(head, parts.as_deref(), settings);
    // Where the path cannot be decoded, it is compared as it was sent.
    let is_api = match &parts {
        Some(parts) => request::is_api(parts),
        None => head.path.starts_with("/api/"),
    };
    let is_open = is_api && request::is_read(head);
    found.map_err(|error| match is_open {
        true => request::open_to_all(error),
        false => error,
    })
}

fn find_among<'h>(
    head: &'h Head,
    parts: Option<&[String]>,
    settings: &Settings,
) -> Result<Routed<'h>, Response> {
    let method = head.method.as_str();
    if !request::is_method(method) {
        return Err(Response::error(501, "there is no such method here"));
    }
    if (method, head.path.as_str()) == ("OPTIONS", "*") {
        let all: Vec<&str> = ROUTES.iter().map(|route| route.method).collect();
        return Err(request::options(request::allow(&all), false));
    }
    let parts = parts.ok_or_else(|| bad("the path must be UTF-8 in whole escapes"))?;
    let mut methods = Vec::new();
    for route in &ROUTES {
        if let Some(parameter) = route.parameter(parts) {
            if route.takes(method) {
                let parameter = parameter.to_string();
                let routed = Routed {
                    route,
                    parameter,
                    head,
                };
                return routed.check_access(settings);
            }
            methods.push(route.method);
        }
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

impl Routed<'_> {
    fn check_access(self, settings: &Settings) -> Result<Self, Response> {
        if self.route.method != "GET" && request::is_foreign(self.head) {
            let sentence = "pages of other hosts may only read";
            return Err(Response::error(403, sentence));
        }
        if self.route.access == Access::Admin {
            admin::check_token(self.head, settings)?;
        }
        Ok(self)
    }

    /// True where pages of other origins may read the answer, errors included.
    pub fn is_open(&self) -> bool {
        self.route.method == "GET" && self.route.path.starts_with("/api/")
    }

    /// True where the rate limits of submissions apply.
    pub fn is_limited(&self) -> bool {
        self.route.access == Access::Limited
    }

    /// What becomes of the body: it is refused here where the head shows that the request cannot be answered.
    pub fn admission(&self, settings: &Settings) -> Admission {
        let limit_bytes = JSON_LIMIT_BYTES;
        let checked = match self.route.body {
            Body::Ignored => return Admission::Collect { limit_bytes },
            _ if !request::has_body(self.head) => Err(Response::error(
                411,
                "a body is needed, with Content-Length or Transfer-Encoding",
            )),
            Body::Json => {
                check_content_type(self.head).map(|()| Admission::Collect { limit_bytes })
            }
            Body::Tree => self.read(b"", settings).map(|_| Admission::Spool {
                limit_bytes: SOURCE_LIMIT_BYTES,
            }),
        };
        checked.unwrap_or_else(Admission::Refuse)
    }

    /// The call that the request makes; else the error that names the wrong field.
    pub fn read(&self, body: &[u8], settings: &Settings) -> Result<Call, Response> {
        let call = (self.route.read)(&RouteRequest {
            parameter: &self.parameter,
            query: Query::read(&self.head.query),
            head: self.head,
            body,
            settings,
        });
        call.map_err(|error| match self.is_open() {
            true => request::open_to_all(error),
            false => error,
        })
    }
}
