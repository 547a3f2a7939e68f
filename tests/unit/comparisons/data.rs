//! Packages with verdicts under three Zig versions.

use crate::common::core::START;
use crate::common::rows::{self, finish, in_memory, new};
use zigcheck::app::domain::ids::{CheckId, PackageId};
use zigcheck::app::domain::verdict::{BuildStatus, Reason, Verdict};
use zigcheck::app::store::store::Store;
use zigcheck::app::store::{builds, checks, packages};

pub const FIRST: &str = "0123456789abcdef0123456789abcdef01234567";
pub const SECOND: &str = "1123456789abcdef0123456789abcdef01234567";

pub fn works() -> Verdict {
    Verdict {
        build_status: BuildStatus::Success,
        reason: None,
        compiled: Some(2),
        ..Verdict::failed(Reason::Lost, "")
    }
}

pub fn unexercised() -> Verdict {
    Verdict {
        compiled: Some(0),
        ..works()
    }
}

pub fn fails(error: &str) -> Verdict {
    Verdict::failed(Reason::CompileError, error)
}

/// An error in the code of the package, and the same one in a dependency.
pub const OWN: &str = "src/a.zig:9:1: error: struct 'std' has no member named 'lang'";
pub const OF_ZUL: &str = "/work/cache/p/zul-0.1.0-EREREQwHAABDP6sG1r8YDTYeGCYvJY3_aKH573P1PIHF/src/z.zig:1:1: \
    error: struct 'std' has no member named 'lang'";

pub struct Data {
    pub store: Store,
    pub at: i64,
}

impl Data {
    pub fn new() -> Data {
        Data {
            store: in_memory(),
            at: START,
        }
    }

    /// A package that so many views made known.
    pub fn package(&mut self, name: &str, views: i64) -> PackageId {
        let id = packages::insert(&mut self.store, &new(name), self.at).unwrap();
        packages::add_views(&mut self.store, &[(id, views)]).unwrap();
        id
    }

    /// A check of that commit, with a build under each version.
    pub fn check(
        &mut self,
        package: PackageId,
        commit: &str,
        verdicts: &[(&str, Verdict)],
    ) -> CheckId {
        let verdicts = verdicts.iter();
        let verdicts = verdicts.map(|(version, verdict)| {
            let image = format!("sha256:{version}");
            (*version, image, verdict.clone())
        });
        self.check_in(package, commit, verdicts.collect())
    }

    /// A check of that commit, with a build under each version in that image.
    pub fn check_in(
        &mut self,
        package: PackageId,
        commit: &str,
        verdicts: Vec<(&str, String, Verdict)>,
    ) -> CheckId {
        self.at += 1_000;
        let (at, store) = (self.at, &mut self.store);
        let name = packages::by_id(store, package).unwrap().unwrap().name;
        let url = format!("https://github.com/x/{name}");
        let check = rows::check((Some(package), &name), Some((&url, None)));
        let check = rows::fetched(store, &check, commit, at);
        checks::set_commit_time(store, check, Some(at / 1_000)).unwrap();
        for (version, image, verdict) in &verdicts {
            let build = builds::insert(store, check, version, at).unwrap();
            builds::set_started(store, build, image, None, at).unwrap();
            finish(store, build, verdict, at);
        }
        check
    }

    /// A package that was tried at one commit, under 0.15.2 and 0.16.0.
    pub fn both(&mut self, name: &str, views: i64, older: Verdict, newer: Verdict) -> PackageId {
        let id = self.package(name, views);
        self.check(id, FIRST, &[("0.15.2", older), ("0.16.0", newer)]);
        id
    }
}

/// Packages of every outcome, two that were tried under one version alone, and one that got past an error.
pub fn some() -> Store {
    let mut data = Data::new();
    data.both("still", 0, works(), works());
    data.both("alive", 0, works(), works());
    data.both("few", 1, works(), fails(OWN));
    data.both("many", 9, works(), fails(OWN));
    data.both("user", 3, works(), fails(OF_ZUL));
    data.both("slow", 2, works(), Verdict::failed(Reason::Timeout, ""));
    data.both("fixed", 0, fails(OWN), works());
    data.both("hopeless", 0, fails("error: x"), fails("error: y"));
    data.both("empty", 0, works(), unexercised());
    data.both(
        "unlucky",
        0,
        works(),
        Verdict::error(Reason::MissingSystemLibrary, "needs xcb"),
    );
    let id = data.package("newcomer", 0);
    data.check(id, FIRST, &[("0.16.0", works())]);
    let id = data.package("veteran", 0);
    data.check(id, FIRST, &[("0.15.2", works())]);
    // Its first commit broke, its second one works.
    let id = data.package("log", 5);
    data.check(id, FIRST, &[("0.15.2", works()), ("0.16.0", fails(OWN))]);
    data.check(id, SECOND, &[("0.15.2", works()), ("0.16.0", works())]);
    data.store.commit().unwrap();
    data.store
}
