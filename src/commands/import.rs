//! `zigcheck import`: takes over a database of the system before this one, while no server runs on the data.
//!
//! What is there wins: a repository that is known stays as it is, and so does a verdict. One that was cut off, and is
//! run again, takes the rest.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::fs;
use std::path::Path;

use crate::app::domain::git_url;
use crate::app::domain::ids::PackageId;
use crate::app::domain::limits::{
    AUTHOR_LIMIT_BYTES, DESCRIPTION_LIMIT_BYTES, LICENSE_LIMIT_BYTES, URL_LIMIT_BYTES,
};
use crate::app::domain::package_name::{self, is_name};
use crate::app::domain::repository::identity;
use crate::app::domain::verdict::{BuildStatus, TestStatus, truncate_error_log};
use crate::app::store::issues::{self, IssueKey, IssueRow};
use crate::app::store::old_system::{OldIssue, OldPackage, OldResult, OldSystem};
use crate::app::store::packages::{self, NewPackage, Past};
use crate::app::store::results::{self, PastVerdict};
use crate::app::store::store::{Result, Store};
use crate::commands::backup::named;
use crate::commands::database;
use crate::commands::restore::own_as;
use crate::commands::tally::Tally;
use crate::config::settings::Hosts;
use crate::config::values::is_version;
use crate::interface::event::Now;
use crate::shell::disk;

/// What became of the rows of each table.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Report {
    pub packages: Tally,
    pub results: Tally,
    pub issues: Tally,
}

impl Report {
    pub fn refused(&self) -> usize {
        self.packages.refused() + self.results.refused() + self.issues.refused()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "packages: {}", self.packages)?;
        write!(f, "results: {}", self.results)?;
        write!(f, "issues: {}", self.issues)
    }
}

/// Takes over the database `from`. An error of the file comes before anything was changed.
pub fn run(
    data: &Path,
    from: &Path,
    hosts: &Hosts,
    now: Now,
) -> std::result::Result<Report, String> {
    let of_file = |why: String| format!("{}: {why}", from.display());
    let old = OldSystem::open(from).map_err(of_file)?;
    fs::create_dir_all(data).map_err(named(data))?;
    let of_data = |why: String| format!("--data {}: {why}", data.display());
    let _lock = disk::lock(data).map_err(of_data)?;
    let opened = database::open(data);
    let store = opened.map_err(|error| of_data(format!("the database: {error}")))?;
    own_as(data, &data.join("zigcheck.db"))?;
    let mut import = Import {
        known_issues: issues::keys(&store).map_err(|error| of_data(error.to_string()))?,
        store,
        hosts,
        at: now.unix_ms,
        packages: HashMap::new(),
        report: Report::default(),
    };
    import
        .take_all(&old)
        .map_err(|error| format!("{} into {}: {error}", from.display(), data.display()))?;
    Ok(import.report)
}

struct Import<'a> {
    store: Store,
    hosts: &'a Hosts,
    at: i64,
    /// The packages of the other database that are here, by their ids there.
    packages: HashMap<i64, PackageId>,
    known_issues: HashSet<IssueKey>,
    report: Report,
}

impl Import<'_> {
    fn take_all(&mut self, old: &OldSystem) -> Result<()> {
        let packages = |after| old.packages(after);
        self.walk(packages, |row| row.id, Import::take_package)?;
        self.walk(
            |after| old.results(after),
            |row| row.id,
            Import::take_result,
        )?;
        self.walk(|after| old.issues(after), |row| row.id, Import::take_issue)
    }

    /// Takes all rows of one table, some in each transaction.
    fn walk<T>(
        &mut self,
        next: impl Fn(Option<i64>) -> Result<Vec<T>>,
        id: impl Fn(&T) -> i64,
        take: impl Fn(&mut Self, T) -> Result<()>,
    ) -> Result<()> {
        let mut after = None;
        loop {
            let some = next(after)?;
            let Some(last) = some.last() else {
                return Ok(());
            };
            after = Some(id(last));
            for row in some {
                take(self, row)?;
            }
            self.store.commit()?;
        }
    }

    fn take_package(&mut self, old: OldPackage) -> Result<()> {
        let new = match submitted(&old, self.hosts) {
            Ok(new) => new,
            Err(reason) => {
                self.report.packages.refuse(&old.name, &reason);
                return Ok(());
            }
        };
        let repository = identity(&new.url);
        let known = packages::with_repository(&self.store, &repository, &new.url)?;
        if let Some(known) = known {
            self.packages.insert(old.id, known.id);
            self.report.packages.known += 1;
            return Ok(());
        }
        if let Some(holder) = packages::with_name(&self.store, &new.name)? {
            let name = format!("{} ({}, here {})", new.name, new.url, holder.url);
            let reason = "another repository has the name";
            self.report.packages.refuse(&name, reason);
            return Ok(());
        }
        let created_at = old.created_at.unwrap_or(self.at);
        let past = Past {
            created_at,
            last_updated: old.last_updated.unwrap_or(created_at),
            views: old.popularity_score.max(0),
        };
        let id = packages::import(&mut self.store, &new, past, self.at)?;
        self.packages.insert(old.id, id);
        self.report.packages.taken += 1;
        Ok(())
    }

    fn take_result(&mut self, old: OldResult) -> Result<()> {
        let name = format!("row {} ({})", old.id, clip(&old.zig_version, 40));
        let tally = &mut self.report.results;
        let Some(package) = self.packages.get(&old.package) else {
            tally.refuse(&name, "its package is not here");
            return Ok(());
        };
        let verdict = match past_verdict(old) {
            Ok(Some(verdict)) => verdict,
            Ok(None) => {
                tally.empty += 1;
                return Ok(());
            }
            Err(reason) => {
                tally.refuse(&name, &reason);
                return Ok(());
            }
        };
        match results::import(&mut self.store, *package, &verdict)? {
            true => tally.taken += 1,
            false => tally.known += 1,
        }
        Ok(())
    }

    fn take_issue(&mut self, old: OldIssue) -> Result<()> {
        let name = format!("row {} ({})", old.id, clip(&old.url, URL_LIMIT_BYTES));
        let tally = &mut self.report.issues;
        let Some(package) = self.packages.get(&old.package) else {
            tally.refuse(&name, "its package is not here");
            return Ok(());
        };
        if !is_version(&old.zig_version) {
            tally.refuse(&name, "zig_version: no version");
            return Ok(());
        }
        let new = IssueRow {
            package: *package,
            zig_version: old.zig_version,
            url: some_text(&old.url, URL_LIMIT_BYTES),
            status: some_text(&old.status, STATUS_LIMIT_BYTES),
            auto_created: old.auto_created,
            resolved_at: old.resolved_at,
            created_at: old.created_at.unwrap_or(self.at),
        };
        match self.known_issues.insert(new.key()) {
            false => tally.known += 1,
            true => {
                issues::insert(&mut self.store, &new)?;
                tally.taken += 1;
            }
        }
        Ok(())
    }
}

/// The package as somebody would submit it today, or why nobody can.
fn submitted(old: &OldPackage, hosts: &Hosts) -> std::result::Result<NewPackage, String> {
    if !is_name(&old.name) {
        return Err(format!("name: must be {}", package_name::RULE));
    }
    if old.url.len() > URL_LIMIT_BYTES {
        return Err(format!("url: must be at most {URL_LIMIT_BYTES} bytes long"));
    }
    let git = git_url::parse(&old.url, None, hosts).map_err(|why| format!("url: {why}"))?;
    if git.reference.is_some() || git.dir.is_some() {
        return Err("url: is a page of a repository".to_string());
    }
    Ok(NewPackage {
        name: old.name.clone(),
        url: git.url,
        reference: None,
        dir: None,
        description: some_text(&old.description, DESCRIPTION_LIMIT_BYTES),
        author: some_text(&old.author, AUTHOR_LIMIT_BYTES),
        license: some_text(&old.license, LICENSE_LIMIT_BYTES),
    })
}

/// The verdict of a row; none if there was none yet. An error says why it cannot be taken.
fn past_verdict(old: OldResult) -> std::result::Result<Option<PastVerdict>, String> {
    if !is_version(&old.zig_version) {
        return Err("zig_version: no version".to_string());
    }
    let build_status = match BuildStatus::parse(&old.build_status) {
        Some(BuildStatus::Pending) => return Ok(None),
        Some(status) => status,
        None => return Err("build_status: an unknown word".to_string()),
    };
    let test_status = match old.test_status.as_str() {
        "" | "pending" => None,
        word => {
            let status = TestStatus::parse(word);
            Some(status.ok_or("test_status: an unknown word")?)
        }
    };
    Ok(Some(PastVerdict {
        zig_version: old.zig_version,
        build_status,
        test_status,
        error_log: truncate_error_log(&old.error_log),
        last_checked: old.last_checked,
    }))
}

/// Longest `issue_status` that is kept: a word.
const STATUS_LIMIT_BYTES: usize = 100;

/// The text, cut at the end of a character.
fn clip(text: &str, limit_bytes: usize) -> &str {
    &text[..text.floor_char_boundary(limit_bytes)]
}

fn some_text(text: &str, limit_bytes: usize) -> Option<String> {
    Some(clip(text, limit_bytes).to_string()).filter(|text| !text.is_empty())
}
