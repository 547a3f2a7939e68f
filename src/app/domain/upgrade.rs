//! What holds a package back under a Zig version: its dependency tree, and which of its dependencies do not work.

use std::collections::{HashMap, VecDeque};

use crate::app::domain::declared::Declared;
use crate::app::domain::ids::PackageId;
use crate::app::domain::limits::{
    UPGRADE_DEPTH_LIMIT, UPGRADE_EDGES_LIMIT, UPGRADE_PACKAGES_LIMIT,
};
use crate::app::domain::repository::identity;
use crate::app::domain::verdict::{Grade, Statuses, str_enum};

str_enum! {
    /// How a package does under a version: it works at its latest commit or at an older one, fails, or there is no
    /// verdict on it.
    UpgradeState {
        Works = "works",
        WorksFrom = "works_from",
        Fails = "fails",
        Unknown = "unknown",
    }
}

/// A commit that works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Working {
    Latest,
    Older,
}

/// The state of a package, by its latest verdict and the newest commit that works.
pub fn state(latest: Option<Statuses>, works: Option<Working>) -> UpgradeState {
    let grade = latest.map_or(Grade::Grey, Statuses::grade);
    match (grade, works) {
        (Grade::Green | Grade::Amber, _) | (_, Some(Working::Latest)) => UpgradeState::Works,
        (_, Some(Working::Older)) => UpgradeState::WorksFrom,
        (Grade::Red, None) => UpgradeState::Fails,
        (Grade::Grey, None) => UpgradeState::Unknown,
    }
}

/// True if a dependency in that state holds a package back. One that is only reached through lazy dependencies is
/// fetched only if a `build.zig` asks for it, so that it may not matter.
pub fn holds_back(state: UpgradeState, is_lazy: bool) -> bool {
    state == UpgradeState::Fails && !is_lazy
}

/// A package in a dependency tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its name in the manifest that declares it first; empty for the root.
    pub name: String,
    pub url: String,
    /// None if it is not known here.
    pub package: Option<PackageId>,
    /// Steps from the root, the fewest there are.
    pub depth: usize,
    /// The place in `nodes` of the package that declares it first.
    pub parent: usize,
}

/// The dependencies of a package, breadth first, each repository once: a cycle ends where it comes back.
#[derive(Debug)]
pub struct Tree {
    /// The first is the root.
    pub nodes: Vec<Node>,
    /// There are more dependencies than a limit allows.
    pub is_cut: bool,
    places: HashMap<String, usize>,
    /// From, to, and whether it is lazy.
    edges: Vec<(usize, usize, bool)>,
    /// The next node whose manifest is read.
    next: usize,
}

impl Tree {
    pub fn new(package: PackageId, url: &str) -> Tree {
        Tree {
            nodes: vec![Node {
                name: String::new(),
                url: url.to_string(),
                package: Some(package),
                depth: 0,
                parent: 0,
            }],
            is_cut: false,
            places: HashMap::from([(identity(url), 0)]),
            edges: Vec::new(),
            next: 0,
        }
    }

    /// The next known package whose dependencies are to be added, with its place; none once there are enough.
    pub fn next_package(&mut self) -> Option<(usize, PackageId)> {
        while let Some(node) = self.nodes.get(self.next) {
            let place = self.next;
            self.next += 1;
            if let Some(package) = node.package {
                if self.edges.len() >= UPGRADE_EDGES_LIMIT {
                    self.is_cut = true;
                    return None;
                }
                return Some((place, package));
            }
        }
        None
    }

    /// Adds what the package at that place declares.
    pub fn add(&mut self, parent: usize, declared: Declared, package: Option<PackageId>) {
        let depth = self.nodes[parent].depth + 1;
        let key = identity(&declared.url);
        let known = self.places.get(&key).copied();
        let is_new_allowed =
            depth <= UPGRADE_DEPTH_LIMIT && self.nodes.len() <= UPGRADE_PACKAGES_LIMIT;
        if self.edges.len() >= UPGRADE_EDGES_LIMIT || (known.is_none() && !is_new_allowed) {
            self.is_cut = true;
            return;
        }
        let place = known.unwrap_or(self.nodes.len());
        if known.is_none() {
            self.places.insert(key, place);
            self.nodes.push(Node {
                name: declared.name,
                url: declared.url,
                package,
                depth,
                parent,
            });
        }
        self.edges.push((parent, place, declared.lazy));
    }

    /// For each node, whether it is only reached through lazy dependencies.
    pub fn lazy(&self) -> Vec<bool> {
        let mut lazy = vec![true; self.nodes.len()];
        lazy[0] = false;
        let mut queue = VecDeque::from([0]);
        while let Some(place) = queue.pop_front() {
            for (from, to, is_lazy) in &self.edges {
                if *from == place && !is_lazy && lazy[*to] {
                    lazy[*to] = false;
                    queue.push_back(*to);
                }
            }
        }
        lazy
    }
}
