//! The table `uses`: which repositories a package depends on, and so how many packages depend on another.

use rusqlite::params;

use crate::app::domain::ids::PackageId;
use crate::app::domain::popularity::USE_SCORE;
use crate::app::domain::repository::repositories;
use crate::app::store::store::{Result, Store};

/// The remainder below `USE_SCORE` stays: it counts the views of the package.
pub const COUNT_USERS: &str = "UPDATE packages SET popularity_score = popularity_score % ?2 + ?2 * \
    (SELECT count(*) FROM uses u WHERE u.repository = ?1 AND u.package_id <> packages.id) \
    WHERE repository = ?1";

pub const ADD_SCORE: &str = "UPDATE packages SET popularity_score = popularity_score + ?3 \
    WHERE repository = ?1 AND id <> ?2";

pub const USES: &str = "SELECT repository FROM uses WHERE package_id = ?1 ORDER BY repository";

/// The repositories that a package depends on, in order.
pub fn of_package(store: &Store, package: PackageId) -> Result<Vec<String>> {
    store.values(USES, [package])
}

/// Replaces what a package depends on by the repositories of these URLs. The scores of the packages that gain or
/// lose a user follow.
pub fn set(store: &mut Store, package: PackageId, urls: &[String]) -> Result<()> {
    let new = repositories(urls);
    let old = of_package(store, package)?;
    let removed = difference(&old, &new);
    let added = difference(&new, &old);
    for repository in &removed {
        let sql = "DELETE FROM uses WHERE package_id = ?1 AND repository = ?2";
        store.execute(sql, params![package, repository])?;
    }
    for repository in &added {
        let sql = "INSERT INTO uses (package_id, repository) VALUES (?1, ?2)";
        store.execute(sql, params![package, repository])?;
    }
    for (repositories, change) in [(removed, -USE_SCORE), (added, USE_SCORE)] {
        for repository in repositories {
            add_score(store, package, repository, change)?;
        }
    }
    Ok(())
}

/// Removes up to `limit` of the repositories that a package depends on; gives how many.
pub(super) fn delete_some(store: &mut Store, package: PackageId, limit: usize) -> Result<usize> {
    let some: Vec<String> = store.values(&format!("{USES} LIMIT ?2"), params![package, limit])?;
    for repository in &some {
        let sql = "DELETE FROM uses WHERE package_id = ?1 AND repository = ?2";
        store.execute(sql, params![package, repository])?;
        add_score(store, package, repository, -USE_SCORE)?;
    }
    Ok(some.len())
}

/// Adds to the score of the package of that repository, whose users are one more or one less by that user.
fn add_score(store: &mut Store, user: PackageId, repository: &str, change: i64) -> Result<()> {
    store.execute(ADD_SCORE, params![repository, user, change])?;
    Ok(())
}

/// True if a package depends on that repository. An update that changes nothing would write row and index again.
pub(super) fn has_users(store: &Store, repository: &str) -> Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM uses WHERE repository = ?1)";
    store.value(sql, [repository])
}

/// Counts the users of the packages of that repository again.
pub(super) fn count_users(store: &mut Store, repository: &str) -> Result<()> {
    store.execute(COUNT_USERS, params![repository, USE_SCORE])?;
    Ok(())
}

/// What is in the first list and not in the second, which is sorted.
fn difference<'a>(first: &'a [String], second: &[String]) -> Vec<&'a String> {
    let is_new = |url: &&String| second.binary_search(url).is_err();
    first.iter().filter(is_new).collect()
}
