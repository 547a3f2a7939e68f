//! Routes as a table; a request becomes a call, or the answer that says what is wrong with it.

use serde_json::{Map, Value};

use crate::build::State;
use crate::config::{JSON_LIMIT_BYTES, SOURCE_LIMIT_BYTES, Settings, is_version};
use crate::git_url;
use crate::message::{Admission, Head, Request, Response};
use crate::store::{BuildFilter, NewPackage, PackageFilter, Page, Sort};
use crate::verdict::BuildStatus;

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
        page: Page,
    },
    ShowPackage {
        name: String,
    },
    SubmitTree {
        name: String,
        zig_versions: Vec<String>,
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
    ListBuilds {
        filter: BuildFilter,
        sort: Sort,
        page: Page,
    },
    ShowBuild {
        id: i64,
    },
    ShowLog {
        id: i64,
        tail: Option<u64>,
    },
}

/// A request on its way to a call: the part of the path that varies, the query, the body.
struct Asked<'a> {
    part: &'a str,
    query: Query,
    request: &'a Request,
    settings: &'a Settings,
}

type Read = fn(&Asked) -> Result<Call, Response>;

struct Route {
    method: &'static str,
    /// `*` stands for one part of the path.
    path: &'static str,
    read: Read,
}

const ROUTES: [Route; 10] = [
    route("GET", "/api/health", |_| Ok(Call::Health)),
    route("POST", "/api/packages", submit_package),
    route("GET", "/api/packages", list_packages),
    route("GET", "/api/packages/*", show_package),
    route("POST", "/api/packages/*/builds", rebuild),
    route("POST", "/api/check", submit_tree),
    route("GET", "/api/checks/*", show_check),
    route("GET", "/api/builds", list_builds),
    route("GET", "/api/builds/*", |asked| {
        id(asked).map(|id| Call::ShowBuild { id })
    }),
    route("GET", "/api/builds/*/log", show_log),
];

const fn route(method: &'static str, path: &'static str, read: Read) -> Route {
    Route { method, path, read }
}

/// The part of `path` that stands for the `*` of the pattern, or an empty one without a `*`.
fn matches<'p>(pattern: &str, path: &'p str) -> Option<&'p str> {
    let Some((before, after)) = pattern.split_once('*') else {
        return (pattern == path).then_some("");
    };
    let part = path.strip_prefix(before)?.strip_suffix(after)?;
    (!part.is_empty() && !part.contains('/')).then_some(part)
}

/// Reads are HEAD as well as GET.
fn answers(route: &Route, method: &str) -> bool {
    route.method == method || (method == "HEAD" && route.method == "GET")
}

fn find(head: &Head) -> Result<(&'static Route, &str), Response> {
    let mut allowed: Vec<&str> = Vec::new();
    for route in &ROUTES {
        if let Some(part) = matches(route.path, &head.path) {
            if answers(route, &head.method) {
                return Ok((route, part));
            }
            allowed.push(route.method);
            allowed.extend((route.method == "GET").then_some("HEAD"));
        }
    }
    if allowed.is_empty() {
        return Err(Response::error(404, "there is nothing at this path"));
    }
    let allowed = allowed.join(", ");
    let sentence = format!("this path takes {allowed}");
    Err(Response::error(405, &sentence).with("Allow", allowed))
}

/// What may become of the body of a request with that head.
pub fn admit(head: &Head) -> Admission {
    match find(head) {
        Err(response) => Admission::Refuse(response),
        Ok((route, _)) if route.path == "/api/check" => Admission::Spool {
            limit_bytes: SOURCE_LIMIT_BYTES,
        },
        Ok(_) => Admission::Collect {
            limit_bytes: JSON_LIMIT_BYTES,
        },
    }
}

/// The call a request makes, or the answer that says which field is wrong, and why.
pub fn read(request: &Request, settings: &Settings) -> Result<Call, Response> {
    let (route, part) = find(&request.head)?;
    let part = decode(part).ok_or_else(|| bad("the path is not UTF-8"))?;
    let asked = Asked {
        part: &part,
        query: Query::read(&request.head.query),
        request,
        settings,
    };
    (route.read)(&asked)
}

fn bad(sentence: &str) -> Response {
    Response::error(400, sentence)
}

fn decode(part: &str) -> Option<String> {
    // The part is a query's value in all but these two signs.
    let part = part.replace('+', "%2B").replace('&', "%26");
    let pair = format!("x={part}");
    let (_, value) = form_urlencoded::parse(pair.as_bytes()).next()?;
    (!value.contains(char::REPLACEMENT_CHARACTER)).then(|| value.into_owned())
}

/// True for what may name a package: `[A-Za-z0-9._-]{1,100}`, but for the two names that no path
/// can hold.
pub fn is_name(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    let fits = (1..=100).contains(&name.len());
    fits && name.bytes().all(plain) && !matches!(name, "." | "..")
}

fn name_checked(name: String) -> Result<String, Response> {
    match is_name(&name) {
        true => Ok(name),
        false => Err(bad(
            "name: must be 1 to 100 of A-Z a-z 0-9 . _ -, and not . or ..",
        )),
    }
}

// -- queries ----------------------------------------------------------------------------------

struct Query(Vec<(String, String)>);

impl Query {
    fn read(query: &str) -> Query {
        let pairs = form_urlencoded::parse(query.as_bytes());
        Query(pairs.into_owned().collect())
    }

    /// The value of that name; an empty one counts as absent.
    fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, v)| v.as_str()).filter(|v| !v.is_empty())
    }

    fn owned(&self, name: &str) -> Option<String> {
        self.get(name).map(str::to_string)
    }

    fn number(&self, name: &str, from: u64, to: u64) -> Result<Option<u64>, Response> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        let number = value.parse().ok().filter(|n| (from..=to).contains(n));
        let sentence = format!("{name}: must be a whole number from {from} to {to}");
        number.map(Some).ok_or_else(|| bad(&sentence))
    }

    /// A word out of a closed list.
    fn word<T: Copy>(
        &self,
        name: &str,
        all: &[T],
        as_str: fn(T) -> &'static str,
    ) -> Result<Option<T>, Response> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        let known = all.iter().copied().find(|word| as_str(*word) == value);
        known.map(Some).ok_or_else(|| {
            let words: Vec<&str> = all.iter().map(|word| as_str(*word)).collect();
            bad(&format!("{name}: must be one of {}", words.join(", ")))
        })
    }

    fn page(&self) -> Result<Page, Response> {
        Ok(Page {
            page: self.number("page", 1, 1 << 40)?.unwrap_or(1),
            limit: self.number("limit", 1, 100)?.unwrap_or(20),
        })
    }

    /// `sort=NAME` goes up, `sort=-NAME` down; `columns` gives each name its column.
    fn sort(&self, columns: &[(&str, &'static str)], default: &str) -> Result<Sort, Response> {
        let value = self.get("sort").unwrap_or(default);
        let (name, down) = match value.strip_prefix('-') {
            Some(name) => (name, true),
            None => (value, false),
        };
        let known = columns.iter().find(|(known, _)| *known == name);
        known
            .map(|(_, column)| Sort { column, down })
            .ok_or_else(|| {
                let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
                let names = names.join(", ");
                bad(&format!(
                    "sort: must be one of {names}, with - in front to go down"
                ))
            })
    }
}

fn id(asked: &Asked) -> Result<i64, Response> {
    let id = asked.part.parse().ok().filter(|id| *id > 0);
    id.ok_or_else(|| bad("id: must be a whole number from 1"))
}

fn list_packages(asked: &Asked) -> Result<Call, Response> {
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

fn list_builds(asked: &Asked) -> Result<Call, Response> {
    let query = &asked.query;
    let columns = [
        ("id", "b.id"),
        ("created_at", "b.created_at"),
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

fn show_package(asked: &Asked) -> Result<Call, Response> {
    let name = name_checked(asked.part.to_string())?;
    Ok(Call::ShowPackage { name })
}

fn rebuild(asked: &Asked) -> Result<Call, Response> {
    let name = name_checked(asked.part.to_string())?;
    Ok(Call::Rebuild { name })
}

fn show_check(asked: &Asked) -> Result<Call, Response> {
    let accept = asked.request.head.header("accept").unwrap_or("");
    Ok(Call::ShowCheck {
        id: id(asked)?,
        plain: accept.trim_start().starts_with("text/plain"),
    })
}

fn show_log(asked: &Asked) -> Result<Call, Response> {
    Ok(Call::ShowLog {
        id: id(asked)?,
        tail: asked.query.number("tail", 1, 1_000_000)?,
    })
}

// -- submissions ------------------------------------------------------------------------------

fn submit_tree(asked: &Asked) -> Result<Call, Response> {
    let name = asked.query.owned("name");
    let versions = asked.query.get("zig_versions");
    let versions = versions.map(|words| words.split(',').map(str::to_string).collect());
    Ok(Call::SubmitTree {
        name: name_checked(name.unwrap_or_else(|| "upload".to_string()))?,
        zig_versions: zig_versions(versions, asked.settings)?,
    })
}

fn submit_package(asked: &Asked) -> Result<Call, Response> {
    let kind = asked.request.head.header("content-type").unwrap_or("");
    let kind = kind.split(';').next().unwrap_or("").trim();
    // curl says x-www-form-urlencoded where it is told nothing: what counts is the body.
    let taken = ["", "application/json", "application/x-www-form-urlencoded"];
    if !taken.iter().any(|t| t.eq_ignore_ascii_case(kind)) && !kind.ends_with("+json") {
        return Err(Response::error(415, "the body must be application/json"));
    }
    let fields: Value = serde_json::from_slice(&asked.request.body)
        .map_err(|e| bad(&format!("the body is not JSON: {e}")))?;
    let Value::Object(fields) = fields else {
        return Err(bad("the body must be a JSON object"));
    };
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
fn text(fields: &Map<String, Value>, name: &str, limit: usize) -> Result<Option<String>, Response> {
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
