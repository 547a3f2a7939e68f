//! What holds packages back under a Zig version, from their dependencies, their latest verdicts and the history.

use std::collections::HashMap;

use rusqlite::params;

use crate::app::domain::declared::Declared;
use crate::app::domain::ids::{BuildId, PackageId};
use crate::app::domain::popularity::USE_SCORE;
use crate::app::domain::upgrade::{self, Node, Tree, UpgradeState, Working};
use crate::app::domain::verdict::{Reason, Statuses};
use crate::app::store::columns::row;
use crate::app::store::compat::{self, WorkingCommit};
use crate::app::store::declared;
use crate::app::store::limits::BLOCKERS_EXAMINED_LIMIT_ROWS;
use crate::app::store::list::{Page, Paging};
use crate::app::store::packages::{self, PackageRow};
use crate::app::store::results::{self, ResultRow};
use crate::app::store::store::{Result, Store};

row! {
    /// The first error of a verdict.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct ErrorRow from "history h LEFT JOIN history_texts k ON k.id = h.error_key \
            LEFT JOIN history_texts p ON p.id = h.error_place" {
        pub key: Option<String> = "k.text",
        pub place: Option<String> = "p.text",
    }
}

/// How a package does under a version.
#[derive(Debug, Clone, PartialEq)]
pub struct UpgradeStatus {
    pub package: PackageRow,
    pub state: UpgradeState,
    /// The commit of the state: the latest, or the older one that works.
    pub commit: Option<String>,
    pub tag: Option<String>,
    /// The first error of the latest commit, if it fails.
    pub error: Option<ErrorRow>,
    pub reason: Option<Reason>,
    /// The build of the latest verdict.
    pub build: Option<BuildId>,
}

/// A dependency in the tree of a package.
#[derive(Debug, Clone, PartialEq)]
pub struct Dependency {
    pub node: Node,
    /// The name of the package that declares it first.
    pub needed_by: String,
    pub is_lazy: bool,
    /// None if it is not known here.
    pub status: Option<UpgradeStatus>,
}

/// What holds a package back under a version.
#[derive(Debug, Clone, PartialEq)]
pub struct Upgrade {
    pub own: UpgradeStatus,
    /// Breadth first.
    pub dependencies: Vec<Dependency>,
    /// There are more than the limits allow.
    pub is_cut: bool,
}

impl Dependency {
    pub fn state(&self) -> UpgradeState {
        let known = self.status.as_ref();
        known.map_or(UpgradeState::Unknown, |status| status.state)
    }

    pub fn holds_back(&self) -> bool {
        upgrade::holds_back(self.state(), self.is_lazy)
    }
}

impl Upgrade {
    /// How many of the dependencies hold it back.
    pub fn holding_back(&self) -> usize {
        let held = self.dependencies.iter().filter(|row| row.holds_back());
        held.count()
    }
}

/// The dependency tree of a package, with the state of each under that version.
pub fn of_package(store: &Store, root: PackageRow, zig_version: &str) -> Result<Upgrade> {
    let mut tree = Tree::new(root.id, &root.url);
    while let Some((place, package)) = tree.next_package() {
        for row in declared::of_package(store, package)? {
            let declared = Declared {
                name: row.name,
                url: row.url,
                hash: row.hash,
                lazy: row.lazy,
            };
            tree.add(place, declared, row.package);
        }
    }
    let others = tree.nodes.iter().skip(1);
    let others: Vec<PackageId> = others.filter_map(|node| node.package).collect();
    let known = packages::by_ids(store, &others)?;
    let mut statuses_by_id = HashMap::new();
    for status in statuses_of(store, known, zig_version)? {
        statuses_by_id.insert(status.package.id, status);
    }
    let latest = results::under_version(store, &[root.id], zig_version)?;
    let own = UpgradeStatus::read(store, root, zig_version, latest.first())?;
    let lazy = tree.lazy();
    let mut dependencies = Vec::new();
    for (place, node) in tree.nodes.iter().enumerate().skip(1) {
        let find = |node: &Node| statuses_by_id.get(&node.package?);
        let parent = find(&tree.nodes[node.parent]).unwrap_or(&own);
        dependencies.push(Dependency {
            needed_by: parent.package.name.clone(),
            is_lazy: lazy[place],
            status: find(node).cloned(),
            node: node.clone(),
        });
    }
    Ok(Upgrade {
        own,
        dependencies,
        is_cut: tree.is_cut,
    })
}

/// One page of the packages whose latest commit fails under that version and that others depend on, the most used
/// first.
pub fn blockers(store: &Store, zig_version: &str, paging: &Paging) -> Result<Page<UpgradeStatus>> {
    let sql = "SELECT p.id, r.build_status, r.test_status, v.import_status, v.compiled \
        FROM (SELECT id FROM packages INDEXED BY packages_by_popularity \
            WHERE removal IS NULL AND popularity_score >= ?2 ORDER BY popularity_score DESC, id DESC LIMIT ?3) p \
        LEFT JOIN build_results r ON r.package_id = p.id AND r.zig_version = ?1 \
        LEFT JOIN builds v ON v.id = r.build_id";
    let (mut failing, mut examined) = (Vec::new(), 0);
    let values = params![zig_version, USE_SCORE, BLOCKERS_EXAMINED_LIMIT_ROWS];
    store.each_row(sql, values, |row| {
        examined += 1;
        if let Some(build) = row.get("build_status")? {
            let statuses = Statuses {
                build,
                test: row.get("test_status")?,
                import: row.get("import_status")?,
                compiled: row.get("compiled")?,
            };
            if statuses.works() == Some(false) {
                failing.push(row.get("id")?);
            }
        }
        Ok(true)
    })?;
    let page = failing.iter().skip(paging.skip());
    let page: Vec<PackageId> = page.take(paging.limit as usize).copied().collect();
    let found = Page {
        rows: page,
        total: failing.len() as u64,
        is_bounded: examined == BLOCKERS_EXAMINED_LIMIT_ROWS,
        next: None,
    };
    let found = found.with_rows(|ids| packages::by_ids(store, ids), |row| row.id)?;
    Ok(Page {
        rows: statuses_of(store, found.rows, zig_version)?,
        total: found.total,
        is_bounded: found.is_bounded,
        next: None,
    })
}

/// How each of these packages does under that version.
fn statuses_of(
    store: &Store,
    packages: Vec<PackageRow>,
    zig_version: &str,
) -> Result<Vec<UpgradeStatus>> {
    let ids: Vec<PackageId> = packages.iter().map(|row| row.id).collect();
    let latest = results::under_version(store, &ids, zig_version)?;
    let latest: HashMap<PackageId, ResultRow> =
        latest.into_iter().map(|row| (row.package, row)).collect();
    let status = |row: PackageRow| {
        let latest = latest.get(&row.id);
        UpgradeStatus::read(store, row, zig_version, latest)
    };
    packages.into_iter().map(status).collect()
}

impl UpgradeStatus {
    /// An older commit and an error are looked for only where the latest commit does not work.
    fn read(
        store: &Store,
        package: PackageRow,
        zig_version: &str,
        latest: Option<&ResultRow>,
    ) -> Result<UpgradeStatus> {
        let statuses = latest.map(ResultRow::statuses);
        let head = latest.and_then(|row| row.commit.clone());
        let works = match upgrade::state(statuses, None) {
            UpgradeState::Works => None,
            _ => compat::newest_working(store, package.id, zig_version)?,
        };
        let working = works
            .as_ref()
            .map(|works| match Some(&works.commit) == head.as_ref() {
                true => Working::Latest,
                false => Working::Older,
            });
        let state = upgrade::state(statuses, working);
        let is_red = statuses.is_some_and(|statuses| statuses.works() == Some(false));
        let error = match &head {
            Some(head) if is_red => error_of(store, package.id, head, zig_version)?,
            _ => None,
        };
        let (commit, tag) = match works {
            Some(WorkingCommit { commit, tag, .. }) => (Some(commit), tag),
            None => (head, None),
        };
        Ok(UpgradeStatus {
            package,
            state,
            commit,
            tag,
            error,
            reason: latest.and_then(|row| row.reason),
            build: latest.and_then(|row| row.build_id),
        })
    }
}

/// The first error of the newest verdict on that commit under that version.
fn error_of(
    store: &Store,
    package: PackageId,
    commit: &str,
    zig_version: &str,
) -> Result<Option<ErrorRow>> {
    let sql = format!(
        "{} WHERE h.package_id = ?1 AND h.\"commit\" = unhex(?2) \
         AND +h.zig_version = (SELECT id FROM history_texts WHERE text = ?3) ORDER BY h.id DESC LIMIT 1",
        ErrorRow::SELECT
    );
    store.optional_row(&sql, params![package, commit, zig_version], ErrorRow::read)
}
