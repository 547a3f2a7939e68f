//! A row of the route table, and the request that its reader takes.

use serde_json::{Map, Value};

use crate::app::domain::package_name::{self, is_name};
use crate::app::live::subscription::{CheckWatch, ProgressFormat, WatchMode};
use crate::app::render::required::Required;
use crate::app::web::limits::PATH_LIMIT_BYTES;
use crate::app::web::query::{Query, bad};
use crate::app::web::request;
use crate::config::settings::Settings;
use crate::config::values::is_version;
use crate::interface::message::{Head, Response};

/// Which requests a route takes, and how they are read. `C` is `Call` of `table.rs`, which joins all rows: the rows of
/// each file know only their own branch of it.
#[derive(Debug)]
pub struct Route<C> {
    pub method: &'static str,
    /// `*` stands for one part of the path, `**` for two or more.
    pub path: &'static str,
    pub access: Access,
    pub body: Body,
    pub read: Reader<C>,
}

pub type Reader<C> = fn(&RouteRequest) -> Result<C, Response>;

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Access {
    Anyone,
    /// Anyone, within the rate limits of submissions.
    Limited,
    /// Admins: over the admin socket, or with a token of the scope `admin`.
    Admin,
    /// Admins and the notifier, whose token has the scope `notify`.
    Notify,
    /// Anyone, within the rate limit of push hooks unless they prove that they know the secret.
    Hook,
    /// From this machine; from elsewhere admins.
    Local,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Body {
    /// Not needed; one that comes is read and ignored.
    Ignored,
    /// Not needed.
    OptionalJson,
    Json,
    /// The fields of an HTML form.
    Form,
    /// What a forge says of a push: JSON, or a form with a field of JSON.
    Hook,
    Tree,
}

pub const fn get<C>(path: &'static str, read: Reader<C>) -> Route<C> {
    row("GET", path, Access::Anyone, Body::Ignored, read)
}

pub const fn row<C>(
    method: &'static str,
    path: &'static str,
    access: Access,
    body: Body,
    read: Reader<C>,
) -> Route<C> {
    Route {
        method,
        path,
        access,
        body,
        read,
    }
}

/// A request whose route is known.
pub struct RouteRequest<'a> {
    /// What `*` or `**` stands for in the route, several joined by `/`; empty without one.
    pub parameter: &'a str,
    pub query: Query,
    pub head: &'a Head,
    /// Empty where there is none, and while it has not arrived.
    pub body: &'a [u8],
    pub settings: &'a Settings,
}

impl RouteRequest<'_> {
    /// The parameter as the id of a row.
    pub fn id(&self) -> Result<i64, Response> {
        let id = self.parameter.parse().ok().filter(|id| *id > 0);
        id.ok_or_else(|| bad("id: must be a whole number from 1"))
    }

    /// The parameter as the name of a package.
    pub fn name(&self) -> Result<String, Response> {
        check_name("name", self.parameter.to_string())
    }

    /// The parameter as the path of a repository, `OWNER/REPO` or `HOST/OWNER/REPO`.
    pub fn repository(&self) -> Result<String, Response> {
        check_repository(self.parameter)
    }

    /// The format of progress that the `Accept` header asks for.
    pub fn progress_format(&self) -> Option<ProgressFormat> {
        let prefers = |kind: &str| request::prefers(self.head, kind);
        match () {
            () if prefers("application/x-ndjson") => Some(ProgressFormat::Json),
            () if prefers("text/plain") => Some(ProgressFormat::Text),
            () => None,
        }
    }

    /// How the end of a check is awaited; none where the answer is its state now. `zig_versions` are those that it is
    /// tried under, where they are known.
    pub fn check_watch(
        &self,
        zig_versions: Option<&[String]>,
    ) -> Result<Option<CheckWatch>, Response> {
        let (query, format) = (&self.query, self.progress_format());
        let required = self.required(zig_versions)?;
        let mode = match (query.flag("wait"), query.flag("follow")) {
            (true, true) => return Err(bad("wait, follow: only one is allowed")),
            (true, false) => WatchMode::Wait,
            (false, true) => WatchMode::Follow,
            (false, false) if zig_versions.is_some() && format.is_some() => WatchMode::Follow,
            (false, false) if format == Some(ProgressFormat::Json) => WatchMode::Follow,
            (false, false) if required == Required::Nothing => return Ok(None),
            (false, false) => return Err(bad("require: needs wait or follow")),
        };
        let is_seen = mode == WatchMode::Wait || !self.head.http10;
        if required != Required::Nothing && !is_seen {
            let sentence = "require: follow needs HTTP/1.1, since nobody sees that an answer of HTTP/1.0 \
                            is unfinished; use wait";
            return Err(bad(sentence));
        }
        let by_type = match request::prefers_json(self.head) && mode == WatchMode::Wait {
            true => ProgressFormat::Json,
            false => ProgressFormat::Text,
        };
        Ok(Some(CheckWatch {
            mode,
            format: format.unwrap_or(by_type),
            required,
        }))
    }

    fn required(&self, zig_versions: Option<&[String]>) -> Result<Required, Response> {
        let versions = match self.query.raw("require") {
            None => return Ok(Required::Nothing),
            // Not the same as none: a script whose variable is not set requires something.
            Some("") => return Err(bad("require: must be all or a list of Zig versions")),
            Some("all") => return Ok(Required::All),
            Some(list) => list.split(',').map(str::to_string).collect(),
        };
        let versions = known_versions("require", versions, &self.settings.zig_versions)?;
        let tried = zig_versions.unwrap_or(&versions);
        match versions.iter().find(|version| !tried.contains(version)) {
            Some(version) => Err(bad(&not_tried(version))),
            None => Ok(Required::Versions(versions)),
        }
    }

    /// The body as the fields of a JSON object.
    pub fn fields(&self) -> Result<Map<String, Value>, Response> {
        match serde_json::from_slice(self.body) {
            Ok(Value::Object(fields)) => Ok(fields),
            Ok(_) => Err(bad("the body must be a JSON object")),
            Err(error) => Err(bad(&format!("the body is not JSON: {error}"))),
        }
    }
}

/// 415 where the head says that the body is not JSON.
pub fn check_json_type(head: &Head) -> Result<(), Response> {
    let kind = request::content_type(head);
    let is_json = kind.eq_ignore_ascii_case("application/json") || kind.ends_with("+json");
    // curl calls any body a form: the body decides.
    match kind.is_empty() || is_json || request::is_form(head) {
        true => Ok(()),
        false => Err(Response::error(415, "the body must be application/json")),
    }
}

/// 415 where the head says that the body is something else than the fields of a form.
pub fn check_form_type(head: &Head) -> Result<(), Response> {
    match request::is_form(head) {
        true => Ok(()),
        false => {
            let sentence = "the body must be application/x-www-form-urlencoded; programs POST JSON to /api/packages";
            Err(Response::error(415, sentence))
        }
    }
}

/// 415 where the head says that the body is a form with parts.
pub fn check_tree_type(head: &Head) -> Result<(), Response> {
    let is_form = request::content_type(head).eq_ignore_ascii_case("multipart/form-data");
    match is_form {
        false => Ok(()),
        true => {
            let sentence = "the body must be the archive itself, not a form (curl -F); \
                            use curl --data-binary @FILE, or --data-binary @- for a pipe";
            Err(Response::error(415, sentence))
        }
    }
}

/// The path of a repository, or the error that says how it is written.
pub fn check_repository(path: &str) -> Result<String, Response> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"._-~+:[]/".contains(&b);
    match path.len() <= PATH_LIMIT_BYTES && path.bytes().all(plain) {
        true => Ok(path.to_string()),
        false => Err(bad("name: must be a NAME, OWNER/REPO or HOST/OWNER/REPO")),
    }
}

/// The name of a package. An error names `field`.
pub fn check_name(field: &str, name: String) -> Result<String, Response> {
    match is_name(&name) {
        true => Ok(name),
        false => Err(bad(&format!("{field}: must be {}", package_name::RULE))),
    }
}

/// A field that is true or false; none if it is absent or null.
pub fn boolean(fields: &Map<String, Value>, name: &str) -> Result<Option<bool>, Response> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Bool(value)) => Ok(Some(*value)),
        Some(_) => Err(bad(&format!("{name}: must be true or false"))),
    }
}

/// The text of a field; none where it is absent, null or empty.
pub fn text(
    fields: &Map<String, Value>,
    name: &str,
    limit_bytes: usize,
) -> Result<Option<String>, Response> {
    let fault = match fields.get(name) {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(text)) if text.is_empty() => return Ok(None),
        Some(Value::String(text)) if text.contains('\0') => "must not contain a NUL character",
        Some(Value::String(text)) if text.len() > limit_bytes => {
            &format!("must be at most {limit_bytes} bytes long")
        }
        Some(Value::String(text)) => return Ok(Some(text.clone())),
        Some(_) => "must be a string",
    };
    Err(bad(&format!("{name}: {fault}")))
}

/// These versions in the order of the available ones, each once. An error names `field`.
pub fn known_versions(
    field: &str,
    requested: Vec<String>,
    available: &[String],
) -> Result<Vec<String>, Response> {
    let mut unknown = requested.iter().filter(|one| !available.contains(one));
    if let Some(unknown) = unknown.next() {
        // Only a version is safe to repeat.
        let shown = if is_version(unknown) { unknown } else { "" };
        let sentence = format!("{field}: unknown Zig version {shown}");
        let (sentence, available) = (sentence.trim_end(), available.join(", "));
        return Err(bad(&format!("{sentence}; available: {available}")));
    }
    let chosen = available.iter().filter(|one| requested.contains(one));
    Ok(chosen.cloned().collect())
}

/// The fault of a required version that a check is not tried under.
pub fn not_tried(version: &str) -> String {
    format!("require: {version} is not among the zig_versions of this check")
}
