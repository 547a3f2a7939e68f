//! Submissions: every field checked, each fault with its sentence.

use serde_json::{Map, Value};

use crate::app::domain::git_url;
use crate::app::live::subscription::ProgressFormat;
use crate::app::store::packages::NewPackage;
use crate::app::web::call::{Call, SubmitCall, UploadOptions};
use crate::app::web::query::bad;
use crate::app::web::routes::route_request::{RouteRequest, check_name, text};
use crate::config::settings::Settings;
use crate::config::values::is_version;
use crate::interface::message::Response;

pub fn upload(request: &RouteRequest) -> Result<Call, Response> {
    let name = request.query.owned("name");
    let versions = request.query.get("zig_versions");
    let versions = versions.map(|list| list.split(',').map(str::to_string).collect());
    let default = request.query.flag("follow").then_some(ProgressFormat::Text);
    Ok(Call::Upload(UploadOptions {
        name: check_name(name.unwrap_or_else(|| "upload".to_string()))?,
        zig_versions: zig_versions(versions, request.settings)?,
        follow: request.progress_format().or(default),
    }))
}

pub fn package(request: &RouteRequest) -> Result<Call, Response> {
    let fields = request.fields()?;
    let url = text(&fields, "url", 2_000)?.ok_or_else(|| bad("url: is missing"))?;
    let repository = git_url::check(&url, &request.settings.allow_hosts)
        .map_err(|why| bad(&format!("url: {why}")))?;
    let reference = text(&fields, "ref", 255)?;
    if let Some(reference) = &reference {
        git_url::check_ref(reference).map_err(|why| bad(&format!("ref: {why}")))?;
    }
    let name = text(&fields, "name", 1_000)?.unwrap_or(repository);
    let versions = version_list(&fields)?;
    Ok(Call::Submit(SubmitCall::Package {
        package: NewPackage {
            name: check_name(name)?,
            url,
            reference,
            description: text(&fields, "description", 2_000)?,
            author: text(&fields, "author", 200)?,
            license: text(&fields, "license", 100)?,
        },
        zig_versions: zig_versions(versions, request.settings)?,
    }))
}

pub fn rebuild(request: &RouteRequest) -> Result<Call, Response> {
    let name = request.name()?;
    Ok(Call::Submit(SubmitCall::Rebuild { name }))
}

fn version_list(fields: &Map<String, Value>) -> Result<Option<Vec<String>>, Response> {
    let wrong = || bad("zig_versions: must be a list of strings");
    match fields.get("zig_versions") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Array(list)) => {
            let versions = list.iter().map(|item| item.as_str().map(str::to_string));
            versions.collect::<Option<_>>().map(Some).ok_or_else(wrong)
        }
        Some(_) => Err(wrong()),
    }
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
    if let Some(unknown) = requested
        .iter()
        .find(|version| !available.contains(version))
    {
        // Only a version is safe to repeat.
        let shown = if is_version(unknown) { unknown } else { "" };
        let sentence = format!("unknown Zig version {shown}")
            .trim_end()
            .to_string();
        let available = available.join(", ");
        return Err(bad(&format!(
            "zig_versions: {sentence}; available: {available}"
        )));
    }
    let chosen = available
        .iter()
        .filter(|version| requested.contains(version));
    Ok(chosen.cloned().collect())
}
