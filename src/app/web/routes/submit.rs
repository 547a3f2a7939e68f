//! Submissions: every field checked, each fault with its sentence.

use serde_json::{Map, Value};

use crate::app::domain::git_url::{self, GitUrl};
use crate::app::domain::ids::PackageId;
use crate::app::domain::limits::{
    AUTHOR_LIMIT_BYTES, DESCRIPTION_LIMIT_BYTES, LICENSE_LIMIT_BYTES, URL_LIMIT_BYTES,
};
use crate::app::live::subscription::CheckWatch;
use crate::app::store::packages::NewPackage;
use crate::app::web::limits::{DIR_LIMIT_BYTES, LONG_NAME_LIMIT_BYTES, SAME_NAMES_LIMIT};
use crate::app::web::query::bad;
use crate::app::web::routes::route::{
    Access, Body, Route, RouteRequest, boolean, check_name, known_versions, row, text,
};
use crate::config::settings::Settings;
use crate::interface::message::Response;

/// Asks for new builds.
#[derive(Debug, Clone, PartialEq)]
pub enum SubmitCall {
    /// A package that is not known yet.
    Package {
        package: NewPackage,
        /// The names that it may get, the first one that is free.
        names: Vec<String>,
        zig_versions: Vec<String>,
    },
    /// A new check of a known package; `fresh` takes no verdict from the cache.
    Rebuild { name: String, fresh: bool },
    /// A search for commits of a package that work under these versions.
    Search {
        name: String,
        zig_versions: Vec<String>,
    },
    /// An admin's new check of a known package, ahead of those that the server starts itself.
    Trigger { package: PackageRef, fresh: bool },
}

/// How an uploaded tree is checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadOptions {
    pub name: String,
    pub zig_versions: Vec<String>,
    /// Where its build.zig is; none: at the root.
    pub dir: Option<String>,
    /// No verdict is taken from the cache.
    pub fresh: bool,
    /// How the client awaits its end; none where it does not.
    pub watch: Option<CheckWatch>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PackageRef {
    Id(PackageId),
    Name(String),
}

pub const fn routes<C: From<SubmitCall> + From<UploadOptions>>() -> [Route<C>; 7] {
    use Access::{Admin, Limited};
    use Body::{Ignored, Json, OptionalJson, Tree};
    [
        row("POST", "/api/packages", Limited, Json, package),
        row("POST", "/api/packages/*/builds", Limited, Ignored, rebuild),
        row(
            "POST",
            "/api/packages/*/compat",
            Limited,
            OptionalJson,
            |request| Ok(search(request, request.name()?)?.into()),
        ),
        row(
            "POST",
            "/api/packages/**/compat",
            Limited,
            OptionalJson,
            |request| Ok(search(request, request.repository()?)?.into()),
        ),
        row("POST", "/api/check", Limited, Tree, upload),
        row("PUT", "/api/check", Limited, Tree, upload),
        row("POST", "/admin/trigger-build", Admin, Json, trigger),
    ]
}

fn upload<C: From<UploadOptions>>(request: &RouteRequest) -> Result<C, Response> {
    let name = request.query.owned("name");
    let versions = request.query.get("zig_versions");
    let versions = versions.map(|list| list.split(',').map(str::to_string).collect());
    let zig_versions = zig_versions(versions, request.settings)?;
    Ok(C::from(UploadOptions {
        name: check_name("name", name.unwrap_or_else(|| "upload".to_string()))?,
        watch: request.check_watch(Some(&zig_versions))?,
        zig_versions,
        dir: check_dir(request.query.owned("dir"))?,
        fresh: request.query.flag("fresh"),
    }))
}

fn package<C: From<SubmitCall>>(request: &RouteRequest) -> Result<C, Response> {
    let call = package_call(&request.fields()?, request.settings)?;
    Ok(C::from(call))
}

/// The package that these fields name.
pub fn package_call(
    fields: &Map<String, Value>,
    settings: &Settings,
) -> Result<SubmitCall, Response> {
    let url = text(fields, "url", URL_LIMIT_BYTES)?.ok_or_else(|| bad("url: is missing"))?;
    let reference = text(fields, "ref", 255)?;
    let git = git_url(&url, reference, settings)?;
    let dir = check_dir(text(fields, "dir", DIR_LIMIT_BYTES)?)?;
    let names = match text(fields, "name", 1_000)? {
        Some(name) => vec![check_name("name", name)?],
        None => names(git.name, &git.long_name)?,
    };
    let versions = fields.get("zig_versions").cloned().unwrap_or_default();
    let versions = serde_json::from_value(versions);
    let versions = versions.map_err(|_| bad("zig_versions: must be a list of strings"))?;
    Ok(SubmitCall::Package {
        package: NewPackage {
            name: names[0].clone(),
            url: git.url,
            reference: git.reference,
            dir: dir.or(check_dir(git.dir)?),
            description: text(fields, "description", DESCRIPTION_LIMIT_BYTES)?,
            author: text(fields, "author", AUTHOR_LIMIT_BYTES)?,
            license: text(fields, "license", LICENSE_LIMIT_BYTES)?,
        },
        names,
        zig_versions: zig_versions(versions, settings)?,
    })
}

/// A URL with the ref that was sent beside it, if there was one: what they name together.
pub fn git_url(
    url: &str,
    reference: Option<String>,
    settings: &Settings,
) -> Result<GitUrl, Response> {
    let in_words = |why: String| bad(&format!("ref: {why}"));
    if let Some(reference) = &reference {
        git_url::check_ref(reference).map_err(in_words)?;
    }
    let git = git_url::parse(url, reference.as_deref(), &settings.allow_hosts);
    let mut git = git.map_err(|why| bad(&format!("url: {why}")))?;
    if let Some(shown) = &git.reference {
        let in_words = |why| bad(&format!("url: the branch of the page {why}"));
        git_url::check_ref(shown).map_err(in_words)?;
    }
    git.reference = reference.or(git.reference);
    Ok(git)
}

/// The names for a package that was sent without one: its repository's, that with its owner's, and that with numbers.
fn names(name: String, long_name: &str) -> Result<Vec<String>, Response> {
    let long_name = &long_name[..long_name.len().min(LONG_NAME_LIMIT_BYTES)];
    let numbered = (2..=SAME_NAMES_LIMIT).map(|number| format!("{long_name}-{number}"));
    let mut names = vec![check_name("name", name)?, long_name.to_string()];
    names.extend(numbered);
    Ok(names)
}

fn rebuild<C: From<SubmitCall>>(request: &RouteRequest) -> Result<C, Response> {
    let name = request.name()?;
    let fresh = request.query.flag("fresh");
    Ok(C::from(SubmitCall::Rebuild { name, fresh }))
}

fn search(request: &RouteRequest, name: String) -> Result<SubmitCall, Response> {
    let fields = match request.body {
        b"" => Map::new(),
        _ => request.fields()?,
    };
    let version = text(&fields, "zig_version", 1_000)?;
    let available = &request.settings.zig_versions;
    let zig_versions = match version {
        Some(version) => known_versions("zig_version", vec![version], available)?,
        None => available.clone(),
    };
    Ok(SubmitCall::Search { name, zig_versions })
}

fn trigger<C: From<SubmitCall>>(request: &RouteRequest) -> Result<C, Response> {
    let fields = request.fields()?;
    let id = match fields.get("package_id") {
        None | Some(Value::Null) => None,
        Some(id) => {
            let id = id.as_i64().filter(|id| *id > 0);
            Some(id.ok_or_else(|| bad("package_id: must be a whole number from 1"))?)
        }
    };
    let name = text(&fields, "package_name", 1_000)?;
    let package = match (id, name) {
        (Some(id), None) => PackageRef::Id(PackageId(id)),
        (None, Some(name)) => PackageRef::Name(check_name("package_name", name)?),
        (None, None) => return Err(bad("package_id or package_name: one of them is needed")),
        (Some(_), Some(_)) => return Err(bad("package_id, package_name: only one is allowed")),
    };
    let fresh = boolean(&fields, "fresh")?.unwrap_or(false);
    Ok(C::from(SubmitCall::Trigger { package, fresh }))
}

/// A directory of a source in its plain form: `a/b`; none for the root. It reaches no command line and no path of the
/// server, only the head of a container.
pub fn check_dir(dir: Option<String>) -> Result<Option<String>, Response> {
    let Some(dir) = dir else { return Ok(None) };
    if dir.len() > DIR_LIMIT_BYTES {
        let sentence = format!("dir: must be at most {DIR_LIMIT_BYTES} bytes long");
        return Err(bad(&sentence));
    }
    if dir.contains(char::is_control) {
        return Err(bad("dir: must not contain control characters"));
    }
    if dir.starts_with('/') {
        return Err(bad("dir: must be relative to the root of the source"));
    }
    let plain = dir.strip_suffix('/').unwrap_or(&dir);
    if plain == "." {
        return Ok(None);
    }
    let odd = |part: &str| matches!(part, "" | "." | "..");
    if plain.split('/').any(odd) {
        return Err(bad("dir: must not have empty parts, . or .."));
    }
    Ok(Some(plain.to_string()))
}

/// The requested versions in the order of the settings, each once; all where none were requested.
fn zig_versions(
    requested: Option<Vec<String>>,
    settings: &Settings,
) -> Result<Vec<String>, Response> {
    let available = &settings.zig_versions;
    let Some(requested) = requested else {
        return Ok(available.clone());
    };
    if requested.is_empty() {
        return Err(bad("zig_versions: must name at least one version"));
    }
    known_versions("zig_versions", requested, available)
}
