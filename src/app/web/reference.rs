//! The reference of the API: a row for each route that programs call. A test holds it against the route table and
//! against answers of a server.

pub use crate::app::web::call::{Answer, Body, Call, Kind};
use crate::app::web::call::{call, get};
use crate::app::web::call_fields::{
    BUILD, CHECK, COMPARISON, FEED, ISSUE, PACKAGE, QUOTA, QUOTA_SET, UPGRADE, UPLOAD,
};

const LIST: &str = "page after limit";
const SVG: Answer = Answer::Other("image/svg+xml");
const TEXT: Answer = Answer::Other("text/plain");
const ATOM: Answer = Answer::Other("application/atom+xml");
const ENDPOINT: Answer = Answer::Json("schemaVersion label message color isError cacheSeconds");

/// Every call, in the order in which people need them.
pub const CALLS: &[Call] = &[
    call(
        "POST",
        "/api/check",
        "Checks the archive in the body; it becomes no package",
        UPLOAD,
        Answer::Json("check builds"),
    )
    .with(Kind::Submit, Body::Archive, &[200, 202, 422]),
    call(
        "PUT",
        "/api/check",
        "The same",
        UPLOAD,
        Answer::Json("check builds"),
    )
    .with(Kind::Submit, Body::Archive, &[200, 202, 422]),
    get(
        "/api/checks/{id}",
        "A check with its builds, or its progress to the end",
        "follow wait require",
        Answer::Json(CHECK),
    )
    .with(Kind::Read, Body::None, &[200, 422]),
    call(
        "POST",
        "/api/packages",
        "Submits a git repository as a package, and checks it",
        "",
        Answer::Json("message id name url author status check builds"),
    )
    .with(
        Kind::Submit,
        Body::Json("url ref dir name description author license zig_versions"),
        &[201],
    ),
    get(
        "/api/packages",
        "Packages with their latest verdicts",
        "search zig_version status license author sort page after limit",
        Answer::Json("packages total total_is_bounded page limit next"),
    ),
    get(
        "/api/packages/{name}",
        "One package",
        "",
        Answer::Json(PACKAGE),
    ),
    get(
        "/api/packages/{owner}/{repo}",
        "The package of that repository",
        "",
        Answer::Json(PACKAGE),
    ),
    call(
        "POST",
        "/api/packages/{name}/builds",
        "Checks a package again",
        "fresh",
        Answer::Json("check builds"),
    )
    .with(Kind::Submit, Body::None, &[202]),
    get(
        "/api/packages/{name}/compat",
        "The newest commit that works under each toolchain",
        "",
        Answer::Json("package compat"),
    ),
    call(
        "POST",
        "/api/packages/{name}/compat",
        "Searches for commits that work",
        "",
        Answer::Json("package compat"),
    )
    .with(Kind::Submit, Body::Json("zig_version"), &[202]),
    get(
        "/api/packages/{owner}/{repo}/compat",
        "The same by repository",
        "",
        Answer::Json("package compat"),
    ),
    call(
        "POST",
        "/api/packages/{owner}/{repo}/compat",
        "The same by repository",
        "",
        Answer::Json("package compat"),
    )
    .with(Kind::Submit, Body::Json("zig_version"), &[202]),
    get(
        "/api/packages/{name}/history",
        "What each commit came to",
        "zig_version page after limit",
        Answer::Json("history total total_is_bounded page limit next"),
    ),
    get(
        "/api/packages/{name}/dependencies",
        "What a package declares",
        "",
        Answer::Json("dependencies"),
    ),
    get(
        "/api/packages/{name}/dependents",
        "What depends on it",
        LIST,
        Answer::Json("dependents total total_is_bounded page limit next"),
    ),
    get(
        "/api/packages/{name}/upgrade/{version}",
        "What holds a package back under a Zig version",
        "",
        Answer::Json(UPGRADE),
    ),
    get(
        "/api/packages/{owner}/{repo}/upgrade/{version}",
        "The same by repository",
        "",
        Answer::Json(UPGRADE),
    ),
    get(
        "/api/upgrade/{version}",
        "The packages that hold back most under a Zig version",
        "page limit",
        Answer::Json("zig_version blockers total total_is_bounded page limit"),
    ),
    get(
        "/api/compare/{old}..{new}",
        "What changed between two Zig versions",
        "packages error_key where format outcome page limit",
        Answer::Json(COMPARISON),
    ),
    get(
        "/api/stats",
        "How many packages work under each toolchain, day by day; builds, slow builds, errors",
        "set days",
        Answer::Json("set sets packages is_complete shares builds slowest errors"),
    ),
    get(
        "/api/builds",
        "Builds",
        "package uploads check zig_version status state sort page after limit",
        Answer::Json("builds total total_is_bounded page limit next"),
    ),
    get("/api/builds/{id}", "One build", "", Answer::Json(BUILD)),
    get(
        "/api/builds/{id}/log",
        "Its log; of a running build it goes on to the end",
        "tail",
        TEXT,
    ),
    get(
        "/api/queue",
        "What runs, and what waits",
        "page limit",
        Answer::Json("slots running waiting total page limit"),
    ),
    get(
        "/api/events",
        "Changes of builds as server-sent events",
        "package uploads check since",
        Answer::Other("text/event-stream"),
    ),
    get(
        "/ws",
        "The same over a WebSocket; with build=ID the log of a build",
        "package uploads check since build from",
        Answer::None,
    )
    .with(Kind::Socket, Body::None, &[101]),
    get(
        "/api/health",
        "Whether the server can do its work",
        "",
        Answer::Json(
            "status timestamp database docker disk fetch_network proxy_headers version uptime_seconds",
        ),
    ),
    get("/badge/{name}.svg", "A badge for a README", "", SVG),
    get(
        "/badge/{owner}/{repo}.svg",
        "The same by repository",
        "",
        SVG,
    ),
    get(
        "/badge/{name}.json",
        "A badge in the form of shields.io",
        "",
        ENDPOINT,
    ),
    get(
        "/badge/{owner}/{repo}.json",
        "The same by repository",
        "",
        ENDPOINT,
    ),
    get("/feed.atom", "Changes of verdicts", FEED, ATOM),
    get(
        "/packages/{name}/feed.atom",
        "Changes of the verdicts of a package",
        FEED,
        ATOM,
    ),
    get(
        "/packages/{owner}/{repo}/feed.atom",
        "The same by repository",
        FEED,
        ATOM,
    ),
    get(
        "/openapi.json",
        "This reference for programs",
        "",
        Answer::Json("openapi info paths components"),
    ),
    call(
        "POST",
        "/hooks/push",
        "Asks the remote of a package for its commit, as a hook of its forge",
        "url",
        Answer::Json("message packages"),
    )
    .with(
        Kind::Hook,
        Body::Json("ref repository project"),
        &[200, 202],
    ),
    get(
        "/metrics",
        "The server in numbers, for Prometheus",
        "",
        TEXT,
    )
    .with(Kind::Local, Body::None, &[200]),
    call(
        "POST",
        "/admin/trigger-build",
        "Checks a package ahead of the daily ones",
        "",
        Answer::Json("message check builds"),
    )
    .with(
        Kind::Admin,
        Body::Json("package_name package_id fresh"),
        &[202],
    ),
    call(
        "POST",
        "/admin/check-builds",
        "Asks all remotes for their commit now",
        "",
        Answer::Json(""),
    )
    .with(Kind::Admin, Body::None, &[202]),
    call(
        "POST",
        "/admin/check-all",
        "Checks all packages under one Zig version, or says how far that is",
        "",
        Answer::Json("message zig_version packages checked running requested_at"),
    )
    .with(Kind::Admin, Body::Json("zig_version"), &[200, 202]),
    call(
        "POST",
        "/admin/retry-errors",
        "Checks all packages again whose newest builds ended in errors, or says how far that is",
        "",
        Answer::Json("message packages examined found running requested_at"),
    )
    .with(Kind::Admin, Body::None, &[200, 202]),
    get(
        "/admin/status",
        "The server in numbers",
        "",
        Answer::Json(""),
    )
    .with(Kind::Admin, Body::None, &[200]),
    call(
        "POST",
        "/admin/drain",
        "Starts nothing new, and ends the server once nothing runs",
        "",
        Answer::Json("draining running waiting"),
    )
    .with(Kind::Admin, Body::None, &[200]),
    call(
        "POST",
        "/admin/undrain",
        "Takes a drain back",
        "",
        Answer::Json("draining running waiting"),
    )
    .with(Kind::Admin, Body::None, &[200]),
    get(
        "/admin/audit",
        "What admins have changed, the newest first",
        "before limit",
        Answer::Json("audit next"),
    )
    .with(Kind::Admin, Body::None, &[200]),
    get(
        "/admin/tokens",
        "Tokens for admin calls beside that of the file",
        "",
        Answer::Json("tokens"),
    )
    .with(Kind::Admin, Body::None, &[200]),
    call(
        "POST",
        "/admin/tokens",
        "Makes a token, which the answer alone has",
        "",
        Answer::Json("name scope created_at last_used token"),
    )
    .with(Kind::Admin, Body::Json("name scope"), &[201]),
    call(
        "DELETE",
        "/admin/tokens/{token}",
        "Removes a token",
        "",
        Answer::Json("name scope created_at last_used"),
    )
    .with(Kind::Admin, Body::None, &[200]),
    get(
        "/admin/quotas",
        "How much addresses may submit in place of the limit for all",
        "",
        Answer::Json("quotas"),
    )
    .with(Kind::Admin, Body::None, &[200]),
    call(
        "PUT",
        "/admin/quotas",
        "Sets how often an hour an address or a network may submit; 0 is a ban",
        "",
        Answer::Json(QUOTA),
    )
    .with(Kind::Admin, Body::Json(QUOTA_SET), &[200]),
    call(
        "DELETE",
        "/admin/quotas",
        "Ends the quota of an address or a network",
        "address",
        Answer::Json(QUOTA),
    )
    .with(Kind::Admin, Body::None, &[200]),
    get(
        "/admin/hosts",
        "The hosts that packages may name, and those that they asked for",
        "",
        Answer::Json("settings allowed refused"),
    )
    .with(Kind::Admin, Body::None, &[200]),
    call(
        "POST",
        "/admin/hosts",
        "Allows a host beside those of the settings",
        "",
        Answer::Json("host created_at"),
    )
    .with(Kind::Admin, Body::Json("host"), &[201]),
    call(
        "DELETE",
        "/admin/hosts",
        "Takes that back",
        "host",
        Answer::Json("host created_at"),
    )
    .with(Kind::Admin, Body::None, &[200]),
    get(
        "/admin/nodes",
        "The nodes of the cluster, and what runs on each",
        "",
        Answer::Json("nodes"),
    )
    .with(Kind::Admin, Body::None, &[200]),
    call(
        "PATCH",
        "/admin/nodes/{name}",
        "Takes a node of the cluster out of service, or back",
        "",
        Answer::Json("name drained"),
    )
    .with(Kind::Admin, Body::Json("drained reason"), &[200]),
    get(
        "/admin/issues",
        "What was reported to the repository of a package; without one all that is open",
        "package",
        Answer::Json("issues"),
    )
    .with(Kind::Admin, Body::None, &[200]),
    call(
        "PUT",
        "/admin/issues",
        "Enters an issue that was opened or closed",
        "",
        Answer::Json("issues"),
    )
    .with(Kind::Admin, Body::Json(ISSUE), &[200]),
    call(
        "DELETE",
        "/api/builds/{id}",
        "Cancels a build",
        "",
        Answer::Json(BUILD),
    )
    .with(Kind::Admin, Body::None, &[200]),
    call(
        "DELETE",
        "/api/packages/{name}/compat",
        "Ends searches for commits",
        "",
        Answer::Json("package compat"),
    )
    .with(Kind::Admin, Body::None, &[200]),
    call(
        "DELETE",
        "/api/packages/{name}",
        "Removes a package",
        "",
        Answer::Json("message id name"),
    )
    .with(Kind::Admin, Body::None, &[200]),
    call(
        "PATCH",
        "/api/packages/{name}",
        "Changes a package",
        "",
        Answer::Json(PACKAGE),
    )
    .with(
        Kind::Admin,
        Body::Json("name url ref dir description author license paused"),
        &[200],
    ),
];
