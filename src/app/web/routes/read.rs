//! Calls that read, from their query; the progress of a check and its state share a path.

use crate::app::domain::comparison::Outcome;
use crate::app::domain::ids::{BuildId, CheckId};
use crate::app::domain::transition::Transition;
use crate::app::domain::verdict::{BuildStatus, State};
use crate::app::live::subscription::ProgressFormat;
use crate::app::render::view::site::PageOptions;
use crate::app::store::build_list::BuildFilter;
use crate::app::store::comparison_list::Asked;
use crate::app::store::list::{Paging, Sort};
use crate::app::store::package_list::{PackageFilter, RELEVANCE};
use crate::app::web::routes::route::{Access, Body, Route, RouteRequest, get, row};
use crate::app::web::routes::watch::WatchCall;
use crate::interface::message::Response;

/// Reads the state, and changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ReadCall {
    Packages {
        filter: PackageFilter,
        sort: Sort,
        page: Paging,
    },
    /// What the commits of a package came to.
    History {
        package: String,
        zig_version: Option<String>,
        page: Paging,
    },
    /// What a package declares.
    Dependencies {
        package: String,
    },
    /// The newest commits of a package that work, by toolchain.
    Compat {
        package: String,
    },
    /// The packages that depend on a package.
    Dependents {
        package: String,
        page: Paging,
    },
    Package {
        /// Its name, or the path of its repository.
        name: String,
    },
    Check {
        id: CheckId,
        /// As a matrix in text, not as JSON.
        plain: bool,
    },
    Builds {
        filter: BuildFilter,
        sort: Sort,
        page: Paging,
    },
    Build {
        id: BuildId,
    },
    /// What runs, what waits, and when that will start.
    Queue {
        page: Paging,
    },
    /// What changed between two Zig versions.
    Compare {
        asked: Asked,
        form: CompareForm,
        page: Paging,
    },
    /// What holds a package back under a Zig version.
    Upgrade {
        package: String,
        zig_version: String,
    },
    /// The packages that hold back most under a Zig version.
    Blockers {
        zig_version: String,
        page: Paging,
    },
    Badge {
        /// As for a package; none if no package can have that name.
        name: Option<String>,
        form: BadgeForm,
    },
    Stats(StatsQuery),
    /// The reference of the API for programs.
    OpenApi,
    /// The numbers of the server, as Prometheus collects them.
    Metrics,
    /// Changes of verdicts, for feed readers.
    Feed {
        /// Its name, or the path of its repository; none: of all packages.
        package: Option<String>,
        zig_version: Option<String>,
        /// Only what stopped to work, or began to.
        only: Option<Transition>,
        /// The start of absolute URLs.
        origin: String,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BadgeForm {
    Svg,
    /// For the endpoint badges of shields.io.
    Json,
}

/// Which statistics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct StatsQuery {
    /// None: the newest.
    pub set: Option<i64>,
    pub days: u64,
}

/// How programs take a comparison.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum CompareForm {
    Json,
    /// To paste, with links to this server.
    Markdown(PageOptions),
    /// The names of the packages with that outcome, one a line.
    Names(Outcome),
}

pub const fn routes<C: From<ReadCall> + From<WatchCall>>() -> [Route<C>; 14] {
    [
        get("/openapi.json", |_| Ok(C::from(ReadCall::OpenApi))),
        row("GET", "/metrics", Access::Local, Body::Ignored, |_| {
            Ok(C::from(ReadCall::Metrics))
        }),
        get("/api/packages", packages),
        get("/api/packages/*", package),
        get("/api/packages/*/dependencies", dependencies),
        get("/api/packages/*/dependents", dependents),
        get("/api/packages/*/history", history),
        get("/api/packages/*/compat", |request| {
            let package = request.name()?;
            Ok(C::from(ReadCall::Compat { package }))
        }),
        get("/api/packages/**/compat", |request| {
            let package = request.repository()?;
            Ok(C::from(ReadCall::Compat { package }))
        }),
        get("/api/packages/**", package_of_repository),
        get("/api/checks/*", check),
        get("/api/builds", builds),
        get("/api/builds/*", build),
        get("/api/queue", queue),
    ]
}

fn packages<C: From<ReadCall>>(request: &RouteRequest) -> Result<C, Response> {
    let query = &request.query;
    let columns = [
        ("name", "name"),
        // Ids rise with time, and their order needs no index.
        ("created_at", "id"),
        ("last_updated", "last_updated"),
        ("popularity_score", "popularity_score"),
        ("relevance", RELEVANCE),
    ];
    let default = match query.get("search") {
        Some(_) => "-relevance",
        None => "-last_updated",
    };
    Ok(C::from(ReadCall::Packages {
        filter: PackageFilter {
            search: query.owned("search"),
            zig_version: query.owned("zig_version"),
            status: query.word("status", BuildStatus::ALL, BuildStatus::as_str)?,
            license: query.owned("license"),
            author: query.owned("author"),
        },
        sort: query.sort(&columns, default)?,
        page: query.page_or_after()?,
    }))
}

fn package<C: From<ReadCall>>(request: &RouteRequest) -> Result<C, Response> {
    let name = request.name()?;
    Ok(C::from(ReadCall::Package { name }))
}

fn package_of_repository<C: From<ReadCall>>(request: &RouteRequest) -> Result<C, Response> {
    let name = request.repository()?;
    Ok(C::from(ReadCall::Package { name }))
}

fn dependencies<C: From<ReadCall>>(request: &RouteRequest) -> Result<C, Response> {
    let package = request.name()?;
    Ok(C::from(ReadCall::Dependencies { package }))
}

fn dependents<C: From<ReadCall>>(request: &RouteRequest) -> Result<C, Response> {
    let (package, page) = (request.name()?, request.query.page_or_after()?);
    Ok(C::from(ReadCall::Dependents { package, page }))
}

fn history<C: From<ReadCall>>(request: &RouteRequest) -> Result<C, Response> {
    Ok(C::from(ReadCall::History {
        package: request.name()?,
        zig_version: request.query.owned("zig_version"),
        page: request.query.page_or_after()?,
    }))
}

fn builds<C: From<ReadCall>>(request: &RouteRequest) -> Result<C, Response> {
    let query = &request.query;
    let columns = [
        ("id", "b.id"),
        // Ids rise with time, and their order needs no sorting.
        ("created_at", "b.id"),
        ("finished_at", "ifnull(b.finished_at, 0)"),
        ("zig_version", "b.zig_version"),
    ];
    let check = query.number("check", 1, i64::MAX as u64)?;
    Ok(C::from(ReadCall::Builds {
        filter: BuildFilter {
            package: query.owned("package"),
            uploads: query.flag("uploads"),
            check: check.map(|id| CheckId(id as i64)),
            zig_version: query.owned("zig_version"),
            status: query.word("status", BuildStatus::ALL, BuildStatus::as_str)?,
            state: query.word("state", State::ALL, State::as_str)?,
        },
        sort: query.sort(&columns, "-id")?,
        page: query.page_or_after()?,
    }))
}

fn build<C: From<ReadCall>>(request: &RouteRequest) -> Result<C, Response> {
    let id = BuildId(request.id()?);
    Ok(C::from(ReadCall::Build { id }))
}

fn check<C: From<ReadCall> + From<WatchCall>>(request: &RouteRequest) -> Result<C, Response> {
    let id = CheckId(request.id()?);
    Ok(match request.check_watch(None)? {
        Some(watch) => C::from(WatchCall::Check { id, watch }),
        None => C::from(ReadCall::Check {
            id,
            plain: request.progress_format() == Some(ProgressFormat::Text),
        }),
    })
}

fn queue<C: From<ReadCall>>(request: &RouteRequest) -> Result<C, Response> {
    let page = request.query.page()?;
    Ok(C::from(ReadCall::Queue { page }))
}
