//! What a newer Zig version changes: how many packages it breaks, which, by which errors, and how others got past them.

use form_urlencoded::Serializer;

use crate::app::domain::comparison::Outcome;
use crate::app::domain::error_place::Place;
use crate::app::domain::verdict::Grade;
use crate::app::domain::zig_version;
use crate::app::render::limits::{SHOWN_ERROR_LIMIT_CHARS, SHOWN_FACT_LIMIT_CHARS};
use crate::app::render::sanitize::Clean;
use crate::app::render::view::forge;
use crate::app::render::view::outcome::failure;
use crate::app::render::view::parts::{Commit, Link, log_path, package_path};
use crate::app::render::view::site::{Site, count};
use crate::app::store::comparison_groups::{BrokenRow, Group, PastRow};
use crate::app::store::comparison_list::{Among, Asked, Comparison};
use crate::app::store::list::Paging;

#[derive(Debug, Clone, PartialEq)]
pub struct CompareView {
    pub site: Site,
    pub older: Clean,
    pub newer: Clean,
    /// The address without a page.
    pub path: String,
    /// Number of packages that were tried under both.
    pub packages: u64,
    /// In the order in which they are shown.
    pub outcomes: Vec<OutcomeLine>,
    /// "0.17.1 breaks 31 of 112 packages that 0.16.0 built".
    pub headline: Clean,
    /// What is left out, and what the comparison is limited to.
    pub remarks: Vec<Clean>,
    /// Errors in packages themselves, then those in what they depend on.
    pub own: Vec<GroupView>,
    pub dependencies: Vec<GroupView>,
    /// Number of groups on all pages.
    pub total: u64,
    pub is_bounded: bool,
    pub page: u64,
    pub next: Option<String>,
    /// The same for programs, to paste, and to check again.
    pub downloads: Vec<Link>,
    /// The other two versions that can be compared.
    pub others: Vec<Link>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct OutcomeLine {
    pub words: &'static str,
    pub grade: Grade,
    pub count: u64,
    /// The names of these packages.
    pub target: String,
}

/// Packages that broke in the same way.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupView {
    pub error: Clean,
    /// It is a message of the compiler, not our own words.
    pub is_message: bool,
    /// The file or the dependency, where it is not the package's code.
    pub place: Option<Clean>,
    pub count: u64,
    pub packages: Vec<BrokenLine>,
    /// All packages of the group, where only some are named here.
    pub more: Option<Link>,
    pub past: Vec<PastLine>,
    pub past_count: u64,
}

#[derive(Debug, Clone, PartialEq)]
pub struct BrokenLine {
    pub name: Link,
    pub commit: Commit,
    /// The logs under the older and the newer version, where they are kept.
    pub logs: [Option<Link>; 2],
}

/// How a package got past the error.
#[derive(Debug, Clone, PartialEq)]
pub struct PastLine {
    pub name: Link,
    /// The last commit that failed, and the first one behind it that works.
    pub commits: [Commit; 2],
    pub diff: Option<String>,
}

/// The sentence about two versions, with the address of their comparison.
#[derive(Debug, Clone, PartialEq)]
pub struct Headline(pub Link);

/// Outcomes in the order of a bar, in which no two of one colour touch.
const OUTCOMES: [(Outcome, &str, Grade); 6] = [
    (Outcome::StillWorking, "still work", Grade::Green),
    (Outcome::NewlyBroken, "newly broken", Grade::Red),
    (Outcome::NewlyFixed, "newly fixed", Grade::Green),
    (Outcome::StillFailing, "still fail", Grade::Grey),
    (Outcome::NotExercised, "not exercised", Grade::Amber),
    (Outcome::NotItsDoing, "without a verdict", Grade::Grey),
];

/// The address of a comparison.
pub fn compare_path(older: &str, newer: &str) -> String {
    format!("/compare/{older}..{newer}")
}

/// The newest of these versions and the one before it.
pub fn newest_pair(versions: &[String]) -> Option<(&str, &str)> {
    let mut sorted: Vec<&String> = versions.iter().collect();
    sorted.sort_by(|a, b| zig_version::compare(b, a));
    match sorted[..] {
        [newer, older, ..] => Some((older, newer)),
        _ => None,
    }
}

impl Headline {
    /// None where no package was built under the older version and tried under the newer one, and while there are too
    /// few of them.
    pub fn new(older: &str, newer: &str, found: &Comparison) -> Option<Headline> {
        let sentence = headline(older, newer, found);
        let link = Link::new(&sentence, compare_path(older, newer));
        let is_known = found.built_before() > 0 && !found.is_filling;
        is_known.then_some(Headline(link))
    }
}

fn headline(older: &str, newer: &str, found: &Comparison) -> String {
    let broken = found.count(Outcome::NewlyBroken);
    let built = count(found.built_before(), "package");
    format!("{newer} breaks {broken} of {built} that {older} built")
}

impl CompareView {
    pub fn new(
        site: Site,
        asked: &Asked,
        found: &Comparison,
        paging: &Paging,
        versions: &[String],
    ) -> CompareView {
        let query = query(asked);
        let path = with_query(&compare_path(&asked.older, &asked.newer), &query, &[]);
        let group = |group: &Group| (is_own(group), GroupView::new(group, asked));
        let (own, dependencies): (Vec<_>, Vec<_>) = found
            .groups
            .iter()
            .map(group)
            .partition(|(is_own, _)| *is_own);
        let line = |(outcome, words, grade): &(Outcome, &'static str, Grade)| OutcomeLine {
            words,
            grade: *grade,
            count: found.count(*outcome),
            target: api_path(asked, &[("format", "names"), ("outcome", outcome.as_str())]),
        };
        let is_last = paging.page.saturating_mul(paging.limit) >= found.total;
        let next = [
            ("limit", paging.limit.to_string()),
            ("page", (paging.page + 1).to_string()),
        ];
        let next = next.each_ref().map(|(name, value)| (*name, value.as_str()));
        CompareView {
            older: Clean::new(&asked.older),
            newer: Clean::new(&asked.newer),
            packages: found.packages(),
            outcomes: OUTCOMES.iter().map(line).collect(),
            headline: Clean::new(&headline(&asked.older, &asked.newer, found)),
            remarks: remarks(asked, found),
            own: own.into_iter().map(|(_, group)| group).collect(),
            dependencies: dependencies.into_iter().map(|(_, group)| group).collect(),
            total: found.total,
            is_bounded: found.is_bounded,
            page: paging.page,
            next: (!is_last).then(|| with_query(&path, "", &next)),
            downloads: vec![
                Link::new("JSON", api_path(asked, &[])),
                Link::new("Markdown", api_path(asked, &[("format", "markdown")])),
                Link::new(
                    "names of what broke",
                    api_path(asked, &[("format", "names")]),
                ),
            ],
            others: others(asked, versions),
            path,
            site,
        }
    }

    /// The outcomes that any package has, as one sentence.
    pub fn sentence(&self) -> String {
        let some = self.outcomes.iter().filter(|line| line.count > 0);
        let parts: Vec<String> = some
            .map(|line| format!("{} {}", line.count, line.words))
            .collect();
        match parts.is_empty() {
            true => "No package was tried under both versions.".to_string(),
            false => format!("{}: {}.", count(self.packages, "package"), parts.join(", ")),
        }
    }
}

/// The part of the query that says what is compared.
fn query(asked: &Asked) -> String {
    let mut query = Serializer::new(String::new());
    match &asked.among {
        Among::All => {}
        Among::MostUsed(limit) => drop(query.append_pair("packages", &limit.to_string())),
        // One name may be a number.
        Among::Named(names) if names.len() == 1 => {
            query.append_pair("packages", &format!("{},", names[0]));
        }
        Among::Named(names) => drop(query.append_pair("packages", &names.join(","))),
    }
    if let Some(key) = &asked.error_key {
        query.append_pair("error_key", key);
    }
    if let Some(place) = &asked.place {
        query.append_pair("where", place);
    }
    query.finish()
}

/// A path with a query and more pairs behind it.
fn with_query(path: &str, query: &str, pairs: &[(&str, &str)]) -> String {
    let mut more = Serializer::new(query.to_string());
    more.extend_pairs(pairs);
    let more = more.finish();
    let mark = if path.contains('?') { '&' } else { '?' };
    match more.is_empty() {
        true => path.to_string(),
        false => format!("{path}{mark}{more}"),
    }
}

fn api_path(asked: &Asked, pairs: &[(&str, &str)]) -> String {
    let path = format!("/api{}", compare_path(&asked.older, &asked.newer));
    with_query(&path, &query(asked), pairs)
}

fn remarks(asked: &Asked, found: &Comparison) -> Vec<Clean> {
    let mut remarks = Vec::new();
    if found.is_filling {
        let sentence = "The history is still being entered after an upgrade: there are too few packages here yet.";
        remarks.push(sentence.to_string());
    }
    match &asked.among {
        Among::All => {}
        Among::MostUsed(limit) => {
            remarks.push(format!("Only the {} used most.", count(*limit, "package")))
        }
        Among::Named(names) => remarks.push(format!("Only these: {}.", names.join(", "))),
    }
    if let Some(key) = &asked.error_key {
        let place = asked.place.as_deref().and_then(Place::parse);
        let place = place.map_or_else(String::new, |place| format!(", {}", describe(&place)));
        remarks.push(format!("Only packages with this error: {key}{place}"));
    }
    let (older, newer) = (&asked.older, &asked.newer);
    let alone = [(found.older_alone, older), (found.newer_alone, newer)];
    let alone = alone.iter().filter(|(packages, _)| *packages > 0);
    let alone: Vec<String> = alone
        .map(|(packages, version)| format!("{} under {version}", count(*packages, "package")))
        .collect();
    if !alone.is_empty() {
        remarks.push(format!("Tried under one alone: {}.", alone.join(", ")));
    }
    if !found.not_found.is_empty() {
        remarks.push(format!("Not found: {}.", found.not_found.join(", ")));
    }
    let clean = |text: &String| Clean::new(text).clipped(2 * SHOWN_FACT_LIMIT_CHARS);
    remarks.iter().map(clean).collect()
}

fn others(asked: &Asked, versions: &[String]) -> Vec<Link> {
    let mut sorted: Vec<&String> = versions.iter().collect();
    sorted.sort_by(|a, b| zig_version::compare(b, a));
    let mut links = Vec::new();
    for (nth, newer) in sorted.iter().enumerate() {
        for older in &sorted[nth + 1..] {
            if (*older, *newer) != (&asked.older, &asked.newer) {
                let text = format!("{older}..{newer}");
                links.push(Link::new(&text, compare_path(older, newer)));
            }
        }
    }
    links
}

// -- groups --

fn place_of(group: &Group) -> Option<Place> {
    group.place.as_deref().and_then(Place::parse)
}

fn is_own(group: &Group) -> bool {
    !matches!(place_of(group), Some(Place::Dependency(_)))
}

fn describe(place: &Place) -> String {
    match place {
        Place::Package => "in its own code".to_string(),
        Place::Dependency(name) => format!("in its dependency {name}"),
        Place::BuildScript => "in build.zig".to_string(),
        Place::Manifest => "in build.zig.zon".to_string(),
    }
}

impl GroupView {
    fn new(group: &Group, asked: &Asked) -> GroupView {
        let error = match &group.error_key {
            Some(key) => key.clone(),
            None => format!("no error message: it {}", failure(group.reason)),
        };
        let place = place_of(group).filter(|place| *place != Place::Package);
        let rest = group.count - (group.packages.len() as u64).min(group.count);
        GroupView {
            error: Clean::new(&error).clipped(SHOWN_ERROR_LIMIT_CHARS),
            is_message: group.error_key.is_some(),
            place: place.map(|place| Clean::new(&describe(&place))),
            count: group.count,
            packages: group.packages.iter().map(BrokenLine::new).collect(),
            more: (rest > 0).then(|| Link::new(&format!("{rest} more"), more(group, asked))),
            past: group.past.iter().map(PastLine::new).collect(),
            past_count: group.past_count,
        }
    }
}

/// The address of one group; the names of all its packages, where that is what is shown already.
fn more(group: &Group, asked: &Asked) -> String {
    let narrowed = Asked {
        error_key: group.error_key.clone(),
        place: group.place.clone(),
        ..asked.clone()
    };
    let is_shown = asked.error_key.is_some() && asked.place == group.place;
    match group.error_key.is_none() || is_shown {
        true => api_path(&narrowed, &[("format", "names")]),
        false => with_query(
            &compare_path(&asked.older, &asked.newer),
            &query(&narrowed),
            &[],
        ),
    }
}

impl BrokenLine {
    fn new(row: &BrokenRow) -> BrokenLine {
        let log = |build: Option<_>| build.map(|id| Link::new("log", log_path(id)));
        BrokenLine {
            name: Link::new(&row.name, package_path(&row.name)),
            commit: Commit::new(&row.commit, Some(&row.url)),
            logs: [log(row.older_build), log(row.newer_build)],
        }
    }
}

impl PastLine {
    fn new(row: &PastRow) -> PastLine {
        let commit = |commit: &str| Commit::new(commit, Some(&row.url));
        PastLine {
            name: Link::new(&row.name, package_path(&row.name)),
            commits: [commit(&row.failing), commit(&row.working)],
            diff: forge::diff_url(&row.url, &row.failing, &row.working),
        }
    }
}
