//! The page with the form that submits a package.

use crate::app::render::sanitize::Clean;
use crate::app::render::view::parts::duration;
use crate::app::render::view::site::{Site, count};

/// What was typed into the form.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Typed {
    pub url: String,
    pub reference: String,
    pub dir: String,
    pub name: String,
}

impl Typed {
    /// The field of that name in the form.
    pub fn field(&mut self, name: &str) -> Option<&mut String> {
        match name {
            "url" => Some(&mut self.url),
            "ref" => Some(&mut self.reference),
            "dir" => Some(&mut self.dir),
            "name" => Some(&mut self.name),
            _ => None,
        }
    }

    /// The names and values of all fields.
    pub fn fields(&self) -> [(&'static str, &str); 4] {
        [
            ("url", &self.url),
            ("ref", &self.reference),
            ("dir", &self.dir),
            ("name", &self.name),
        ]
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct SubmitView {
    pub site: Site,
    pub fields: Vec<Field>,
    /// What is wrong with no field in particular.
    pub fault: Option<Clean>,
    /// Newest first.
    pub toolchains: Vec<Clean>,
    /// The hosts that a repository may be at.
    pub hosts: Clean,
    /// How long it takes now.
    pub takes: String,
    /// The command that does the same.
    pub command: Clean,
}

/// A field of the form, with what was typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    pub name: &'static str,
    pub label: &'static str,
    pub hint: &'static str,
    pub value: Clean,
    /// What is wrong with it.
    pub fault: Option<Clean>,
}

/// What the page says of the server.
pub struct SubmitFacts<'a> {
    pub toolchains: &'a [String],
    pub hosts: String,
    /// How long a build usually takes; none while that is unknown.
    pub build_ms: Option<u64>,
}

impl SubmitView {
    /// `fault` names its field in front, `url: is missing`, if it is that of one.
    pub fn new(site: Site, typed: &Typed, fault: Option<&str>, facts: &SubmitFacts) -> SubmitView {
        let named = fault.and_then(|fault| fault.split_once(": "));
        let named = named.filter(|(name, _)| typed.fields().iter().any(|(known, _)| known == name));
        let field = |(name, value): (&'static str, &str)| {
            let (label, hint) = label(name);
            let own = named.filter(|(of, _)| *of == name);
            Field {
                name,
                label,
                hint,
                value: Clean::new(value),
                fault: own.map(|(_, sentence)| Clean::new(sentence)),
            }
        };
        let host = &site.options.host;
        SubmitView {
            fields: typed.fields().map(field).to_vec(),
            fault: fault.filter(|_| named.is_none()).map(Clean::new),
            toolchains: facts
                .toolchains
                .iter()
                .map(|version| Clean::new(version))
                .collect(),
            hosts: Clean::new(&facts.hosts),
            takes: takes(&site, facts),
            command: Clean::new(&format!(
                "curl -d '{{\"url\": \"https://github.com/OWNER/REPO\"}}' '{host}/api/packages'"
            )),
            site,
        }
    }
}

/// The label of a field, and what may be typed.
fn label(name: &str) -> (&'static str, &'static str) {
    match name {
        "url" => (
            "Repository",
            "https://github.com/OWNER/REPO, or the address of a page of it",
        ),
        "ref" => ("Branch, tag or commit", "empty: the default branch"),
        "dir" => (
            "Directory of build.zig",
            "empty: the root of the repository",
        ),
        _ => ("Name", "empty: that of the repository"),
    }
}

fn takes(site: &Site, facts: &SubmitFacts) -> String {
    let ahead = match site.waiting {
        0 => "Nothing waits".to_string(),
        1 => "1 build waits".to_string(),
        waiting => format!("{} wait", count(waiting, "build")),
    };
    let Some(build_ms) = facts.build_ms else {
        return format!("{ahead}.");
    };
    let builds = site.waiting + facts.toolchains.len() as u64;
    let rounds = builds.div_ceil(site.slots.max(1) as u64);
    let all = duration(build_ms.saturating_mul(rounds));
    let one = duration(build_ms);
    format!("{ahead}; a build usually takes {one}, so all verdicts should be there in about {all}.")
}
