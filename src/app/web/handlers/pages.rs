//! Pages: this reads the rows, `render::view` makes the pages of them.

use serde_json::Value;

use crate::app::domain::error_key::error_key;
use crate::app::domain::ids::{BuildId, CheckId, PackageId};
use crate::app::domain::transition::Transition;
use crate::app::domain::verdict::ResourceLimits;
use crate::app::render::html;
use crate::app::render::text;
use crate::app::render::view::build::{BuildRows, BuildView};
use crate::app::render::view::check::{CheckRows, CheckView};
use crate::app::render::view::front::{FrontRows, FrontView};
use crate::app::render::view::package::{KnownPackage, PackageRows, PackageView};
use crate::app::render::view::problem::Problem;
use crate::app::render::view::queue::{QueueRows, QueueView};
use crate::app::render::view::site::PageOptions;
use crate::app::render::view::submit::{SubmitFacts, SubmitView, Typed};
use crate::app::state::State;
use crate::app::store::builds::BuildRow;
use crate::app::store::comparison_list::Asked;
use crate::app::store::declared::DeclaredRow;
use crate::app::store::list::{Paging, Sort};
use crate::app::store::package_list::{self, PackageFilter, RELEVANCE};
use crate::app::store::transitions::{self, TransitionFilter, TransitionRow};
use crate::app::store::{
    builds, checks, compat, declared, durations, history, issues, packages, results,
};
use crate::app::web::answer::{Error, Shown};
use crate::app::web::handlers::compare;
use crate::app::web::handlers::docs;
use crate::app::web::handlers::frame::{respond, site};
use crate::app::web::handlers::log_page;
use crate::app::web::handlers::queue::{self, Chosen};
use crate::app::web::handlers::stats;
use crate::app::web::handlers::upgrade;
use crate::app::web::limits::{
    SHOWN_CHECKS_LIMIT, SHOWN_DEPENDENTS_LIMIT, SHOWN_HISTORY_LIMIT, SHOWN_SAME_ERRORS_LIMIT,
    SHOWN_TRANSITIONS_LIMIT,
};
use crate::app::web::query::too_deep;
use crate::app::web::request;
use crate::app::web::routes::pages::{PageCall, Target, options};
use crate::interface::message::{Head, Response};

/// What programs that follow all links may leave out: everything there is on a page as well.
const ROBOTS: &str = "User-agent: *\nDisallow: /api/\nDisallow: /ws\n";

pub fn page(state: &State, call: PageCall) -> Result<Shown, Error> {
    let PageCall { target, options } = call;
    match target {
        Target::Front { search, page } => Ok(front(state, search, page, options)?.into()),
        Target::Package { name } => package(state, &name, options),
        Target::Upgrade {
            package,
            zig_version,
        } => {
            let page = upgrade::page(state, &package, &zig_version, options.clone());
            Ok(or_problem(state, options, page)?.into())
        }
        Target::Blockers { zig_version, page } => {
            let page = upgrade::blockers_page(state, &zig_version, &page, options.clone());
            Ok(or_problem(state, options, page)?.into())
        }
        Target::Check(id) => Ok(check(state, id, options)?.into()),
        Target::Build(id) => Ok(build(state, id, options)?.into()),
        Target::Log { id, line } => Ok(log_page::page(state, id, line, options)?.into()),
        Target::Queue(paging) => Ok(queue(state, &paging, options)?.into()),
        Target::Submit { url } => {
            let typed = Typed {
                url: url.unwrap_or_default(),
                ..Typed::default()
            };
            Ok(submit(state, options, &typed, None)?.into())
        }
        Target::Compare { asked, page } => {
            let page = compare(state, &asked, &page, options.clone());
            Ok(or_problem(state, options, page)?.into())
        }
        Target::Stats(query) => {
            let page = stats::page(state, query, options.clone());
            Ok(or_problem(state, options, page)?.into())
        }
        Target::Docs => Ok(docs::docs(state, options).into()),
        Target::Manual { name } => Ok(docs::manual(state, &name, options)?.into()),
        Target::Icon => Ok(Response::new(200, "image/svg+xml", html::layout::ICON).into()),
        Target::Robots => Ok(Response::new(200, "text/plain; charset=utf-8", ROBOTS).into()),
    }
}

/// `GET /`.
fn front(
    state: &State,
    search: Option<String>,
    paging: Paging,
    options: PageOptions,
) -> Result<Response, Error> {
    let store = &state.services.store;
    let filter = PackageFilter {
        search,
        ..PackageFilter::default()
    };
    let sort = Sort {
        column: match filter.search {
            Some(_) => RELEVANCE,
            None => "popularity_score",
        },
        down: true,
    };
    let found = package_list::page(store, &filter, sort, &paging)?;
    let found = found.ok_or_else(too_deep)?;
    let ids: Vec<PackageId> = found.rows.iter().map(|row| row.id).collect();
    let results = results::of_packages(store, &ids)?;
    let search = filter.search.as_deref();
    let is_first = search.is_none() && paging.page == 1;
    let headlines = match is_first {
        true => compare::headlines(state)?,
        false => Vec::new(),
    };
    let newest = |transition| -> Result<Vec<TransitionRow>, Error> {
        let limit = if is_first { SHOWN_TRANSITIONS_LIMIT } else { 0 };
        let filter = TransitionFilter::default();
        Ok(transitions::newest(store, transition, filter, limit)?)
    };
    let rows = FrontRows {
        toolchains: &state.settings.zig_versions,
        packages: found.rows.into_iter().zip(results).collect(),
        total: found.total,
        paging,
        search,
        images: state.images_made(),
        headlines,
        broken: newest(Transition::NewlyBroken)?,
        fixed: newest(Transition::NewlyFixed)?,
        running: queue::read_running(state)?,
        checks: checks::latest(store, SHOWN_CHECKS_LIMIT)?,
    };
    let view = FrontView::new(site(state, options), &rows);
    let body = |html| match html {
        true => html::front::html(&view),
        false => text::front::text(&view),
    };
    Ok(respond(200, &view.site, body))
}

/// `GET /packages/NAME` and `GET /packages/OWNER/REPO`.
fn package(state: &State, name: &str, options: PageOptions) -> Result<Shown, Error> {
    let store = &state.services.store;
    let Some(row) = packages::find(store, name)? else {
        let sentence = format!("There is no package {name}.");
        return Ok(problem(state, options, 404, &sentence).into());
    };
    let id = row.id;
    let mut results = Vec::new();
    let known = results::of_package(store, row.id)?.into_iter();
    let available = &state.settings.zig_versions;
    for result in known.filter(|result| available.contains(&result.zig_version)) {
        let build = match result.build_id {
            Some(id) => builds::by_id(store, id)?,
            None => None,
        };
        results.push((result, build));
    }
    let first = |limit| Paging {
        page: 1,
        limit,
        after: None,
    };
    let history = history::page(store, id, None, &first(SHOWN_HISTORY_LIMIT))?;
    let latest: Vec<_> = results.iter().map(|(row, _)| row.clone()).collect();
    let used_by = declared::dependents(store, id, &first(SHOWN_DEPENDENTS_LIMIT))?;
    let rows = PackageRows {
        row,
        results,
        toolchains: &state.settings.zig_versions,
        history: history.map_or_else(Vec::new, |page| page.rows),
        compat: compat::of_package(store, id, &state.settings.zig_versions, &latest)?,
        issues: issues::open_of(store, id)?,
        dependencies: dependencies(state, id)?,
        used_by: used_by.map_or_else(Vec::new, |page| page.rows),
    };
    let view = PackageView::new(site(state, options), &rows);
    let body = |html| match html {
        true => html::package::html(&view),
        false => text::package::text(&view),
    };
    Ok(Shown {
        response: respond(200, &view.site, body),
        viewed: Some(id),
    })
}

/// What a package declares, each with its package and the verdicts of that, if it is known.
fn dependencies(
    state: &State,
    id: PackageId,
) -> Result<Vec<(DeclaredRow, Option<KnownPackage>)>, Error> {
    let store = &state.services.store;
    let rows = declared::of_package(store, id)?;
    let ids: Vec<PackageId> = rows.iter().filter_map(|row| row.package).collect();
    let known = packages::by_ids(store, &ids)?;
    let ids: Vec<PackageId> = known.iter().map(|row| row.id).collect();
    let results = results::of_packages(store, &ids)?;
    let known: Vec<KnownPackage> = known.into_iter().zip(results).collect();
    let with_known = |row: DeclaredRow| {
        let found = known
            .iter()
            .find(|(known, _)| Some(known.id) == row.package);
        (row, found.cloned())
    };
    Ok(rows.into_iter().map(with_known).collect())
}

/// `GET /checks/ID`.
fn check(state: &State, id: CheckId, options: PageOptions) -> Result<Response, Error> {
    let Some(view) = check_view(state, id, &options)? else {
        let sentence = format!("There is no check {id}.");
        return Ok(problem(state, options, 404, &sentence));
    };
    let body = |html| match html {
        true => html::check::html(&view),
        false => view.matrix.clone(),
    };
    Ok(respond(200, &view.site, body).with("Vary", "User-Agent"))
}

pub fn check_view(
    state: &State,
    id: CheckId,
    options: &PageOptions,
) -> Result<Option<CheckView>, Error> {
    let store = &state.services.store;
    let Some(check) = checks::by_id(store, id)? else {
        return Ok(None);
    };
    let builds = builds::of_check(store, id)?;
    let rows = CheckRows {
        queue: in_queue(state, &builds)?,
        builds,
        check,
    };
    Ok(Some(CheckView::new(site(state, options.clone()), &rows)))
}

/// Those of these builds that run or wait.
fn in_queue(state: &State, builds: &[BuildRow]) -> Result<QueueRows, Error> {
    let open = builds.iter().filter(|row| !row.state.is_final());
    let open: Vec<BuildId> = open.map(|row| row.id).collect();
    match open.is_empty() {
        true => Ok(QueueRows::default()),
        false => Ok(queue::read(state, Chosen::These(&open))?),
    }
}

/// `GET /builds/ID`.
fn build(state: &State, id: BuildId, options: PageOptions) -> Result<Response, Error> {
    let Some(view) = build_view(state, id, &options)? else {
        let sentence = format!("There is no build {id}.");
        return Ok(problem(state, options, 404, &sentence));
    };
    let body = |html| match html {
        true => html::build::html(&view),
        false => text::build::text(&view),
    };
    Ok(respond(200, &view.site, body).with("Vary", "User-Agent"))
}

pub fn build_view(
    state: &State,
    id: BuildId,
    options: &PageOptions,
) -> Result<Option<BuildView>, Error> {
    let store = &state.services.store;
    let Some(build) = builds::by_id(store, id)? else {
        return Ok(None);
    };
    let check = checks::by_id(store, build.check)?;
    let check = check.ok_or_else(|| Error::not_found("check"))?;
    let [before, after] = builds::neighbours(store, &build)?;
    let error_key = error_key(&build.error_log).map(|error| error.key);
    let same_error = match &error_key {
        Some(key) => {
            let ids = history::with_error(store, key, &build.zig_version, build.package_id)?;
            let shown = &ids[..ids.len().min(SHOWN_SAME_ERRORS_LIMIT)];
            (ids.len(), packages::by_ids(store, shown)?)
        }
        None => (0, Vec::new()),
    };
    let settings = &state.settings;
    let rows = BuildRows {
        queue: in_queue(state, std::slice::from_ref(&build))?,
        check,
        before,
        after,
        error_key,
        same_error,
        limits: ResourceLimits {
            memory_bytes: settings.memory_bytes,
            build_timeout_ms: settings.build_timeout_ms,
            silence_timeout_ms: settings.silence_timeout_ms,
            peak_bytes: None,
        },
        cpus: settings.cpus,
        build,
    };
    Ok(Some(BuildView::new(site(state, options.clone()), &rows)))
}

/// `GET /queue`.
fn queue(state: &State, paging: &Paging, options: PageOptions) -> Result<Response, Error> {
    let view = queue_view(state, paging, &options)?;
    let body = |html| match html {
        true => html::queue::html(&view),
        false => text::queue::text(&view),
    };
    Ok(respond(200, &view.site, body).with("Vary", "User-Agent"))
}

pub fn queue_view(
    state: &State,
    paging: &Paging,
    options: &PageOptions,
) -> Result<QueueView, Error> {
    let rows = queue::read(state, Chosen::Page(paging))?;
    Ok(QueueView::new(site(state, options.clone()), &rows, paging))
}

/// `GET /compare/OLD..NEW`.
fn compare(
    state: &State,
    asked: &Asked,
    paging: &Paging,
    options: PageOptions,
) -> Result<Response, Error> {
    let view = compare::view(state, asked, paging, &options)?;
    let body = |html| match html {
        true => html::compare::html(&view),
        false => text::compare::text(&view),
    };
    Ok(respond(200, &view.site, body))
}

/// The form that submits a package, with what was typed and what is wrong with it.
pub fn submit(
    state: &State,
    options: PageOptions,
    typed: &Typed,
    fault: Option<&str>,
) -> Result<Response, Error> {
    let settings = &state.settings;
    let durations = durations::of_package(&state.services.store, "")?;
    let total: u64 = durations.iter().map(|(_, ms)| ms).sum();
    let facts = SubmitFacts {
        toolchains: &settings.zig_versions,
        hosts: settings.allow_hosts.to_string().replace(',', ", "),
        build_ms: total.checked_div(durations.len() as u64),
    };
    let view = SubmitView::new(site(state, options), typed, fault, &facts);
    let body = |html| match html {
        true => html::submit::html(&view),
        false => text::submit::text(&view),
    };
    Ok(respond(200, &view.site, body))
}

/// The same error, as a page if the client takes pages.
pub fn refused(state: &State, head: &Head, error: Error) -> Error {
    match error {
        Error::Refused(response) => Error::Refused(refusal(state, head, response)),
        error => error,
    }
}

/// An error as a page, if it is one and the client takes pages; API calls are for programs.
pub fn refusal(state: &State, head: &Head, response: Response) -> Response {
    let is_api = head.path.starts_with("/api/");
    if response.status < 400 || is_api || !request::wants_html(head) {
        return response;
    }
    let Some(sentence) = sentence(&response) else {
        return response;
    };
    let page = problem(state, options(head, false), response.status, &sentence);
    in_place_of(response, page)
}

/// What an error says, if it is one of ours.
fn sentence(error: &Response) -> Option<String> {
    let said: Value = serde_json::from_slice(&error.body).ok()?;
    said["error"].as_str().map(str::to_string)
}

/// The same page or, where it is refused, one that says why, in text as well.
fn or_problem(
    state: &State,
    options: PageOptions,
    page: Result<Response, Error>,
) -> Result<Response, Error> {
    match page {
        Err(Error::Refused(response)) => match sentence(&response) {
            Some(sentence) => Ok(problem(state, options, response.status, &sentence)),
            None => Err(response.into()),
        },
        page => page,
    }
}

/// This page with the status of an error, and with the headers that say what to do about it.
pub fn in_place_of(error: Response, page: Response) -> Response {
    let of_error = error.headers.into_iter();
    let kept =
        of_error.filter(|(name, _)| matches!(*name, "Allow" | "Retry-After" | "WWW-Authenticate"));
    let mut response = Response {
        status: error.status,
        ..page
    };
    response.headers.extend(kept);
    response
}

/// The page that says what is wrong.
pub fn problem(state: &State, options: PageOptions, status: u16, sentence: &str) -> Response {
    let problem = Problem::new(site(state, options), status, sentence);
    let body = |html| match html {
        true => html::problem::html(&problem),
        false => text::problem::text(&problem),
    };
    respond(status, &problem.site, body)
}
