//! What is built after a recheck or under a new toolchain.

use super::times::*;
use crate::common::rows::{Place, finish, in_memory, new};
use crate::common::seed::Seed;
use std::collections::BTreeMap;
use zigcheck::app::domain::ids::{BuildId, PackageId};
use zigcheck::app::domain::recheck::{Cell, Newest, Outcome, Toolchain, outcome};
use zigcheck::app::domain::verdict::{BuildStatus, Reason, State, Verdict};
use zigcheck::app::store::builds;
use zigcheck::app::store::checks;
use zigcheck::app::store::packages;
use zigcheck::app::store::results;
use zigcheck::app::store::store::Store;
use zigcheck::app::store::toolchains;

fn toolchain(version: &str, image: &str) -> Toolchain {
    Toolchain {
        zig_version: version.to_string(),
        image: image.to_string(),
    }
}

fn cell(newest: Option<(State, BuildStatus, Option<&str>, bool)>, shown: Option<&str>) -> Cell {
    let newest = newest.map(|(state, build_status, toolchain, is_fetched)| Newest {
        state,
        build_status,
        toolchain: toolchain.map(str::to_string),
        fetches_remote: !is_fetched,
    });
    Cell {
        toolchain: toolchain("1", "now"),
        newest,
        shown: shown.map(str::to_string),
        shown_commit: shown.map(|_| "a".to_string()),
    }
}

#[test]
fn a_package_is_built_again_where_it_lacks_a_verdict() {
    use BuildStatus::{Error, Failed, Pending, Success};
    use State::{Building, Cancelled, Fetching, Finished, Queued};
    let (now, old) = (Some("now"), Some("old"));
    // The newest build, what is shown; in a rebuild, at a recheck of a remote without a new commit.
    for (newest, shown, stale, owed) in [
        (None, None, true, true),
        (Some((Finished, Success, now, true)), now, false, false),
        (Some((Finished, Failed, now, true)), now, false, false),
        (Some((Finished, Success, old, true)), old, true, true),
        (Some((Finished, Failed, old, true)), old, true, true),
        // The image from before is back: what is shown is of the one between.
        (Some((Finished, Success, old, true)), now, false, false),
        // An error of ours replaces no verdict.
        (Some((Finished, Error, now, true)), old, false, true),
        (Some((Finished, Error, now, true)), now, false, true),
        (Some((Finished, Error, old, true)), old, true, true),
        (Some((Finished, Error, None, false)), None, true, true),
        // The source was not to be had: now it is.
        (Some((Finished, Failed, None, false)), None, true, true),
        // What waits starts under the image there is then; what runs does not.
        (Some((Queued, Pending, None, false)), None, false, false),
        (Some((Queued, Pending, old, true)), old, false, false),
        (Some((Fetching, Pending, None, false)), old, false, false),
        (Some((Fetching, Pending, old, true)), old, true, true),
        (Some((Building, Pending, now, true)), old, false, false),
        (Some((Building, Pending, old, true)), old, true, true),
        // Somebody did not want it built; under another image it is tried again.
        (Some((Cancelled, Pending, None, false)), None, true, false),
        (Some((Cancelled, Pending, now, true)), old, false, false),
    ] {
        let cell = cell(newest, shown);
        assert_eq!(
            (cell.is_stale(), cell.lacks_verdict("a")),
            (stale, owed),
            "{cell:?}"
        );
        assert!(!cell.is_behind(Some("a")) && !cell.is_behind(None));
    }
}

#[test]
fn a_verdict_on_an_older_commit_than_the_latest_known_one_is_behind() {
    use BuildStatus::{Error, Failed, Pending, Success};
    use State::{Building, Cancelled, Finished, Queued};
    let (now, old) = (Some("now"), Some("old"));
    for (newest, shown, behind, owed) in [
        ((Finished, Success, now, true), now, true, true),
        ((Finished, Failed, now, true), now, true, true),
        // Under another image it is stale.
        ((Finished, Success, old, true), old, false, true),
        // It is tried again, whatever the commit.
        ((Finished, Error, now, true), now, false, true),
        // Its verdict may be on that commit.
        ((Queued, Pending, None, false), now, false, false),
        ((Building, Pending, now, true), now, false, false),
        // Somebody did not want it built.
        ((Cancelled, Pending, now, true), now, false, false),
        ((Cancelled, Pending, None, false), now, false, false),
    ] {
        let cell = cell(Some(newest), shown);
        let found = (cell.is_behind(Some("b")), cell.lacks_verdict("b"));
        assert_eq!(found, (behind, owed), "{cell:?}");
    }
}

#[test]
fn what_a_look_at_a_remote_comes_to() {
    use BuildStatus::{Error, Pending, Success};
    let named = |version: &str, cell: Cell| Cell {
        toolchain: toolchain(version, "now"),
        ..cell
    };
    let good = named(
        "1",
        cell(
            Some((State::Finished, Success, Some("now"), true)),
            Some("now"),
        ),
    );
    let error = named(
        "2",
        cell(Some((State::Finished, Error, Some("now"), true)), None),
    );
    let waits = named("3", cell(Some((State::Queued, Pending, None, true)), None));
    let comes = named(
        "4",
        cell(Some((State::Fetching, Pending, None, false)), None),
    );
    let all = [good.clone(), error, waits, comes.clone()];
    let words = |words: &[&str]| words.iter().map(|word| word.to_string()).collect();
    for (commit, known, cells, expected) in [
        ("a", Some("a"), &all[..], Outcome::Incomplete(words(&["2"]))),
        ("a", Some("a"), &all[..1], Outcome::Unchanged),
        // A check under other versions alone has found it.
        (
            "b",
            Some("b"),
            &all,
            Outcome::Incomplete(words(&["1", "2"])),
        ),
        (
            "b",
            Some("a"),
            &all,
            Outcome::NewCommit(words(&["1", "2", "3"])),
        ),
        ("b", None, &all, Outcome::NewCommit(words(&["1", "2", "3"]))),
        // It will be fetched anyway.
        ("b", Some("a"), &all[3..], Outcome::Unchanged),
        ("b", Some("a"), &[], Outcome::Unchanged),
    ] {
        assert_eq!(
            outcome(commit, known, cells),
            expected,
            "{commit:?} {known:?}"
        );
    }
}

fn images(of: &[(&str, &str)]) -> Vec<Toolchain> {
    let toolchains = of.iter();
    toolchains
        .map(|(version, image)| toolchain(version, image))
        .collect()
}

#[test]
fn an_image_is_news_once_and_a_first_start_sweeps_nothing() {
    let place = Place::on_disk("toolchains");
    let mut store = place.open();
    assert!(toolchains::insert(&mut store, &toolchain("1", "a"), 5).unwrap());
    assert!(toolchains::insert(&mut store, &toolchain("2", "b"), 5).unwrap());
    assert!(
        !toolchains::is_rebuilding(&store).unwrap(),
        "there is nothing to rebuild"
    );
    packages::insert(&mut store, &new("p"), 0).unwrap();
    let mut store = place.again(store);
    assert!(!toolchains::insert(&mut store, &toolchain("1", "a"), 6).unwrap());
    assert!(!store.is_writing(), "no news is not worth a write");
    assert!(!toolchains::is_rebuilding(&store).unwrap());
    let seen = images(&[("1", "a"), ("2", "b")]);
    let swept = toolchains::next_to_rebuild(&mut store, 16, &seen).unwrap();
    assert!(swept.done && swept.packages.is_empty() && !store.is_writing());
    assert!(toolchains::insert(&mut store, &toolchain("2", "c"), 7).unwrap());
    let mut store = place.again(store);
    let seen = images(&[("1", "a"), ("2", "c")]);
    assert!(!toolchains::insert(&mut store, &toolchain("2", "c"), 8).unwrap());
    assert!(toolchains::is_rebuilding(&store).unwrap(), "over a restart");
    let swept = toolchains::next_to_rebuild(&mut store, 16, &[]).unwrap();
    assert!(swept.packages.is_empty() && toolchains::is_rebuilding(&store).unwrap());
    let swept = toolchains::next_to_rebuild(&mut store, 1, &seen).unwrap();
    assert!(!swept.done && toolchains::is_rebuilding(&store).unwrap());
    assert_eq!(swept.packages[0].0.name, "p");
    assert_eq!(swept.packages[0].1, ["1", "2"]);
    assert!(
        toolchains::next_to_rebuild(&mut store, 1, &seen)
            .unwrap()
            .done
    );
    assert!(!toolchains::is_rebuilding(&store).unwrap());
}

#[derive(Debug, Clone)]
struct Built {
    id: i64,
    package: i64,
    version: &'static str,
    state: State,
    image: Option<String>,
}

const SWEPT: [&str; 3] = ["1", "2", "3"];

/// Packages with builds in every state under images that change, swept meanwhile.
struct Life {
    store: Store,
    chance: Seed,
    images: BTreeMap<&'static str, String>,
    packages: Vec<i64>,
    builds: Vec<Built>,
    /// The package behind which the rebuild goes on.
    rebuild: Option<i64>,
}

impl Life {
    fn add(&mut self, package: i64, versions: &[&'static str]) {
        let check = checks::insert(
            &mut self.store,
            &crate::common::rows::check((Some(PackageId(package)), "x"), None),
            0,
        );
        let check = check.unwrap();
        for version in versions {
            let id = builds::insert(&mut self.store, check, version, 0).unwrap();
            self.builds.push(Built {
                id: id.get(),
                package,
                version,
                state: State::Queued,
                image: None,
            });
        }
    }

    fn step(&mut self, at: usize) {
        if self.builds.is_empty() || self.chance.once_in(3) {
            if self.packages.is_empty() || self.chance.once_in(4) {
                let name = format!("p{at}");
                self.packages.push(
                    packages::insert(&mut self.store, &new(&name), 0)
                        .unwrap()
                        .get(),
                );
            }
            let package = *self.chance.pick(&self.packages);
            let versions = &SWEPT[self.chance.below(SWEPT.len())..];
            return self.add(package, versions);
        }
        if self.chance.once_in(12) {
            let version = *self.chance.pick(&SWEPT);
            let image = ["a", "b", "c"][self.chance.below(3)].to_string();
            let news = toolchains::insert(&mut self.store, &toolchain(version, &image), 0).unwrap();
            assert_eq!(news, self.images.get(version) != Some(&image));
            if news && !self.packages.is_empty() {
                self.rebuild = Some(0);
            }
            self.images.insert(version, image);
            return;
        }
        let index = self.chance.below(self.builds.len());
        self.move_on(index);
    }

    /// A build starts, ends or is cancelled.
    fn move_on(&mut self, index: usize) {
        let build = &mut self.builds[index];
        match (build.state, self.images.get(build.version)) {
            (State::Queued, _) if self.chance.once_in(6) => build.state = State::Cancelled,
            (State::Queued, Some(image)) => {
                build.state = State::Building;
                build.image = Some(image.clone());
                builds::set_started(&mut self.store, BuildId(build.id), image, None, 0).unwrap();
            }
            (State::Building, _) => {
                let error = Verdict::error(Reason::Lost, "");
                let verdicts = [success(), Verdict::failed(Reason::CompileError, ""), error];
                finish(
                    &mut self.store,
                    BuildId(build.id),
                    self.chance.pick(&verdicts),
                    0,
                );
                build.state = State::Finished;
                return;
            }
            _ => return,
        }
        builds::set_state(&mut self.store, BuildId(build.id), build.state, 1).unwrap();
    }

    fn is_stale(&self, package: i64, version: &str) -> bool {
        let image = &self.images[version];
        let shown = results::of_package(&self.store, PackageId(package)).unwrap();
        let shown = shown.iter().find(|row| row.zig_version == version);
        let shown = shown.and_then(|row| row.build_id);
        let of = |b: &&Built| b.package == package && b.version == version;
        let newest = self.builds.iter().filter(of).max_by_key(|b| b.id);
        let counts = |b: &&Built| match newest {
            // Its verdict will be the one that is shown.
            Some(newest) if !newest.state.is_final() => newest.id == b.id,
            newest => newest.is_some_and(|n| n.id == b.id) || shown == Some(BuildId(b.id)),
        };
        let mut counted = self.builds.iter().filter(counts);
        let is_there = |b: &Built| b.state == State::Queued || b.image.as_ref() == Some(image);
        !counted.any(is_there)
    }

    /// The next packages of the rebuild, against what the model says of each.
    fn rebuild(&mut self, limit: usize) -> bool {
        let known: Vec<(&str, &str)> = self.images.iter().map(|(v, i)| (*v, i.as_str())).collect();
        let known = images(&known);
        let after = self.rebuild.unwrap_or(i64::MAX);
        let next = self.packages.iter().copied().filter(|id| *id > after);
        let next: Vec<i64> = next.take(limit).collect();
        let stale = next.iter().filter_map(|id| {
            let versions = self.images.keys().copied();
            let stale: Vec<&str> = versions.filter(|v| self.is_stale(*id, v)).collect();
            (!stale.is_empty()).then_some((*id, stale))
        });
        let expected: Vec<(i64, Vec<&str>)> = stale.collect();
        let swept = toolchains::next_to_rebuild(&mut self.store, limit, &known).unwrap();
        let given = swept.packages.iter().map(|(package, versions)| {
            let versions = versions.iter().map(String::as_str);
            (package.id.get(), versions.collect::<Vec<&str>>())
        });
        assert_eq!(given.collect::<Vec<_>>(), expected);
        assert_eq!(swept.done, next.len() < limit);
        self.rebuild = self
            .rebuild
            .and(next.last().copied())
            .filter(|_| !swept.done);
        assert_eq!(
            toolchains::is_rebuilding(&self.store).unwrap(),
            self.rebuild.is_some()
        );
        for (package, versions) in expected {
            let versions = SWEPT.iter().filter(|known| versions.contains(known));
            let versions: Vec<&str> = versions.copied().collect();
            self.add(package, &versions);
        }
        swept.done
    }
}

#[test]
fn a_rebuild_finds_what_lacks_a_build_under_the_images_there_are() {
    let (mut given, mut whole) = (0, 0);
    for seed in 0..60 {
        let mut life = Life {
            store: in_memory(),
            chance: Seed(seed),
            images: BTreeMap::new(),
            packages: Vec::new(),
            builds: Vec::new(),
            rebuild: None,
        };
        for at in 0..300 {
            life.step(at);
            if !life.images.is_empty() && life.chance.once_in(4) {
                let before = life.builds.len();
                let limit = life.chance.between(1, 4);
                life.rebuild(limit);
                given += life.builds.len() - before;
            }
        }
        // Left alone, it comes to its end, and then nothing is stale.
        if life.rebuild.is_some() {
            life.rebuild = Some(0);
            assert!(toolchains::insert(&mut life.store, &toolchain("1", "last"), 0).unwrap());
            life.images.insert("1", "last".to_string());
            while !life.rebuild(3) {}
            for package in &life.packages {
                let mut stale = life.images.keys().filter(|v| life.is_stale(*package, v));
                assert_eq!(stale.next(), None);
            }
            whole += 1;
        }
    }
    assert!(given > 200 && whole > 10, "{given} {whole}");
}
