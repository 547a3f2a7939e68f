//! Calls for pages: which page, and in which form.

use crate::app::domain::ids::{BuildId, CheckId};
use crate::app::render::view::site::PageOptions;
use crate::app::store::comparison_list::Asked;
use crate::app::store::list::Paging;
use crate::app::web::request;
use crate::app::web::routes::read::StatsQuery;
use crate::app::web::routes::route::{Route, RouteRequest, get};
use crate::app::web::routes::upgrade::{package_and_version, repository_and_version};
use crate::app::web::routes::watch::{self, WatchCall};
use crate::interface::message::{Head, Response};

/// A page for people.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PageCall {
    pub target: Target,
    pub options: PageOptions,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Target {
    /// The packages and the latest checks.
    Front {
        search: Option<String>,
        page: Paging,
    },
    Package {
        /// Its name, or the path of its repository.
        name: String,
    },
    /// What holds a package back under a Zig version.
    Upgrade {
        package: String,
        zig_version: String,
    },
    /// What holds back most packages under a Zig version.
    Blockers {
        zig_version: String,
        page: Paging,
    },
    Check(CheckId),
    Build(BuildId),
    /// The log of a build, around that line.
    Log {
        id: BuildId,
        line: Option<u64>,
    },
    /// What runs, and one page of what waits.
    Queue(Paging),
    /// What changed between two Zig versions.
    Compare {
        asked: Asked,
        page: Paging,
    },
    /// Statistics.
    Stats(StatsQuery),
    /// The calls of the API.
    Docs,
    /// A page of the manual.
    Manual {
        name: String,
    },
    /// The form that submits a package.
    Submit {
        /// What is in its first field.
        url: Option<String>,
    },
    Icon,
    Robots,
}

pub const fn routes<C: From<PageCall> + From<WatchCall>>() -> [Route<C>; 15] {
    [
        get("/", front),
        get("/packages/*", package),
        get("/packages/*/upgrade/*", |request| {
            Ok(upgrade(request, package_and_version(request)?))
        }),
        get("/packages/**/upgrade/*", |request| {
            Ok(upgrade(request, repository_and_version(request)?))
        }),
        get("/packages/**", package_of_repository),
        get("/upgrade/*", blockers),
        get("/checks/*", check),
        get("/builds/*", build),
        get("/builds/*/log", log),
        get("/queue", queue),
        get("/docs", docs),
        get("/docs/*", manual),
        get("/submit", submit),
        get("/favicon.ico", |request| Ok(call(request, Target::Icon))),
        get("/robots.txt", |request| Ok(call(request, Target::Robots))),
    ]
}

/// How a client takes a page.
pub fn options(head: &Head, color: bool) -> PageOptions {
    let html = request::wants_html(head);
    let host = request::host(head);
    let scheme = request::scheme(head);
    let origin = host.map(|host| format!("{scheme}://{host}"));
    PageOptions {
        html,
        is_live: false,
        color: !html && color,
        // curl takes a host without a scheme as http.
        host: match (&origin, host) {
            (Some(origin), _) if scheme == "https" => origin.clone(),
            (_, host) => host.unwrap_or("HOST").to_string(),
        },
        origin,
    }
}

pub fn call<C: From<PageCall>>(request: &RouteRequest, target: Target) -> C {
    C::from(PageCall {
        target,
        options: options(request.head, request.query.flag("color")),
    })
}

/// The call for a page that changes while it is shown.
fn live_call<C: From<PageCall>>(request: &RouteRequest, target: Target) -> C {
    let mut options = options(request.head, request.query.flag("color"));
    options.is_live = options.html && request::shows_live_pages(request.head);
    C::from(PageCall { target, options })
}

fn front<C: From<PageCall>>(request: &RouteRequest) -> Result<C, Response> {
    let search = request.query.owned("search");
    let page = request.query.page_or_after()?;
    Ok(call(request, Target::Front { search, page }))
}

fn package_of_repository<C: From<PageCall>>(request: &RouteRequest) -> Result<C, Response> {
    let name = request.repository()?;
    Ok(call(request, Target::Package { name }))
}

fn package<C: From<PageCall>>(request: &RouteRequest) -> Result<C, Response> {
    let name = request.name()?;
    Ok(call(request, Target::Package { name }))
}

fn upgrade<C: From<PageCall>>(
    request: &RouteRequest,
    (package, zig_version): (String, String),
) -> C {
    let target = Target::Upgrade {
        package,
        zig_version,
    };
    call(request, target)
}

fn blockers<C: From<PageCall>>(request: &RouteRequest) -> Result<C, Response> {
    let target = Target::Blockers {
        zig_version: request.parameter.to_string(),
        page: request.query.page()?,
    };
    Ok(call(request, target))
}

fn check<C: From<PageCall>>(request: &RouteRequest) -> Result<C, Response> {
    let id = CheckId(request.id()?);
    Ok(live_call(request, Target::Check(id)))
}

fn build<C: From<PageCall>>(request: &RouteRequest) -> Result<C, Response> {
    let id = BuildId(request.id()?);
    Ok(live_call(request, Target::Build(id)))
}

fn docs<C: From<PageCall>>(request: &RouteRequest) -> Result<C, Response> {
    Ok(call(request, Target::Docs))
}

fn manual<C: From<PageCall>>(request: &RouteRequest) -> Result<C, Response> {
    let name = request.parameter.to_string();
    Ok(call(request, Target::Manual { name }))
}

/// The log as a page, or as its text.
fn log<C: From<PageCall> + From<WatchCall>>(request: &RouteRequest) -> Result<C, Response> {
    let id = BuildId(request.id()?);
    let line = request.query.number("line", 1, u64::MAX)?;
    match request::wants_html(request.head) {
        true => Ok(live_call(request, Target::Log { id, line })),
        false => watch::log(request),
    }
}

fn queue<C: From<PageCall>>(request: &RouteRequest) -> Result<C, Response> {
    let page = request.query.page()?;
    Ok(live_call(request, Target::Queue(page)))
}

fn submit<C: From<PageCall>>(request: &RouteRequest) -> Result<C, Response> {
    let url = request.query.owned("url");
    Ok(call(request, Target::Submit { url }))
}
