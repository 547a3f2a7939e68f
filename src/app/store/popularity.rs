//! Who uses a package, and how often it is looked at: its popularity score.

use rusqlite::{OptionalExtension, params};

use crate::app::domain::popularity::USE_SCORE;
use crate::app::domain::repository::repositories;
use crate::app::store::{Result, Store};

/// What is below `USE_SCORE` stays as it is: how often the package was looked at.
const COUNT_USERS: &str = "UPDATE packages SET popularity_score = popularity_score % ?2 + ?2 * \
    (SELECT count(*) FROM uses u WHERE u.url = ?1 AND u.package_id <> packages.id) \
    WHERE repository = ?1";

const COUNT_VIEWS: &str = "UPDATE packages SET popularity_score = popularity_score \
    - popularity_score % ?3 + min(popularity_score % ?3 + ?2, ?3 - 1) WHERE id = ?1";

const USES: &str = "SELECT url FROM uses WHERE package_id = ?1 ORDER BY url";

/// Every statement whose price must not grow with the number of packages.
pub fn popularity_statements() -> [&'static str; 3] {
    [COUNT_USERS, COUNT_VIEWS, USES]
}

impl Store {
    /// The repositories that a package uses, in order.
    pub fn uses(&self, package: i64) -> Result<Vec<String>> {
        let mut statement = self.db.prepare_cached(USES)?;
        let rows = statement.query_map([package], |row| row.get(0))?;
        rows.collect()
    }

    /// These are the URLs that the manifests of a package name, in whatever form: the packages
    /// they lead to have one user more, those no longer among them one less.
    pub fn set_uses(&mut self, package: i64, urls: &[String]) -> Result<()> {
        let now = repositories(urls);
        let before = self.uses(package)?;
        let not_in = |known: &[String], all: &[String]| -> Vec<String> {
            let missing = all.iter().filter(|url| known.binary_search(url).is_err());
            missing.cloned().collect()
        };
        let (gone, come) = (not_in(&now, &before), not_in(&before, &now));
        if gone.is_empty() && come.is_empty() {
            return Ok(());
        }
        let db = self.write()?;
        for url in &gone {
            let sql = "DELETE FROM uses WHERE package_id = ?1 AND url = ?2";
            db.prepare_cached(sql)?.execute(params![package, url])?;
        }
        for url in &come {
            let sql = "INSERT INTO uses (package_id, url) VALUES (?1, ?2)";
            db.prepare_cached(sql)?.execute(params![package, url])?;
        }
        for url in gone.iter().chain(&come) {
            self.count_users(url)?;
        }
        Ok(())
    }

    /// The packages of that repository: how many others use them?
    pub(crate) fn count_users(&mut self, repository: &str) -> Result<()> {
        let db = self.write()?;
        db.prepare_cached(COUNT_USERS)?
            .execute(params![repository, USE_SCORE])?;
        Ok(())
    }

    /// Those packages were looked at so often.
    pub fn add_views(&mut self, views: &[(i64, i64)]) -> Result<()> {
        let db = self.write()?;
        for (package, count) in views {
            db.prepare_cached(COUNT_VIEWS)?
                .execute([*package, *count, USE_SCORE])?;
        }
        Ok(())
    }

    /// The id of the package of that name.
    pub fn package_id(&self, name: &str) -> Result<Option<i64>> {
        let mut statement = self
            .db
            .prepare_cached("SELECT id FROM packages WHERE name = ?1")?;
        statement.query_row([name], |row| row.get(0)).optional()
    }
}
