//! Calls about issues that were opened at forges: the notifier asks before it opens one, and says what it did.

use crate::app::web::query::bad;
use crate::app::web::routes::route::{RouteRequest, check_name, text};
use crate::config::values::is_version;
use crate::interface::message::Response;

/// Longest URL of an issue: as long as that of a package.
const URL_LIMIT_BYTES: usize = 2_000;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IssueCall {
    /// Those of a package; without one the open ones of all.
    List {
        package: Option<String>,
    },
    Put(IssueState),
}

/// An issue, and whether it is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssueState {
    pub package: String,
    pub zig_version: String,
    pub url: String,
    pub is_open: bool,
}

/// `GET /admin/issues`.
pub fn list(request: &RouteRequest) -> Result<IssueCall, Response> {
    let package = request.query.owned("package");
    let package = package
        .map(|name| check_name("package", name))
        .transpose()?;
    Ok(IssueCall::List { package })
}

/// `PUT /admin/issues`.
pub fn put(request: &RouteRequest) -> Result<IssueCall, Response> {
    let fields = request.fields()?;
    let needed = |name: &str, limit_bytes| {
        let text = text(&fields, name, limit_bytes)?;
        text.ok_or_else(|| bad(&format!("{name}: is missing")))
    };
    let package = check_name("package", needed("package", 1_000)?)?;
    let zig_version = needed("zig_version", 1_000)?;
    if !is_version(&zig_version) {
        return Err(bad("zig_version: must be a Zig version"));
    }
    let url = needed("issue_url", URL_LIMIT_BYTES)?;
    let is_web = ["https://", "http://"]
        .iter()
        .any(|scheme| url.starts_with(scheme));
    if !is_web || !url.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(bad("issue_url: must be an URL of the web"));
    }
    let is_open = match &needed("issue_status", 100)?[..] {
        "open" => true,
        "closed" => false,
        _ => return Err(bad("issue_status: must be open or closed")),
    };
    Ok(IssueCall::Put(IssueState {
        package,
        zig_version,
        url,
        is_open,
    }))
}
