//! Admin calls: what each call names.

use crate::app::domain::git_url::check_ref;
use crate::app::domain::ids::BuildId;
use crate::app::store::packages::PackageChange;
use crate::app::web::limits::DIR_LIMIT_BYTES;
use crate::app::web::query::bad;
use crate::app::web::routes::hosts::{self, HostCall};
use crate::app::web::routes::issues::{self, IssueCall};
use crate::app::web::routes::nodes::{self, NodeCall};
use crate::app::web::routes::quotas::{self, QuotaCall};
use crate::app::web::routes::route::{
    Access, Body, Route, RouteRequest, boolean, check_name, known_versions, row, text,
};
use crate::app::web::routes::submit::{check_dir, git_url};
use crate::app::web::routes::tokens::{self, TokenCall};
use crate::interface::message::{Head, Response, values};

/// Above the number of any row.
const ID_LIMIT: u64 = 1 << 40;

/// Needs an admin.
#[derive(Debug, Clone, PartialEq)]
pub enum AdminCall {
    /// Ends a build, whatever its state.
    CancelBuild {
        id: BuildId,
    },
    /// Ends the searches for commits of a package that work.
    CancelSearches {
        name: String,
    },
    /// Removes a package with all that belongs to it.
    DeletePackage {
        name: String,
    },
    /// Changes what is known of a package.
    ChangePackage {
        name: String,
        change: PackageChange,
    },
    /// Makes the recheck of all packages due now.
    CheckBuilds,
    /// Checks all packages under one toolchain.
    CheckAll {
        zig_version: String,
    },
    /// Checks all packages again whose newest builds ended in errors.
    RetryErrors,
    /// Nothing new is started, and the server ends once nothing runs.
    Drain,
    /// Takes that back.
    Undrain,
    /// The state of the server in numbers.
    Status,
    /// What admins have changed before that row, the newest first.
    Audit {
        before: i64,
        limit: u64,
    },
    Token(TokenCall),
    /// How much addresses may submit.
    Quota(QuotaCall),
    /// The hosts that packages may name.
    Host(HostCall),
    /// What was reported to the repositories of packages.
    Issue(IssueCall),
    /// The nodes of the cluster.
    Node(NodeCall),
}

impl AdminCall {
    /// True where a recent answer of the engine matters to the answer, or to the next one.
    pub fn needs_engine(&self) -> bool {
        matches!(self, AdminCall::CheckAll { .. })
    }
}

pub const fn routes<C: From<AdminCall>>() -> [Route<C>; 24] {
    use Access::{Admin, Notify};
    use Body::{Ignored, Json};
    [
        row("DELETE", "/api/packages/*", Admin, Ignored, delete_package),
        row("PATCH", "/api/packages/*", Admin, Json, change_package),
        row("DELETE", "/api/builds/*", Admin, Ignored, cancel_build),
        row(
            "DELETE",
            "/api/packages/*/compat",
            Admin,
            Ignored,
            |request| {
                let name = request.name()?;
                Ok(AdminCall::CancelSearches { name }.into())
            },
        ),
        row("POST", "/admin/check-builds", Admin, Ignored, |_| {
            Ok(AdminCall::CheckBuilds.into())
        }),
        row("POST", "/admin/check-all", Admin, Json, check_all),
        row("POST", "/admin/retry-errors", Admin, Ignored, |_| {
            Ok(AdminCall::RetryErrors.into())
        }),
        row("GET", "/admin/status", Admin, Ignored, |_| {
            Ok(AdminCall::Status.into())
        }),
        row("POST", "/admin/drain", Admin, Ignored, |_| {
            Ok(AdminCall::Drain.into())
        }),
        row("POST", "/admin/undrain", Admin, Ignored, |_| {
            Ok(AdminCall::Undrain.into())
        }),
        row("GET", "/admin/audit", Admin, Ignored, |request| {
            let before = request.query.number("before", 1, ID_LIMIT)?;
            Ok(AdminCall::Audit {
                before: before.unwrap_or(ID_LIMIT) as i64,
                limit: request.query.page()?.limit,
            }
            .into())
        }),
        row("GET", "/admin/tokens", Admin, Ignored, |_| {
            Ok(AdminCall::Token(TokenCall::List).into())
        }),
        row("POST", "/admin/tokens", Admin, Json, |request| {
            Ok(AdminCall::Token(tokens::make(request)?).into())
        }),
        row("DELETE", "/admin/tokens/*", Admin, Ignored, |request| {
            Ok(AdminCall::Token(tokens::delete(request)?).into())
        }),
        row("GET", "/admin/quotas", Admin, Ignored, list_quotas),
        row("PUT", "/admin/quotas", Admin, Json, set_quota),
        row("DELETE", "/admin/quotas", Admin, Ignored, end_quota),
        row("GET", "/admin/hosts", Admin, Ignored, list_hosts),
        row("POST", "/admin/hosts", Admin, Json, allow_host),
        row("DELETE", "/admin/hosts", Admin, Ignored, disallow_host),
        row("GET", "/admin/nodes", Admin, Ignored, |_| {
            Ok(AdminCall::Node(NodeCall::List).into())
        }),
        row("PATCH", "/admin/nodes/*", Admin, Json, |request| {
            Ok(AdminCall::Node(nodes::change(request)?).into())
        }),
        row("GET", "/admin/issues", Notify, Ignored, |request| {
            Ok(AdminCall::Issue(issues::list(request)?).into())
        }),
        row("PUT", "/admin/issues", Notify, Json, |request| {
            Ok(AdminCall::Issue(issues::put(request)?).into())
        }),
    ]
}

fn list_quotas<C: From<AdminCall>>(_: &RouteRequest) -> Result<C, Response> {
    Ok(AdminCall::Quota(QuotaCall::List).into())
}

fn set_quota<C: From<AdminCall>>(request: &RouteRequest) -> Result<C, Response> {
    Ok(AdminCall::Quota(quotas::set(request)?).into())
}

fn end_quota<C: From<AdminCall>>(request: &RouteRequest) -> Result<C, Response> {
    Ok(AdminCall::Quota(quotas::end(request)?).into())
}

fn list_hosts<C: From<AdminCall>>(_: &RouteRequest) -> Result<C, Response> {
    Ok(AdminCall::Host(HostCall::List).into())
}

fn allow_host<C: From<AdminCall>>(request: &RouteRequest) -> Result<C, Response> {
    Ok(AdminCall::Host(hosts::allow(request)?).into())
}

fn disallow_host<C: From<AdminCall>>(request: &RouteRequest) -> Result<C, Response> {
    Ok(AdminCall::Host(hosts::disallow(request)?).into())
}

fn check_all<C: From<AdminCall>>(request: &RouteRequest) -> Result<C, Response> {
    let version = text(&request.fields()?, "zig_version", 1_000)?;
    let version = version.ok_or_else(|| bad("zig_version: is missing"))?;
    let available = &request.settings.zig_versions;
    let known = known_versions("zig_version", vec![version], available)?;
    let zig_version = known.into_iter().next();
    let zig_version = zig_version.ok_or_else(|| bad("zig_version: is missing"))?;
    Ok(AdminCall::CheckAll { zig_version }.into())
}

fn cancel_build<C: From<AdminCall>>(request: &RouteRequest) -> Result<C, Response> {
    let id = BuildId(request.id()?);
    Ok(AdminCall::CancelBuild { id }.into())
}

fn delete_package<C: From<AdminCall>>(request: &RouteRequest) -> Result<C, Response> {
    let name = request.name()?;
    Ok(AdminCall::DeletePackage { name }.into())
}

fn change_package<C: From<AdminCall>>(request: &RouteRequest) -> Result<C, Response> {
    let fields = request.fields()?;
    // Absent: as it is. Null or empty: none.
    let wanted = |name: &str, limit_bytes| match fields.contains_key(name) {
        false => Ok(None),
        true => text(&fields, name, limit_bytes).map(Some),
    };
    let needed = |name: &str, limit_bytes| match wanted(name, limit_bytes)? {
        Some(None) => Err(bad(&format!("{name}: must not be empty"))),
        value => Ok(value.flatten()),
    };
    let mut change = PackageChange {
        name: needed("name", 1_000)?
            .map(|name| check_name("name", name))
            .transpose()?,
        url: None,
        reference: wanted("ref", 255)?,
        dir: wanted("dir", DIR_LIMIT_BYTES)?.map(check_dir).transpose()?,
        description: wanted("description", 2_000)?,
        author: wanted("author", 200)?,
        license: wanted("license", 100)?,
        paused: boolean(&fields, "paused")?,
    };
    if let Some(Some(reference)) = &change.reference {
        check_ref(reference).map_err(|why| bad(&format!("ref: {why}")))?;
    }
    if let Some(url) = needed("url", 2_000)? {
        let git = git_url(&url, change.reference.clone().flatten(), request.settings)?;
        change.reference = git.reference.map(Some).or(change.reference);
        if git.dir.is_some() && change.dir.is_none() {
            change.dir = Some(check_dir(git.dir)?);
        }
        change.url = Some(git.url);
    }
    if change == PackageChange::default() {
        let sentence =
            "nothing to change; allowed: name, url, ref, dir, description, author, license, paused";
        return Err(bad(sentence));
    }
    let name = request.name()?;
    Ok(AdminCall::ChangePackage { name, change }.into())
}

/// The bearer token of a request; none where two headers contradict each other.
pub fn bearer(head: &Head) -> Option<&str> {
    let values = values(&head.headers, "authorization");
    let [value] = values[..] else { return None };
    let (scheme, token) = value.trim().split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}
