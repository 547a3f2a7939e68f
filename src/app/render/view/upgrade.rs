//! What holds a package back under a Zig version: its page, and in JSON.

use serde_json::{Map, Value, json};

use crate::app::domain::ids::BuildId;
use crate::app::domain::limits::UPGRADE_PACKAGES_LIMIT;
use crate::app::domain::upgrade::UpgradeState;
use crate::app::domain::verdict::{Grade, Reason};
use crate::app::render::limits::SHOWN_ERROR_LIMIT_CHARS;
use crate::app::render::sanitize::Clean;
use crate::app::render::view::parts::{
    Commit, Link, Mark, build_path, package_path, part, submit_path,
};
use crate::app::render::view::site::Site;
use crate::app::store::upgrade::{Dependency, Upgrade, UpgradeStatus};

#[derive(Debug, Clone, PartialEq)]
pub struct UpgradeView {
    pub site: Site,
    pub package: Link,
    pub version: Clean,
    /// The address of the page.
    pub path: String,
    /// How the package does itself.
    pub own: Outcome,
    /// Breadth first.
    pub lines: Vec<UpgradeLine>,
    /// More dependencies than are followed.
    pub is_cut: bool,
    /// How many hold it back.
    pub summary: Clean,
    /// What holds back most under this version.
    pub blockers: Link,
}

/// A dependency in the tree.
#[derive(Debug, Clone, PartialEq)]
pub struct UpgradeLine {
    /// Its name in the manifest, with its page if it is known.
    pub name: Clean,
    pub target: Option<String>,
    pub needed_by: Link,
    pub is_lazy: bool,
    pub outcome: Outcome,
    /// Where an unknown one can be submitted.
    pub submit: Option<String>,
}

/// How a package does under a version.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    pub mark: Mark,
    pub commit: Option<Commit>,
    pub tag: Option<Clean>,
    pub because: Clean,
}

/// The page of what holds a package back under a version.
pub fn path(package: &str, zig_version: &str) -> String {
    format!("{}/upgrade/{}", package_path(package), part(zig_version))
}

/// The page of what holds back most under a version.
pub fn blockers_link(zig_version: &str) -> Link {
    let text = format!("What holds back most packages under {zig_version}");
    Link::new(&text, format!("/upgrade/{}", part(zig_version)))
}

impl UpgradeView {
    pub fn new(site: Site, found: &Upgrade, zig_version: &str) -> UpgradeView {
        let name = &found.own.package.name;
        UpgradeView {
            site,
            package: Link::new(name, package_path(name)),
            version: Clean::new(zig_version),
            path: path(name, zig_version),
            own: Outcome::new(&found.own),
            lines: found.dependencies.iter().map(UpgradeLine::new).collect(),
            is_cut: found.is_cut,
            summary: Clean::new(&summary(found)),
            blockers: blockers_link(zig_version),
        }
    }

    pub fn title(&self) -> String {
        format!(
            "{} under Zig {}: {}",
            self.package.text, self.version, self.summary
        )
    }

    /// What is said of a tree that is not followed to its end.
    pub fn cut(&self) -> String {
        format!("The tree has more dependencies: {UPGRADE_PACKAGES_LIMIT} are followed at most.")
    }
}

fn summary(found: &Upgrade) -> String {
    let (held, total) = (found.holding_back(), found.dependencies.len());
    let fails = |row: &&Dependency| row.state() == UpgradeState::Fails && row.is_lazy;
    let lazy = match found.dependencies.iter().filter(fails).count() {
        0 => String::new(),
        1 => "; 1 that is lazy fails as well".to_string(),
        lazy => format!("; {lazy} that are lazy fail as well"),
    };
    match (held, total) {
        (_, 0) => "it declares no dependencies".to_string(),
        (1, _) => format!("1 of {total} holds it back{lazy}"),
        _ => format!("{held} of {total} hold it back{lazy}"),
    }
}

impl UpgradeLine {
    fn new(row: &Dependency) -> UpgradeLine {
        let known = row.status.as_ref();
        UpgradeLine {
            name: Clean::new(&row.node.name),
            target: known.map(|known| package_path(&known.package.name)),
            needed_by: Link::new(&row.needed_by, package_path(&row.needed_by)),
            is_lazy: row.is_lazy,
            outcome: known.map_or_else(Outcome::unknown, Outcome::new),
            submit: known.is_none().then(|| submit_path(&row.node.url)),
        }
    }
}

impl Outcome {
    pub fn new(row: &UpgradeStatus) -> Outcome {
        let (grade, word) = match row.state {
            UpgradeState::Works => (Grade::Green, "works"),
            UpgradeState::WorksFrom => (Grade::Amber, "works at an older commit"),
            UpgradeState::Fails => (Grade::Red, "fails"),
            UpgradeState::Unknown => (Grade::Grey, "no verdict"),
        };
        let commit = row.commit.as_deref();
        Outcome {
            mark: Mark {
                grade,
                word,
                target: row.build.map(build_path),
                under_way: None,
            },
            commit: commit.map(|commit| Commit::new(commit, Some(&row.package.url))),
            tag: row.tag.as_deref().map(Clean::new),
            because: Clean::new(&because(row)).clipped(SHOWN_ERROR_LIMIT_CHARS),
        }
    }

    fn unknown() -> Outcome {
        Outcome {
            mark: Mark {
                grade: Grade::Grey,
                word: "unknown",
                target: None,
                under_way: None,
            },
            commit: None,
            tag: None,
            because: Clean::new("not known here"),
        }
    }
}

/// Why the latest commit does not work, and in which dependency, if that is where the error is.
fn because(row: &UpgradeStatus) -> String {
    let error = row.error.as_ref();
    let key = error.and_then(|error| error.key.as_deref());
    let reason = row.reason.map(Reason::as_str);
    let place = error
        .and_then(|error| error.place.as_deref())
        .unwrap_or("package");
    let place = match place {
        "package" => String::new(),
        place => format!("{}: ", place.strip_prefix("dependency:").unwrap_or(place)),
    };
    match (row.state, key.or(reason)) {
        (UpgradeState::Works, _) => String::new(),
        (UpgradeState::WorksFrom, Some(why)) => format!("the latest: {place}{why}"),
        (_, why) => format!("{place}{}", why.unwrap_or_default()),
    }
}

/// The `upgrade` object of the API.
pub fn json(found: &Upgrade, zig_version: &str) -> Value {
    let dependencies = found.dependencies.iter().map(dependency);
    json!({
        "package": found.own.package.name,
        "zig_version": zig_version,
        "own": status(&found.own),
        "dependencies": dependencies.collect::<Vec<Value>>(),
        "holding_back": found.holding_back(),
        "total": found.dependencies.len(),
        "total_is_bounded": found.is_cut,
    })
}

fn dependency(row: &Dependency) -> Value {
    let known = row.status.as_ref();
    let submit = known.is_none().then(|| submit_path(&row.node.url));
    let fields = [
        ("name", json!(row.node.name)),
        ("url", json!(row.node.url)),
        ("package", json!(known.map(|known| &known.package.name))),
        ("needed_by", json!(row.needed_by)),
        ("depth", json!(row.node.depth)),
        ("lazy", json!(row.is_lazy)),
        ("holds_back", json!(row.holds_back())),
        ("submit", json!(submit)),
    ];
    let fields = fields.map(|(name, value)| (name.to_string(), value));
    let status = known.map_or_else(unknown, status);
    Value::Object(fields.into_iter().chain(status).collect())
}

/// How a known package does.
pub fn status(row: &UpgradeStatus) -> Map<String, Value> {
    let error = row.error.as_ref();
    let fields = [
        ("state", json!(row.state.as_str())),
        ("commit", json!(row.commit)),
        ("tag", json!(row.tag)),
        ("reason", json!(row.reason.map(Reason::as_str))),
        (
            "error_key",
            json!(error.and_then(|error| error.key.as_ref())),
        ),
        ("where", json!(error.and_then(|error| error.place.as_ref()))),
        ("build_id", json!(row.build.map(BuildId::get))),
    ];
    let fields = fields.map(|(name, value)| (name.to_string(), value));
    fields.into_iter().collect()
}

fn unknown() -> Map<String, Value> {
    let state = ("state".to_string(), json!(UpgradeState::Unknown.as_str()));
    let names = ["commit", "tag", "reason", "error_key", "where", "build_id"];
    let others = names.map(|name| (name.to_string(), Value::Null));
    [state].into_iter().chain(others).collect()
}
