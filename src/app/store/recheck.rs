//! Which packages are due for another look, and what they lack under the toolchains there are.

use rusqlite::{OptionalExtension, Row, params};

use crate::app::domain::recheck::{Cell, Newest, next_check};
use crate::app::domain::repository::repository;
use crate::app::domain::verdict::{BuildStatus, State};
use crate::app::store::rows::word;
use crate::app::store::{Result, Store};

/// What a check of a package is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecheckRow {
    pub id: i64,
    pub name: String,
    pub url: String,
    pub reference: Option<String>,
    pub popularity_score: i64,
    /// Of its newest check that has one.
    pub commit: Option<String>,
}

/// Some of the packages, on the way through all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RebuildPage {
    /// Those that lack a build, each with the versions under which.
    pub packages: Vec<(RecheckRow, Vec<String>)>,
    /// There are no more.
    pub done: bool,
}

/// The commit is looked for from the newest check on, which mostly has one.
const KNOWN: &str = "SELECT p.id, p.name, p.url, p.ref, p.popularity_score, \
    (SELECT c.\"commit\" FROM checks c WHERE c.package_id = p.id AND c.\"commit\" NOT NULL \
     ORDER BY c.id DESC LIMIT 1) FROM packages p";

/// The image under which the verdict shown was found. There is a row as soon as there is a build.
const SHOWN: &str = "SELECT v.toolchain FROM build_results r \
    LEFT JOIN builds v ON v.id = r.build_id WHERE r.package_id = ?1 AND r.zig_version = ?2";

/// Builds are made with their checks, so the newest build is in the newest check with one. The
/// cross join says to look there first.
const NEWEST: &str = "SELECT b.state, b.build_status, b.toolchain, c.source NOT NULL \
    FROM checks c CROSS JOIN builds b ON b.check_id = c.id \
    WHERE c.package_id = ?1 AND b.zig_version = ?2 ORDER BY c.id DESC, b.id DESC LIMIT 1";

const NEXT_DUE: &str = "SELECT min(next_check) FROM packages WHERE next_check NOT NULL";

/// What follows `KNOWN`: of one package, those that are due, those that come next in a sweep.
const ONE: &str = "WHERE p.id = ?1";
const DUE: &str = "WHERE p.next_check <= ?1 ORDER BY p.next_check, p.id LIMIT ?2";
const BEHIND: &str = "WHERE p.id > ?1 AND p.source_type = 'git' ORDER BY p.id LIMIT ?2";

/// Every read of this room: none may take longer for there being more packages or builds.
pub fn recheck_reads() -> Vec<String> {
    let recheck_row = [ONE, DUE, BEHIND].map(|part| format!("{KNOWN} {part}"));
    let others = [SHOWN, NEWEST, NEXT_DUE].map(str::to_string);
    recheck_row.into_iter().chain(others).collect()
}

fn recheck_row(row: &Row) -> Result<RecheckRow> {
    Ok(RecheckRow {
        id: row.get(0)?,
        name: row.get(1)?,
        url: row.get(2)?,
        reference: row.get(3)?,
        popularity_score: row.get(4)?,
        commit: row.get(5)?,
    })
}

impl Store {
    /// What a look at the remote of that package needs to know of it.
    pub fn recheck_row(&self, package: i64) -> Result<Option<RecheckRow>> {
        let mut statement = self.db.prepare_cached(&format!("{KNOWN} {ONE}"))?;
        statement.query_row([package], recheck_row).optional()
    }

    // -- looks at remotes --

    /// Packages whose remote is to be looked at, those due longest first.
    pub fn packages_due(&self, now_unix_ms: i64, limit: usize) -> Result<Vec<RecheckRow>> {
        let mut statement = self.db.prepare_cached(&format!("{KNOWN} {DUE}"))?;
        let rows = statement.query_map(params![now_unix_ms, limit as i64], recheck_row)?;
        rows.collect()
    }

    /// When the first of all is due, in unix milliseconds.
    pub fn next_check_due(&self) -> Result<Option<i64>> {
        if let Some(recheck_row) = self.next_look.get() {
            return Ok(recheck_row);
        }
        let mut statement = self.db.prepare_cached(NEXT_DUE)?;
        let next = statement.query_row([], |row| row.get(0))?;
        self.next_look.set(Some(next));
        Ok(next)
    }

    pub fn set_next_check(&mut self, package: i64, at: i64) -> Result<()> {
        let sql = "UPDATE packages SET next_check = ?2 WHERE id = ?1";
        self.next_look.set(None);
        let db = self.write()?;
        db.prepare_cached(sql)?.execute([package, at])?;
        Ok(())
    }

    /// A package that is new here: when it is looked at again, and who uses it already.
    pub(crate) fn begin_package(&mut self, package: i64, url: &str, at: i64) -> Result<()> {
        let repository = repository(url).unwrap_or_else(|| url.to_string());
        let sql = "UPDATE packages SET repository = ?2, \
            next_check = CASE source_type WHEN 'git' THEN ?3 END WHERE id = ?1";
        self.next_look.set(None);
        let db = self.write()?;
        let next = next_check(package, at);
        db.prepare_cached(sql)?
            .execute(params![package, repository, next])?;
        self.count_users(&repository)
    }

    /// Packages from before there was anything of this begin now.
    pub fn begin_packages(&mut self, now_unix_ms: i64) -> Result<()> {
        let begun: Vec<(i64, String)> = {
            let sql = "SELECT id, url FROM packages WHERE repository IS NULL";
            let mut statement = self.db.prepare_cached(sql)?;
            let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            rows.collect::<Result<_>>()?
        };
        for (package, url) in begun {
            self.begin_package(package, &url, now_unix_ms)?;
        }
        Ok(())
    }

    // -- toolchains --

    /// The images there were when the engine said so last: versions with their images.
    pub fn toolchains(&self) -> Result<Vec<(String, String)>> {
        let sql = "SELECT zig_version, image FROM toolchains ORDER BY zig_version";
        let mut statement = self.db.prepare_cached(sql)?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        rows.collect()
    }

    /// That version has that image. Where that is news, a sweep begins: all packages are to be
    /// looked through, from the first.
    pub fn see_toolchain(&mut self, zig_version: &str, image: &str, at: i64) -> Result<bool> {
        let sql = "SELECT 1 FROM toolchains WHERE zig_version = ?1 AND image = ?2";
        let mut statement = self.db.prepare_cached(sql)?;
        if statement.exists([zig_version, image])? {
            return Ok(false);
        }
        drop(statement);
        let sql = "INSERT INTO toolchains (zig_version, image, seen_at) VALUES (?1, ?2, ?3) \
            ON CONFLICT (zig_version) DO UPDATE SET image = ?2, seen_at = ?3";
        let db = self.write()?;
        db.prepare_cached(sql)?
            .execute(params![zig_version, image, at])?;
        // Where nothing is known yet there is nothing to look through.
        let sql = "UPDATE server SET sweep_after = 0 WHERE EXISTS (SELECT 1 FROM packages)";
        db.prepare_cached(sql)?.execute([])?;
        Ok(true)
    }

    /// Packages are still to be looked through.
    pub fn is_rebuilding(&self) -> Result<bool> {
        Ok(self.rebuild_after()?.is_some())
    }

    fn rebuild_after(&self) -> Result<Option<i64>> {
        let sql = "SELECT sweep_after FROM server";
        self.db.prepare_cached(sql)?.query_row([], |row| row.get(0))
    }

    /// Looks through the next `limit` packages for those that have no build, finished or to come,
    /// under one of those images; `toolchains` are versions with their images. Without any it does
    /// not move.
    pub fn packages_to_rebuild(
        &mut self,
        limit: usize,
        toolchains: &[(String, String)],
    ) -> Result<RebuildPage> {
        let mut swept = RebuildPage {
            packages: Vec::new(),
            done: true,
        };
        let Some(after) = self.rebuild_after()? else {
            return Ok(swept);
        };
        if toolchains.is_empty() {
            return Ok(swept);
        }
        let next: Vec<RecheckRow> = {
            let mut statement = self.db.prepare_cached(&format!("{KNOWN} {BEHIND}"))?;
            let rows = statement.query_map([after, limit as i64], recheck_row)?;
            rows.collect::<Result<_>>()?
        };
        swept.done = next.len() < limit;
        let last = next.last().map(|package| package.id);
        for package in next {
            let cells = self.cells(package.id, toolchains)?;
            let stale = cells.into_iter().filter(Cell::is_stale);
            let versions: Vec<String> = stale.map(|cell| cell.zig_version).collect();
            if !versions.is_empty() {
                swept.packages.push((package, versions));
            }
        }
        let sql = "UPDATE server SET sweep_after = ?1";
        let after = last.filter(|_| !swept.done);
        self.write()?.prepare_cached(sql)?.execute([after])?;
        Ok(swept)
    }

    /// How that package stands under each of those toolchains: versions with their images.
    pub fn cells(&self, package: i64, toolchains: &[(String, String)]) -> Result<Vec<Cell>> {
        let cell = |(version, image): &(String, String)| -> Result<Cell> {
            let of = params![package, version];
            let mut shown = self.db.prepare_cached(SHOWN)?;
            let shown: Option<Option<String>> = shown.query_row(of, |row| row.get(0)).optional()?;
            let newest = match shown {
                None => None,
                Some(_) => {
                    let mut newest = self.db.prepare_cached(NEWEST)?;
                    newest.query_row(of, newest_row).optional()?
                }
            };
            Ok(Cell {
                zig_version: version.clone(),
                image: image.clone(),
                newest,
                shown: shown.flatten(),
            })
        };
        toolchains.iter().map(cell).collect()
    }
}

fn newest_row(row: &Row) -> Result<Newest> {
    Ok(Newest {
        state: word(row, 0, State::parse)?,
        build_status: word(row, 1, BuildStatus::parse)?,
        toolchain: row.get(2)?,
        is_fetched: row.get(3)?,
    })
}
