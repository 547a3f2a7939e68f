//! Searches for a commit that works, with lists of commits and with builds.
//!
//! ```text
//!   the latest commit fails,        one of at most SEARCHES_LIMIT_PACKAGES         the list
//!   or a person asks ──> waiting ──────────────────────────────> listing ──────────────┐
//!                           ^                                       │ no list          v
//!                           │ another latest commit fails           │      ┌──────> trying ──> a build of one commit
//!                           │                                       v      │ it has    │
//!                           └────────────────────────────────── finished <─┘ ended     │
//!                                                                   ^                  │ nothing is left to try,
//!                                                                   └──────────────────┘ or TRIES_LIMIT builds
//! ```
//!
//! Each step is in the transaction of what it follows from, so that a restart finds a search with its build or its
//! task in the queue. `Searches::resume` only lists again what was being listed.

use std::collections::BTreeMap;

use crate::app::builds::limits::SEARCHES_LIMIT_PACKAGES;
use crate::app::builds::scheduler::Scheduler;
use crate::app::builds::services::Services;
use crate::app::domain::commit_list::CommitList;
use crate::app::domain::commit_search::{Known, SearchState, TryResult};
use crate::app::domain::ids::PackageId;
use crate::app::domain::limits::TRIES_LIMIT;
use crate::app::domain::repository::owner;
use crate::app::domain::task::{Entry, Priority, Task};
use crate::app::store::builds::{self, BuildRow};
use crate::app::store::checks::{self, NewCheck, TriedCommit};
use crate::app::store::commit_searches::{self, NewSearch, SearchRow};
use crate::app::store::packages::{self, RecheckRow};
use crate::app::store::results::{self, ResultRow};
use crate::app::store::{history, store};

/// All searches. They are rows; this is what moves them on.
pub struct Searches<'a> {
    pub scheduler: &'a mut Scheduler,
    pub services: &'a mut Services,
}

impl Searches<'_> {
    /// Goes on with the searches that an earlier run of the server left.
    pub fn resume(&mut self) -> store::Result<()> {
        for search in commit_searches::running(&self.services.store)? {
            if search.state == SearchState::Listing {
                self.push_list(&search)?;
            }
        }
        self.start()
    }

    /// Asks for a search for a commit of a package that works under that version, unless its latest commit does.
    /// `start` begins it.
    pub fn request(
        &mut self,
        package: PackageId,
        zig_version: &str,
        priority: Priority,
        tenant: &str,
    ) -> store::Result<()> {
        // A build under a version that is gone may still end.
        if !self.scheduler.rechecks.has_version(zig_version) {
            return Ok(());
        }
        let shown = self.shown(package, zig_version)?;
        let result = shown.as_ref().map(|row| TryResult::new(row.statuses()));
        if result == Some(TryResult::Works) {
            return Ok(());
        }
        let head = shown.and_then(|row| row.commit).unwrap_or_default();
        let Services {
            store, engine, now, ..
        } = &mut *self.services;
        let new = NewSearch {
            package,
            zig_version,
            priority,
            tenant,
            toolchain: engine.toolchain(zig_version).unwrap_or(""),
            head: &head,
        };
        commit_searches::request(store, &new, now.unix_ms)
    }

    /// The latest verdict of a package under that version.
    fn shown(&self, package: PackageId, zig_version: &str) -> store::Result<Option<ResultRow>> {
        let rows = results::of_package(&self.services.store, package)?;
        let mut rows = rows.into_iter();
        Ok(rows.find(|row| row.zig_version == zig_version))
    }

    /// Ends the searches of a package; a build of theirs that is under way goes on.
    pub fn cancel(&mut self, package: PackageId) -> store::Result<()> {
        let at = self.services.now.unix_ms;
        commit_searches::cancel(&mut self.services.store, package, at)?;
        self.start()
    }

    /// Begins searches that wait, as many as may be under way.
    pub fn start(&mut self) -> store::Result<()> {
        for priority in [Priority::Interactive, Priority::Search] {
            while let Some(package) = self.next_waiting(priority)? {
                let at = self.services.now.unix_ms;
                commit_searches::begin(&mut self.services.store, package, at)?;
                self.list(package)?;
            }
        }
        Ok(())
    }

    /// Has the commits of a package listed for the searches that wait for that.
    pub fn list(&mut self, package: PackageId) -> store::Result<()> {
        let searches = commit_searches::of_package(&self.services.store, package)?;
        let listing = searches
            .iter()
            .filter(|search| search.state == SearchState::Listing);
        match listing.min_by_key(|search| search.priority) {
            Some(first) => self.push_list(first),
            None => Ok(()),
        }
    }

    fn next_waiting(&self, priority: Priority) -> store::Result<Option<PackageId>> {
        let store = &self.services.store;
        commit_searches::next_waiting(store, priority, SEARCHES_LIMIT_PACKAGES)
    }

    fn push_list(&mut self, search: &SearchRow) -> store::Result<()> {
        let task = Task::ListCommits(search.package);
        if self.scheduler.has_task(task, &self.services.store)? {
            return Ok(());
        }
        let entry = Entry {
            task,
            priority: search.priority,
            tenant: search.tenant.clone(),
            popularity: packages::popularity(&self.services.store, Some(search.package))?,
        };
        self.scheduler.push(&entry, None, self.services)
    }

    /// The repository has listed its commits: the searches that waited for the list go on.
    pub fn on_commits(&mut self, package: PackageId, commits: &str) -> store::Result<()> {
        commit_searches::set_list(&mut self.services.store, package, commits)?;
        let list = CommitList::parse(commits).expect("the attempt has read it");
        for search in commit_searches::of_package(&self.services.store, package)? {
            if search.state == SearchState::Listing {
                self.set_place(&search, &list)?;
                self.advance(&search, &list)?;
            }
        }
        Ok(())
    }

    /// Notes where the latest commit is in the list.
    fn set_place(&mut self, search: &SearchRow, list: &CommitList) -> store::Result<()> {
        let mut commits = list.commits.iter();
        let Some(at) = commits.position(|commit| commit.hash == search.head) else {
            return Ok(());
        };
        let (position, tag) = (list.position(at), list.commits[at].tag.as_deref());
        let store = &mut self.services.store;
        history::set_place(store, search.package, &search.head, position, tag)
    }

    /// A build has ended: the search that asked for it goes on; a search begins where the latest commit does not work.
    pub fn on_build_end(&mut self, row: &BuildRow) -> store::Result<()> {
        let Some(package) = row.package_id else {
            return Ok(());
        };
        let search = commit_searches::by_cell(&self.services.store, package, &row.zig_version)?;
        match (row.is_try, search) {
            (true, Some(search)) if search.build_id == Some(row.id) => {
                self.on_try_end(row, &search)
            }
            (true, _) => Ok(()),
            (false, search) => self.on_latest_end(row, package, search),
        }
    }

    fn on_latest_end(
        &mut self,
        row: &BuildRow,
        package: PackageId,
        search: Option<SearchRow>,
    ) -> store::Result<()> {
        let is_searched = search.is_some_and(|search| {
            let is_same = Some(&search.head) == row.commit.as_ref()
                && Some(&search.toolchain) == row.toolchain.as_ref();
            search.state.is_open() || is_same
        });
        let fails = TryResult::new(row.statuses()) == TryResult::Fails && row.commit.is_some();
        match fails && !is_searched {
            true => self.search_by_itself(package, &row.zig_version),
            false => Ok(()),
        }
    }

    /// Begins a search that nobody asked for, if the settings allow it.
    fn search_by_itself(&mut self, package: PackageId, zig_version: &str) -> store::Result<()> {
        let row = packages::recheck(&self.services.store, package)?;
        let Some(row) = row.filter(|_| self.scheduler.searches) else {
            return Ok(());
        };
        self.request(package, zig_version, Priority::Search, &owner(&row.url))?;
        self.start()
    }

    fn on_try_end(&mut self, row: &BuildRow, search: &SearchRow) -> store::Result<()> {
        let store = &mut self.services.store;
        let check = checks::by_id(store, row.check)?;
        let tried = check.and_then(|check| check.reference);
        let result = TryResult::new(row.statuses());
        // A verdict on another commit says nothing of this one.
        let is_unclear = result == TryResult::Unclear || row.commit != tried;
        let unclear = tried.filter(|_| is_unclear);
        commit_searches::end_try(store, search, unclear.as_deref())?;
        let list = commit_searches::list(store, search.package)?;
        let list = list.and_then(|list| CommitList::parse(&list));
        let search = commit_searches::by_cell(store, search.package, &search.zig_version)?;
        match (search, list) {
            (Some(search), Some(list)) => self.advance(&search, &list),
            // Without its list it cannot go on.
            (Some(search), None) => self.end(&search),
            (None, _) => Ok(()),
        }
    }

    /// Asks for the next build of a search, or ends it.
    fn advance(&mut self, search: &SearchRow, list: &CommitList) -> store::Result<()> {
        let store = &self.services.store;
        let by_commit = commit_searches::results(store, search)?;
        let commits = list.commits.iter().enumerate();
        let results = commits.filter_map(|(at, commit)| Some((at, *by_commit.get(&commit.hash)?)));
        let results: BTreeMap<usize, TryResult> = results.collect();
        let hints = list.hints(&search.zig_version);
        let known = Known {
            commits: list.commits.len(),
            hints: &hints,
            results: &results,
        };
        let next = known.next_try().filter(|_| search.tried < TRIES_LIMIT);
        let package = packages::recheck(store, search.package)?;
        let (Some(next), Some(package)) = (next, package) else {
            return self.end(search);
        };
        let expected = search.tried + 1 + known.tries_to_answer() as u32;
        self.try_commit(search, &package, (list, next), expected.min(TRIES_LIMIT))
    }

    fn try_commit(
        &mut self,
        search: &SearchRow,
        package: &RecheckRow,
        (list, next): (&CommitList, usize),
        expected: u32,
    ) -> store::Result<()> {
        let (at, store) = (self.services.now.unix_ms, &mut self.services.store);
        let listed = &list.commits[next];
        let new = NewCheck {
            package_id: Some(package.id),
            package: &package.name,
            git: Some((&package.url, Some(&listed.hash))),
            dir: package.dir.as_deref(),
            fresh: false,
            priority: search.priority,
            tenant: &search.tenant,
        };
        let commit = TriedCommit {
            time: listed.time,
            position: list.position(next),
            tag: listed.tag.as_deref(),
        };
        let check = checks::insert(store, &new, at)?;
        checks::set_tried(store, check, &commit)?;
        let build = builds::insert(store, check, &search.zig_version, at)?;
        if let Some(source) = checks::source_of(store, package.id, &listed.hash)? {
            checks::set_source(store, check, &source, Some(&listed.hash), at)?;
        }
        commit_searches::set_try(store, search, build, expected)?;
        self.scheduler.add(check, self.services).map(|_| ())
    }

    /// Ends a search. One that began with another commit than the latest one begins again.
    fn end(&mut self, search: &SearchRow) -> store::Result<()> {
        let at = self.services.now.unix_ms;
        commit_searches::end(&mut self.services.store, search, SearchState::Finished, at)?;
        let latest = self.shown(search.package, &search.zig_version)?;
        let is_new = latest.is_some_and(|latest| {
            let fails = TryResult::new(latest.statuses()) == TryResult::Fails;
            fails && latest.commit.is_some_and(|commit| commit != search.head)
        });
        match is_new && !search.head.is_empty() {
            true => self.search_by_itself(search.package, &search.zig_version),
            false => self.start(),
        }
    }
}
