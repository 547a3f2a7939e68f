//! Routes as a table; a request becomes a call, or the answer that says what is wrong with it.

mod admin;
mod pages;
mod submit;
mod watch;

use crate::app::domain::verdict::{BuildStatus, State};
use crate::app::live::subscription::{EventFilter, ProgressFormat};
use crate::app::render::page::PageOptions;
use crate::app::store::builds::BuildFilter;
use crate::app::store::list::{Paging, Sort};
use crate::app::store::packages::{NewPackage, PackageFilter};
use crate::app::web::limits::JSON_LIMIT_BYTES;
use crate::app::web::query::{Query, bad};
use crate::app::web::request;
use crate::config::limits::SOURCE_LIMIT_BYTES;
use crate::config::settings::Settings;
use crate::interface::message::{Admission, Head, Request, Response};

/// What a client asks for, checked.
#[derive(Debug, Clone, PartialEq)]
pub enum Call {
    Health,
    SubmitPackage {
        package: NewPackage,
        zig_versions: Vec<String>,
    },
    ListPackages {
        filter: PackageFilter,
        sort: Sort,
        page: Paging,
    },
    ShowPackage {
        name: String,
    },
    SubmitTree {
        name: String,
        zig_versions: Vec<String>,
        /// The answer is the check's progress, to its end.
        follow: Option<ProgressFormat>,
    },
    /// A new check of a known package.
    Rebuild {
        name: String,
    },
    ShowCheck {
        id: i64,
        /// As a matrix for people, not as JSON.
        plain: bool,
    },
    /// The check's progress from here to its end.
    FollowCheck {
        id: i64,
        format: ProgressFormat,
    },
    ListBuilds {
        filter: BuildFilter,
        sort: Sort,
        page: Paging,
    },
    ShowBuild {
        id: i64,
    },
    ShowLog {
        id: i64,
        tail: Option<u64>,
    },
    /// What runs, what waits, and when that will start.
    ShowQueue {
        page: Paging,
    },
    /// The packages and the latest checks, for people.
    ShowFront {
        search: Option<String>,
        page: Paging,
        options: PageOptions,
    },
    /// One package, for people.
    ShowPackagePage {
        name: String,
        options: PageOptions,
    },
    /// Events as they come, over SSE or a WebSocket.
    WatchEvents {
        filter: EventFilter,
        /// The last one seen: what came since is replayed. Without: only what comes.
        since: Option<u64>,
        socket: bool,
    },
    /// The log of a build over a WebSocket, from that offset on.
    WatchLog {
        id: i64,
        from: u64,
    },
    /// An admin: ends a build, whatever it is doing.
    CancelBuild {
        id: i64,
    },
    /// An admin: a new check of a known package, before those of the server itself.
    TriggerBuild {
        package: PackageRef,
    },
    /// An admin: looks at the remotes of all packages now, not at their time of day.
    CheckBuilds,
    /// An admin: how the server is, in numbers.
    AdminStatus,
}

/// Which package an admin means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PackageRef {
    Id(i64),
    Name(String),
}

/// A request on its way to a call: the part of the path that varies, the query, the body.
struct Request_<'a> {
    part: &'a str,
    query: Query,
    head: &'a Head,
    /// Empty where there is none, and where it is not here yet.
    body: &'a [u8],
    settings: &'a Settings,
}

type Read = fn(&Request_) -> Result<Call, Response>;

struct Route {
    method: &'static str,
    /// `*` stands for one part of the path.
    path: &'static str,
    read: Read,
    body: Body,
    /// Only who knows the admin's token is answered.
    admin: bool,
    /// Anybody may ask for it, and gets so much of it in an hour.
    submission: bool,
}

/// What becomes of a body.
#[derive(Clone, Copy, PartialEq)]
enum Body {
    /// None is needed; one that comes all the same is read and not looked at.
    Needless,
    /// There must be one, a small one.
    Fields,
    /// There must be one, a tree.
    Tree,
}

const ROUTES: [Route; 20] = [
    get("/", pages::show_front),
    get("/packages/*", pages::show_package_page),
    get("/api/health", |_| Ok(Call::Health)),
    submission(route(
        "POST",
        "/api/packages",
        submit::submit_package,
        Body::Fields,
    )),
    get("/api/packages", list_packages),
    get("/api/packages/*", show_package),
    submission(route(
        "POST",
        "/api/packages/*/builds",
        rebuild,
        Body::Needless,
    )),
    submission(route("POST", "/api/check", submit::submit_tree, Body::Tree)),
    submission(route("PUT", "/api/check", submit::submit_tree, Body::Tree)),
    get("/api/checks/*", show_check),
    get("/api/builds", list_builds),
    get("/api/builds/*", |asked| {
        id(asked).map(|id| Call::ShowBuild { id })
    }),
    get("/api/builds/*/log", show_log),
    get("/api/queue", show_queue),
    get("/api/events", watch::watch_events),
    get("/ws", watch::watch_socket),
    admin(route(
        "DELETE",
        "/api/builds/*",
        |asked| id(asked).map(|id| Call::CancelBuild { id }),
        Body::Needless,
    )),
    admin(route(
        "POST",
        "/admin/trigger-build",
        admin::trigger_build,
        Body::Fields,
    )),
    admin(route(
        "POST",
        "/admin/check-builds",
        |_| Ok(Call::CheckBuilds),
        Body::Needless,
    )),
    admin(get("/admin/status", |_| Ok(Call::AdminStatus))),
];

const fn get(path: &'static str, read: Read) -> Route {
    route("GET", path, read, Body::Needless)
}

const fn route(method: &'static str, path: &'static str, read: Read, body: Body) -> Route {
    Route {
        method,
        path,
        read,
        body,
        admin: false,
        submission: false,
    }
}

const fn submission(route: Route) -> Route {
    Route {
        submission: true,
        ..route
    }
}

const fn admin(route: Route) -> Route {
    Route {
        admin: true,
        ..route
    }
}

/// The part of the path that stands for the `*` of the pattern, or an empty one without a `*`.
fn matches<'p>(pattern: &str, parts: &'p [String]) -> Option<&'p str> {
    let wanted = pattern.split('/').skip(1);
    if wanted.clone().count() != parts.len() {
        return None;
    }
    let mut varies = "";
    for (wanted, part) in wanted.zip(parts) {
        match wanted == "*" && !part.is_empty() {
            true => varies = part,
            false if wanted == part => {}
            false => return None,
        }
    }
    Some(varies)
}

/// Reads are HEAD as well as GET.
fn answers(route: &Route, method: &str) -> bool {
    route.method == method || (method == "HEAD" && route.method == "GET")
}

/// The route of a request and the part of its path that varies, or the answer where there is no
/// route: it says which methods there are, or what is wrong.
fn find(head: &Head) -> Result<(&'static Route, String), Response> {
    let method = head.method.as_str();
    if !request::is_method(method) {
        return Err(Response::error(501, "there is no such method here"));
    }
    if (method, head.path.as_str()) == ("OPTIONS", "*") {
        let all: Vec<&str> = ROUTES.iter().map(|route| route.method).collect();
        return Err(request::options(request::allow(&all), false));
    }
    let parts = request::parts(&head.path);
    let parts = parts.ok_or_else(|| bad("the path must be UTF-8 in whole escapes"))?;
    let mut there = Vec::new();
    for route in &ROUTES {
        if let Some(part) = matches(route.path, &parts) {
            if answers(route, method) {
                return Ok((route, part.to_string()));
            }
            there.push(route.method);
        }
    }
    if there.is_empty() {
        return Err(Response::error(404, "there is nothing at this path"));
    }
    let allow = request::allow(&there);
    if method == "OPTIONS" {
        let open = there.contains(&"GET") && request::is_api(&parts);
        return Err(request::options(allow, open));
    }
    let sentence = format!("this path takes {allow}");
    Err(Response::error(405, &sentence).with("Allow", allow))
}

/// The same, where the client may have an answer from that route at all: nothing else of the
/// request is looked at before.
fn find_open(head: &Head, settings: &Settings) -> Result<(&'static Route, String), Response> {
    let found = find(head)?;
    if found.0.method != "GET" && request::is_foreign(head) {
        let sentence = "pages of other hosts may read here, and no more";
        return Err(Response::error(403, sentence));
    }
    if found.0.admin {
        admin::check(head, settings)?;
    }
    Ok(found)
}

/// Errors of open reads are as open as what was asked for.
fn opened(head: &Head, response: Response) -> Response {
    match request::is_open(head) {
        true => request::open_to_all(response),
        false => response,
    }
}

/// What may become of the body of a request with that head. What the head alone is wrong in is
/// said before the body is sent.
pub fn admit(head: &Head, settings: &Settings) -> Admission {
    let (route, part) = match find_open(head, settings) {
        Ok(found) => found,
        Err(response) => return Admission::Refuse(opened(head, response)),
    };
    if route.body != Body::Needless && !request::has_body(head) {
        let sentence = "a body is needed, and Content-Length or Transfer-Encoding to say its end";
        return Admission::Refuse(Response::error(411, sentence));
    }
    let limit_bytes = match route.body {
        Body::Tree => SOURCE_LIMIT_BYTES,
        Body::Fields | Body::Needless => JSON_LIMIT_BYTES,
    };
    let wrong = match route.body {
        Body::Tree => ask(route, &part, head, b"", settings).err(),
        Body::Fields => submit::check_kind(head).err(),
        Body::Needless => None,
    };
    match (wrong, route.body) {
        (Some(response), _) => Admission::Refuse(response),
        (None, Body::Tree) => Admission::Spool { limit_bytes },
        (None, _) => Admission::Collect { limit_bytes },
    }
}

/// Whether a request with that head asks for new work.
pub fn submits(head: &Head) -> bool {
    find(head).is_ok_and(|(route, _)| route.submission)
}

/// The call a request makes, or the answer where it makes none: mostly which field is wrong, and
/// why.
pub fn read(request: &Request, settings: &Settings) -> Result<Call, Response> {
    let Request { head, body, .. } = request;
    let found = find_open(head, settings);
    let call = found.and_then(|(route, part)| ask(route, &part, head, body, settings));
    call.map_err(|response| opened(head, response))
}

fn ask(
    route: &Route,
    part: &str,
    head: &Head,
    body: &[u8],
    settings: &Settings,
) -> Result<Call, Response> {
    (route.read)(&Request_ {
        part,
        query: Query::read(&head.query),
        head,
        body,
        settings,
    })
}

/// True for what may name a package: `[A-Za-z0-9._-]{1,100}`, but for the two names that no path
/// can hold.
pub fn is_name(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    let fits = (1..=100).contains(&name.len());
    fits && name.bytes().all(plain) && !matches!(name, "." | "..")
}

/// What a name must be that is none.
const NAME: &str = "must be 1 to 100 of A-Z a-z 0-9 . _ -, and not . or ..";

fn name_checked(name: String) -> Result<String, Response> {
    match is_name(&name) {
        true => Ok(name),
        false => Err(bad(&format!("name: {NAME}"))),
    }
}

fn id(asked: &Request_) -> Result<i64, Response> {
    let id = asked.part.parse().ok().filter(|id| *id > 0);
    id.ok_or_else(|| bad("id: must be a whole number from 1"))
}

fn list_packages(asked: &Request_) -> Result<Call, Response> {
    let query = &asked.query;
    let columns = [
        ("name", "name"),
        ("created_at", "created_at"),
        ("last_updated", "last_updated"),
        ("popularity_score", "popularity_score"),
    ];
    Ok(Call::ListPackages {
        filter: PackageFilter {
            search: query.owned("search"),
            zig_version: query.owned("zig_version"),
            status: query.word("status", BuildStatus::ALL, BuildStatus::as_str)?,
            license: query.owned("license"),
            author: query.owned("author"),
        },
        sort: query.sort(&columns, "-last_updated")?,
        page: query.page()?,
    })
}

fn list_builds(asked: &Request_) -> Result<Call, Response> {
    let query = &asked.query;
    let columns = [
        ("id", "b.id"),
        // Numbers are given in the order of time, and need no sorting.
        ("created_at", "b.id"),
        ("finished_at", "b.finished_at"),
        ("package", "c.package"),
        ("zig_version", "b.zig_version"),
    ];
    let check = query.number("check", 1, i64::MAX as u64)?;
    Ok(Call::ListBuilds {
        filter: BuildFilter {
            package: query.owned("package"),
            check: check.map(|id| id as i64),
            zig_version: query.owned("zig_version"),
            status: query.word("status", BuildStatus::ALL, BuildStatus::as_str)?,
            state: query.word("state", State::ALL, State::as_str)?,
        },
        sort: query.sort(&columns, "-id")?,
        page: query.page()?,
    })
}

fn show_package(asked: &Request_) -> Result<Call, Response> {
    let name = name_checked(asked.part.to_string())?;
    Ok(Call::ShowPackage { name })
}

fn rebuild(asked: &Request_) -> Result<Call, Response> {
    let name = name_checked(asked.part.to_string())?;
    Ok(Call::Rebuild { name })
}

fn show_check(asked: &Request_) -> Result<Call, Response> {
    let id = id(asked)?;
    let format = watch::format(asked);
    let follow = asked.query.flag("follow") || format == Some(ProgressFormat::Json);
    Ok(match (follow, format) {
        (true, format) => Call::FollowCheck {
            id,
            format: format.unwrap_or(ProgressFormat::Text),
        },
        (false, format) => Call::ShowCheck {
            id,
            plain: format == Some(ProgressFormat::Text),
        },
    })
}

fn show_log(asked: &Request_) -> Result<Call, Response> {
    Ok(Call::ShowLog {
        id: id(asked)?,
        tail: asked.query.number("tail", 1, 1_000_000)?,
    })
}

fn show_queue(asked: &Request_) -> Result<Call, Response> {
    let page = asked.query.page()?;
    Ok(Call::ShowQueue { page })
}
