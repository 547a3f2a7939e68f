//! Submissions: every field checked, and what is wrong with it in words.

use serde_json::{Map, Value};

use crate::app::domain::git_url;
use crate::app::live::subscription::ProgressFormat;
use crate::app::store::packages::NewPackage;
use crate::app::web::query::bad;
use crate::app::web::routes::watch::format;
use crate::app::web::routes::{Call, Request_, name_checked};
use crate::config::settings::Settings;
use crate::config::values::is_version;
use crate::interface::message::{Head, Response};

/// A check of an uploaded tree.
pub fn submit_tree(asked: &Request_) -> Result<Call, Response> {
    let name = asked.query.owned("name");
    let versions = asked.query.get("zig_versions");
    let versions = versions.map(|words| words.split(',').map(str::to_string).collect());
    Ok(Call::SubmitTree {
        name: name_checked(name.unwrap_or_else(|| "upload".to_string()))?,
        zig_versions: zig_versions(versions, asked.settings)?,
        follow: format(asked).or(asked.query.flag("follow").then_some(ProgressFormat::Text)),
    })
}

/// Whether the body may be JSON, by its head.
pub fn check_kind(head: &Head) -> Result<(), Response> {
    let kind = head.header("content-type").unwrap_or("");
    let kind = kind.split(';').next().unwrap_or("").trim();
    // curl says x-www-form-urlencoded where it is told nothing: what counts is the body.
    let taken = ["", "application/json", "application/x-www-form-urlencoded"];
    match taken.iter().any(|t| t.eq_ignore_ascii_case(kind)) || kind.ends_with("+json") {
        true => Ok(()),
        false => Err(Response::error(415, "the body must be application/json")),
    }
}

/// The body as fields.
pub fn fields(asked: &Request_) -> Result<Map<String, Value>, Response> {
    check_kind(asked.head)?;
    match serde_json::from_slice(asked.body) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(_) => Err(bad("the body must be a JSON object")),
        Err(error) => Err(bad(&format!("the body is not JSON: {error}"))),
    }
}

/// A package that is to be known from now on.
pub fn submit_package(asked: &Request_) -> Result<Call, Response> {
    let fields = fields(asked)?;
    let url = text(&fields, "url", 2_000)?.ok_or_else(|| bad("url: is missing"))?;
    let repository = git_url::check(&url, &asked.settings.allow_hosts)
        .map_err(|why| bad(&format!("url: {why}")))?;
    let reference = text(&fields, "ref", 255)?;
    if let Some(reference) = &reference {
        git_url::check_ref(reference).map_err(|why| bad(&format!("ref: {why}")))?;
    }
    let name = text(&fields, "name", 1_000)?.unwrap_or(repository);
    let versions = match fields.get("zig_versions") {
        None | Some(Value::Null) => None,
        Some(Value::Array(words)) => {
            let words = words.iter().map(|word| word.as_str().map(str::to_string));
            let words: Option<Vec<String>> = words.collect();
            Some(words.ok_or_else(|| bad("zig_versions: must be a list of texts"))?)
        }
        Some(_) => return Err(bad("zig_versions: must be a list of texts")),
    };
    Ok(Call::SubmitPackage {
        package: NewPackage {
            name: name_checked(name)?,
            url,
            reference,
            description: text(&fields, "description", 2_000)?,
            author: text(&fields, "author", 200)?,
            license: text(&fields, "license", 100)?,
        },
        zig_versions: zig_versions(versions, asked.settings)?,
    })
}

/// The text of a field; none where it is absent, null or empty.
pub fn text(
    fields: &Map<String, Value>,
    name: &str,
    limit: usize,
) -> Result<Option<String>, Response> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.contains('\0') => {
            Err(bad(&format!("{name}: must not hold a zero character")))
        }
        Some(Value::String(text)) if text.len() > limit => {
            Err(bad(&format!("{name}: must be at most {limit} bytes long")))
        }
        Some(Value::String(text)) => Ok(Some(text.clone()).filter(|text| !text.is_empty())),
        Some(_) => Err(bad(&format!("{name}: must be a text"))),
    }
}

/// The versions asked for in the server's order, each once; all where none were named.
fn zig_versions(asked: Option<Vec<String>>, settings: &Settings) -> Result<Vec<String>, Response> {
    let known = &settings.zig_versions;
    let Some(asked) = asked else {
        return Ok(known.clone());
    };
    if asked.is_empty() {
        return Err(bad("zig_versions: must name at least one version"));
    }
    if let Some(unknown) = asked.iter().find(|version| !known.contains(version)) {
        let shown = if is_version(unknown) { unknown } else { "one" };
        let known = known.join(", ");
        return Err(bad(&format!(
            "zig_versions: {shown} is not a version there is; there are {known}"
        )));
    }
    let chosen = known.iter().filter(|version| asked.contains(version));
    Ok(chosen.cloned().collect())
}
