//! Databases to try things on.

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use zigcheck::app::domain::ids::{BuildId, CheckId, PackageId};
use zigcheck::app::domain::task::{Entry, Priority, Task};
use zigcheck::app::domain::verdict::{BuildStatus, Reason, TestStatus, Verdict};
use zigcheck::app::queue::queue::Queue;
use zigcheck::app::store::builds::{self, LogSize};
use zigcheck::app::store::checks::{self, NewCheck};
use zigcheck::app::store::list::{Paging, Sort};
use zigcheck::app::store::packages::NewPackage;
use zigcheck::app::store::sources::SourceRow;
use zigcheck::app::store::store::Store;

/// A database that lives as long as the value.
pub fn in_memory() -> Store {
    Store::from_connection(Connection::open_in_memory().unwrap()).unwrap()
}

/// Where a database lives: in memory, or in a file that is made anew.
pub struct Place(Option<PathBuf>);

impl Place {
    pub fn on_disk(name: &str) -> Place {
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join("store")
            .join(name);
        let _ = fs::remove_dir_all(&directory);
        fs::create_dir_all(&directory).unwrap();
        Place(Some(directory.join("zigcheck.db")))
    }

    pub fn path(&self) -> &Path {
        self.0.as_deref().unwrap()
    }

    pub fn open(&self) -> Store {
        match &self.0 {
            None => in_memory(),
            Some(path) => Store::open(path).unwrap(),
        }
    }

    /// The same database after its turn was committed; one in a file is closed and opened again.
    pub fn again(&self, mut store: Store) -> Store {
        store.commit().unwrap();
        match &self.0 {
            None => store,
            Some(path) => {
                drop(store);
                Store::open(path).unwrap()
            }
        }
    }
}

pub fn everywhere(name: &str, test: fn(&Place)) {
    test(&Place(None));
    test(&Place::on_disk(name));
}

/// A package of that name, and a URL of it.
pub fn new(name: &str) -> NewPackage {
    NewPackage {
        name: name.to_string(),
        url: format!("https://github.com/x/{name}"),
        ..NewPackage::default()
    }
}

/// A check that a person on this machine asked for.
pub fn check<'a>(
    (package_id, package): (Option<PackageId>, &'a str),
    git: Option<(&'a str, Option<&'a str>)>,
) -> NewCheck<'a> {
    NewCheck {
        package_id,
        package,
        git,
        dir: None,
        fresh: false,
        priority: Priority::Interactive,
        tenant: "",
    }
}

/// Adds a check that has fetched a source of its own, at that commit.
pub fn fetched(store: &mut Store, check: &NewCheck, commit: &str, at: i64) -> CheckId {
    let check = checks::insert(store, check, at).unwrap();
    let source = source(&format!("h{check}"));
    checks::set_source(store, check, &source, Some(commit), at).unwrap();
    check
}

/// A source that declares no dependencies.
pub fn source(hash: &str) -> SourceRow {
    SourceRow {
        hash: hash.to_string(),
        format: "tar.gz".to_string(),
        bytes: 9,
        dependencies: false,
        manifest: None,
    }
}

/// The verdict on a package that works.
pub fn works() -> Verdict {
    Verdict {
        build_status: BuildStatus::Success,
        test_status: Some(TestStatus::Success),
        reason: None,
        compiled: Some(3),
        ..Verdict::failed(Reason::CompileError, "")
    }
}

/// That build came to that verdict then, and left no log.
pub fn finish(store: &mut Store, build: BuildId, verdict: &Verdict, at: i64) {
    builds::finish(store, build, verdict, LogSize::default(), at).unwrap();
}

pub fn page(page: u64, limit: u64) -> Paging {
    Paging {
        page,
        limit,
        after: None,
    }
}

pub fn up(column: &'static str) -> Sort {
    let down = false;
    Sort { column, down }
}

/// That waits for a slot, since a person on this machine asked for it.
pub fn waits(store: &mut Store, task: Task) {
    let entry = Entry {
        task,
        priority: Priority::Interactive,
        tenant: String::new(),
        popularity: 0,
    };
    let mut queue = Queue::open(1, store, 0).unwrap();
    queue.push(store, &entry, None, 0).unwrap();
}
