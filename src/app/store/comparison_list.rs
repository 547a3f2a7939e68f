//! Reads of comparisons: counts, groups of packages that broke in the same way, and how others got past it. What is
//! read depends on the size of the page, not on that of the catalogue.

use std::collections::HashMap;

use rusqlite::params;

use crate::app::domain::comparison::Outcome;
use crate::app::domain::ids::PackageId;
use crate::app::store::comparison_groups::{Cause, Group, Head, Pair, groups};
use crate::app::store::comparisons;
use crate::app::store::limits::{
    COMPARISON_NAMES_LIMIT, EXAMINED_LIMIT_ROWS, GROUP_NAMES_LIMIT, GROUP_SORTED_LIMIT_ROWS,
    GROUPS_LIMIT_ROWS, ONE_GROUP_NAMES_LIMIT, OUTCOME_NAMES_LIMIT,
};
use crate::app::store::list::{self, Paging};
use crate::app::store::store::{Result, Store};

/// What is compared.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Asked {
    pub older: String,
    pub newer: String,
    pub among: Among,
    /// Only the groups of this error, and of those only that at this place.
    pub error_key: Option<String>,
    pub place: Option<String>,
}

/// Which packages are compared.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Among {
    All,
    MostUsed(u64),
    Named(Vec<String>),
}

/// What changed between two versions.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Comparison {
    /// In the order of `Outcome::ALL`.
    counts: [u64; Outcome::ALL.len()],
    /// Packages that were tried under this version, at no commit that was tried under the other one.
    pub older_alone: u64,
    pub newer_alone: u64,
    /// One page of them, those with most packages first.
    pub groups: Vec<Group>,
    pub total: u64,
    /// There may be more.
    pub is_bounded: bool,
    /// Names that no package has.
    pub not_found: Vec<String>,
    /// An older history is still being entered: there are too few packages.
    pub is_filling: bool,
}

impl Comparison {
    pub fn count(&self, outcome: Outcome) -> u64 {
        self.counts[outcome as usize]
    }

    /// Packages that were tried under both versions.
    pub fn packages(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Packages that built under the older version, and whose try under the newer one has a verdict.
    pub fn built_before(&self) -> u64 {
        let built = [
            Outcome::StillWorking,
            Outcome::NewlyBroken,
            Outcome::NotExercised,
        ];
        built.iter().map(|outcome| self.count(*outcome)).sum()
    }
}

/// Every version that a package was tried under.
pub fn versions(store: &Store) -> Result<Vec<String>> {
    store.values(
        "SELECT zig_version FROM tried_versions WHERE packages > 0",
        [],
    )
}

/// What changed from the older version to the newer one, with one page of its groups.
pub fn compare(store: &Store, asked: &Asked, paging: &Paging) -> Result<Comparison> {
    let (older, newer) = (version(store, &asked.older)?, version(store, &asked.newer)?);
    let pair = pair(older, newer);
    let (mut found, heads) = match &asked.among {
        Among::All => of_all(store, asked, (older, newer), paging)?,
        among => of_some(store, asked, among, pair, paging)?,
    };
    found.groups = groups(store, pair, heads)?;
    found.is_filling = comparisons::is_filling(store)?;
    Ok(found)
}

/// The counts of all packages between two versions, without any group.
pub fn counts(store: &Store, older: &str, newer: &str) -> Result<Comparison> {
    let (older, newer) = (version(store, older)?, version(store, newer)?);
    let mut found = counts_of(store, older, newer)?;
    found.is_filling = comparisons::is_filling(store)?;
    Ok(found)
}

/// The id of a version, 0 where nothing was tried under it, and how many packages were.
fn version(store: &Store, zig_version: &str) -> Result<(i64, u64)> {
    let sql = "SELECT id, packages FROM tried_versions WHERE zig_version = ?1";
    let found = store.optional_row(sql, [zig_version], |row| {
        Ok((row.get("id")?, row.get("packages")?))
    })?;
    Ok(found.unwrap_or((0, 0)))
}

fn pair(older: (i64, u64), newer: (i64, u64)) -> Pair {
    Pair {
        older: older.0,
        newer: newer.0,
    }
}

fn counts_of(store: &Store, older: (i64, u64), newer: (i64, u64)) -> Result<Comparison> {
    let mut found = Comparison::default();
    let sql = "SELECT outcome, packages FROM comparison_counts WHERE older = ?1 AND newer = ?2";
    store.each_row(sql, [older.0, newer.0], |row| {
        if let Some(outcome) = Outcome::parse(&row.get::<_, String>("outcome")?) {
            found.counts[outcome as usize] = row.get("packages")?;
        }
        Ok(true)
    })?;
    found.older_alone = older.1.saturating_sub(found.packages());
    found.newer_alone = newer.1.saturating_sub(found.packages());
    Ok(found)
}

/// The packages that each group names, where that many groups are shown.
fn names_limit(asked: &Asked, groups: u64) -> u64 {
    let limit = match asked.error_key {
        Some(_) => ONE_GROUP_NAMES_LIMIT,
        None => GROUP_NAMES_LIMIT,
    };
    limit.min(COMPARISON_NAMES_LIMIT / groups.max(1))
}

// -- all packages --

fn of_all(
    store: &Store,
    asked: &Asked,
    (older, newer): ((i64, u64), (i64, u64)),
    paging: &Paging,
) -> Result<(Comparison, Vec<Head>)> {
    let mut found = counts_of(store, older, newer)?;
    let pair = pair(older, newer);
    let mut heads = heads(store, asked, pair, paging, &mut found)?;
    let limit = names_limit(asked, paging.limit);
    let is_large = |head: &Head| head.count > GROUP_SORTED_LIMIT_ROWS;
    if heads.iter().any(is_large) {
        fill_from_walk(store, pair, &mut heads, limit)?;
    }
    for head in &mut heads {
        let missing = limit - head.packages.len() as u64;
        if missing > 0 {
            for id in most_used_of(store, pair, head, limit)? {
                if (head.packages.len() as u64) < limit && !head.packages.contains(&id) {
                    head.packages.push(id);
                }
            }
        }
    }
    Ok((found, heads))
}

/// One page of the groups.
fn heads(
    store: &Store,
    asked: &Asked,
    pair: Pair,
    paging: &Paging,
    found: &mut Comparison,
) -> Result<Vec<Head>> {
    let Some((key, place)) = ids_of(store, asked)? else {
        return Ok(Vec::new());
    };
    // An error has a group for each place; without one the index gives the largest groups.
    let (from, of) = match asked.error_key {
        Some(_) => (
            "comparison_groups",
            " AND error_key = ?3 AND (?4 IS NULL OR error_place = ?4)",
        ),
        None => (
            "comparison_groups INDEXED BY comparison_groups_by_size",
            " AND ?3 IS NULL AND ?4 IS NULL",
        ),
    };
    let rows = format!("FROM {from} WHERE older = ?1 AND newer = ?2{of}");
    let sql = format!("SELECT count(*) FROM (SELECT 1 {rows} LIMIT ?5)");
    let limit = GROUPS_LIMIT_ROWS + 1;
    let total: u64 = store.value(&sql, params![pair.older, pair.newer, key, place, limit])?;
    found.is_bounded = total >= limit;
    found.total = total.min(GROUPS_LIMIT_ROWS);
    let sql = format!(
        "SELECT error_key, error_place, reason, packages {rows} \
         ORDER BY packages DESC, error_key DESC, error_place DESC, reason DESC LIMIT ?5 OFFSET ?6"
    );
    let skip = paging.skip().min(GROUPS_LIMIT_ROWS as usize);
    let values = params![pair.older, pair.newer, key, place, paging.limit, skip];
    store.rows(&sql, values, |row| {
        Ok(Head {
            cause: Cause::read(row)?,
            count: row.get("packages")?,
            packages: Vec::new(),
        })
    })
}

/// The ids of the texts that are asked for, each none where none is; none at all where no row has such a text.
fn ids_of(store: &Store, asked: &Asked) -> Result<Option<(Option<i64>, Option<i64>)>> {
    let mut ids = [None, None];
    for (id, text) in ids.iter_mut().zip([&asked.error_key, &asked.place]) {
        let Some(text) = text else { continue };
        let sql = "SELECT id FROM history_texts WHERE text = ?1";
        *id = store.optional_row(sql, [text], |row| row.get("id"))?;
        if id.is_none() {
            return Ok(None);
        }
    }
    Ok(Some((ids[0], ids[1])))
}

/// Gives large groups those of their packages that are among the most used of all.
fn fill_from_walk(store: &Store, pair: Pair, heads: &mut [Head], limit: u64) -> Result<()> {
    let mut by_cause: HashMap<Cause, usize> = HashMap::new();
    let large = heads.iter().enumerate();
    for (nth, head) in large.filter(|(_, head)| head.count > GROUP_SORTED_LIMIT_ROWS) {
        by_cause.insert(head.cause.clone(), nth);
    }
    let sql = "SELECT c.package_id, c.error_key, c.error_place, c.reason \
        FROM (SELECT id FROM packages INDEXED BY packages_by_popularity WHERE removal IS NULL \
            ORDER BY popularity_score DESC LIMIT ?3) p \
        CROSS JOIN comparisons c ON c.package_id = p.id AND c.older = ?1 AND c.newer = ?2 \
        WHERE c.outcome = 'newly_broken'";
    store.each_row(
        sql,
        params![pair.older, pair.newer, EXAMINED_LIMIT_ROWS],
        |row| {
            if let Some(nth) = by_cause.get(&Cause::read(row)?) {
                let packages = &mut heads[*nth].packages;
                if (packages.len() as u64) < limit {
                    packages.push(row.get("package_id")?);
                }
            }
            Ok(true)
        },
    )
}

/// The most used packages of a group, among its first `GROUP_SORTED_LIMIT_ROWS`.
fn most_used_of(store: &Store, pair: Pair, head: &Head, limit: u64) -> Result<Vec<PackageId>> {
    let sql = "SELECT p.id FROM (SELECT package_id FROM comparisons INDEXED BY comparisons_by_outcome \
            WHERE older = ?1 AND newer = ?2 AND outcome = 'newly_broken' \
            AND error_key = ?3 AND error_place = ?4 AND reason = ?5 LIMIT ?6) c \
        CROSS JOIN packages p ON p.id = c.package_id ORDER BY p.popularity_score DESC, p.id LIMIT ?7";
    let Cause {
        error_key,
        error_place,
        reason,
    } = &head.cause;
    let rows = GROUP_SORTED_LIMIT_ROWS.max(limit);
    store.values(
        sql,
        params![
            pair.older,
            pair.newer,
            error_key,
            error_place,
            reason,
            rows,
            limit
        ],
    )
}

// -- some packages --

/// What one of these packages came to.
struct Found {
    package: PackageId,
    outcome: Option<Outcome>,
    cause: Cause,
    older_alone: bool,
    newer_alone: bool,
}

fn of_some(
    store: &Store,
    asked: &Asked,
    among: &Among,
    pair: Pair,
    paging: &Paging,
) -> Result<(Comparison, Vec<Head>)> {
    let mut found = Comparison::default();
    let (packages, not_found) = packages(store, among)?;
    found.not_found = not_found;
    let filter = ids_of(store, asked)?;
    let mut heads: Vec<Head> = Vec::new();
    for row in outcomes(store, pair, &packages)? {
        found.older_alone += u64::from(row.older_alone);
        found.newer_alone += u64::from(row.newer_alone);
        if let Some(outcome) = row.outcome {
            found.counts[outcome as usize] += 1;
        }
        if row.outcome != Some(Outcome::NewlyBroken) {
            continue;
        }
        let cause = row.cause;
        let fits = filter.is_some_and(|(key, place)| {
            key.is_none_or(|key| key == cause.error_key)
                && place.is_none_or(|place| place == cause.error_place)
        });
        match heads.iter_mut().find(|head| head.cause == cause) {
            Some(head) => {
                head.count += 1;
                head.packages.push(row.package);
            }
            None if fits => heads.push(Head {
                cause,
                count: 1,
                packages: vec![row.package],
            }),
            None => {}
        }
    }
    found.total = heads.len() as u64;
    heads.sort_by_key(|head| std::cmp::Reverse(head.count));
    let limit = names_limit(asked, paging.limit) as usize;
    let page = heads
        .into_iter()
        .skip(paging.skip())
        .take(paging.limit as usize);
    let cut = |mut head: Head| {
        head.packages.truncate(limit);
        head
    };
    Ok((found, page.map(cut).collect()))
}

/// These packages, the most used first, and the names that no package has.
fn packages(store: &Store, among: &Among) -> Result<(Vec<PackageId>, Vec<String>)> {
    let names = match among {
        Among::Named(names) => names,
        Among::MostUsed(limit) => {
            let sql = "SELECT id FROM packages INDEXED BY packages_by_popularity WHERE removal IS NULL \
                ORDER BY popularity_score DESC LIMIT ?1";
            return Ok((store.values(sql, [limit])?, Vec::new()));
        }
        Among::All => return Ok((Vec::new(), Vec::new())),
    };
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    let sql = "SELECT id, popularity_score FROM packages WHERE name = ?1";
    for name in names {
        let found: Option<(PackageId, i64)> = store.optional_row(sql, [name], |row| {
            Ok((row.get("id")?, row.get("popularity_score")?))
        })?;
        match found {
            Some(found) => known.push(found),
            None => unknown.push(name.clone()),
        }
    }
    known.sort_by_key(|(id, score)| (std::cmp::Reverse(*score), *id));
    known.dedup();
    Ok((known.into_iter().map(|known| known.0).collect(), unknown))
}

fn outcomes(store: &Store, pair: Pair, packages: &[PackageId]) -> Result<Vec<Found>> {
    let sql = "SELECT j.value AS package_id, c.outcome, coalesce(c.error_key, 0) AS error_key, \
            coalesce(c.error_place, 0) AS error_place, coalesce(c.reason, '') AS reason, \
            EXISTS (SELECT 1 FROM tried WHERE package_id = j.value AND version = ?2) AS older, \
            EXISTS (SELECT 1 FROM tried WHERE package_id = j.value AND version = ?3) AS newer \
        FROM json_each(?1) j LEFT JOIN comparisons c \
            ON c.package_id = j.value AND c.older = ?2 AND c.newer = ?3 ORDER BY j.key";
    store.rows(
        sql,
        params![list::ids(packages), pair.older, pair.newer],
        |row| {
            let word: Option<String> = row.get("outcome")?;
            let outcome = word.and_then(|word| Outcome::parse(&word));
            let alone = |column: &str| Result::Ok(outcome.is_none() && row.get::<_, bool>(column)?);
            Ok(Found {
                package: row.get("package_id")?,
                older_alone: alone("older")?,
                newer_alone: alone("newer")?,
                cause: Cause::read(row)?,
                outcome,
            })
        },
    )
}

/// The names of the packages with that outcome, `OUTCOME_NAMES_LIMIT` on each page.
pub fn names(store: &Store, asked: &Asked, outcome: Outcome, page: u64) -> Result<Vec<String>> {
    let (older, newer) = (version(store, &asked.older)?, version(store, &asked.newer)?);
    let pair = pair(older, newer);
    let Some((key, place)) = ids_of(store, asked)? else {
        return Ok(Vec::new());
    };
    let skip = (page - 1).saturating_mul(OUTCOME_NAMES_LIMIT);
    if asked.among != Among::All {
        let (packages, _) = packages(store, &asked.among)?;
        let mut found = outcomes(store, pair, &packages)?;
        found.retain(|row| {
            row.outcome == Some(outcome)
                && key.is_none_or(|key| key == row.cause.error_key)
                && place.is_none_or(|place| place == row.cause.error_place)
        });
        let ids = found.into_iter().map(|row| row.package);
        let page = ids.skip(skip as usize).take(OUTCOME_NAMES_LIMIT as usize);
        let ids: Vec<PackageId> = page.collect();
        let sql =
            "SELECT p.name FROM json_each(?1) j JOIN packages p ON p.id = j.value ORDER BY j.key";
        return store.values(sql, [list::ids(&ids)]);
    }
    let of = match (key, place) {
        (None, _) => "AND ?4 IS NULL AND ?5 IS NULL",
        (Some(_), None) => "AND error_key = ?4 AND ?5 IS NULL",
        (Some(_), Some(_)) => "AND error_key = ?4 AND error_place = ?5",
    };
    let sql = format!(
        "SELECT p.name FROM (SELECT package_id FROM comparisons INDEXED BY comparisons_by_outcome \
             WHERE older = ?1 AND newer = ?2 AND outcome = ?3 {of} LIMIT ?6 OFFSET ?7) c \
         CROSS JOIN packages p ON p.id = c.package_id"
    );
    let outcome = outcome.as_str();
    let limit = OUTCOME_NAMES_LIMIT;
    store.values(
        &sql,
        params![pair.older, pair.newer, outcome, key, place, limit, skip],
    )
}
