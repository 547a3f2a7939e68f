//! When packages are looked at again, what is built then, and how popular they are.

use crate::common::core::{Inside, START};
use crate::common::rows::{Place, finish, in_memory, new};
use crate::common::seed::Seed;
use std::collections::{BTreeMap, BTreeSet};
use zigcheck::app::domain::limits::VIEWS_LIMIT;
use zigcheck::app::domain::popularity::{USE_SCORE, Views, is_view};
use zigcheck::app::domain::recheck::{Cell, Newest, Outcome, next_check, outcome};
use zigcheck::app::domain::repository::owner;
use zigcheck::app::domain::repository::repository;
use zigcheck::app::domain::verdict::{BuildStatus, Reason, State, Verdict};
use zigcheck::app::store::packages::{NewPackage, recheck_statements};
use zigcheck::app::store::results::CELL_STATEMENTS;
use zigcheck::app::store::sources::SourceRow;
use zigcheck::app::store::store::Store;
use zigcheck::app::store::uses::{COUNT_USERS, USES};
use zigcheck::interface::message::Head;

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

fn success() -> Verdict {
    Verdict {
        build_status: BuildStatus::Success,
        reason: None,
        ..Verdict::failed(Reason::Lost, "")
    }
}

// -- when ------------------------------------------------------------------------------------------

#[test]
fn looks_are_spread_over_the_day() {
    // Also where ids do not begin at 1, or only every fourth is left.
    for (first, step) in [(1, 1), (700_000, 1), (3, 4), (1, 1_440)] {
        let mut hours = [0; 24];
        let mut minutes = BTreeMap::new();
        for id in (first..).step_by(step).take(10_000) {
            let at = next_check(id, START);
            hours[(at.rem_euclid(DAY) / HOUR) as usize] += 1;
            *minutes.entry(at.rem_euclid(DAY) / 60_000).or_insert(0) += 1;
        }
        // 10,000 / 24 = 417, 10,000 / 1,440 = 7.
        let even = hours.iter().all(|count| (380..=450).contains(count));
        assert!(even, "ids {first}, + {step}: {hours:?}");
        assert!(
            minutes.values().all(|count| *count <= 16),
            "ids {first}, + {step}"
        );
    }
}

#[test]
fn the_next_look_is_never_sooner_than_half_a_day_nor_later_than_one_and_a_half() {
    let mut chance = Seed(1);
    for _ in 0..10_000 {
        let id = chance.between(1, 1 << 40) as i64;
        let now = START + chance.below(3 * DAY as usize) as i64;
        let next = next_check(id, now);
        assert!((12 * HOUR..36 * HOUR).contains(&(next - now)), "{id} {now}");
        assert_eq!(next % 60_000, 0);
        // Each day at the same time, though a look may come late.
        let late = chance.below(11 * HOUR as usize) as i64;
        assert_eq!(next_check(id, next + late), next + DAY, "{id} {now}");
    }
}

#[test]
fn those_due_longest_come_first() {
    let mut store = in_memory();
    assert_eq!(store.next_check_due().unwrap(), None);
    assert_eq!(store.packages_due(i64::MAX, 9).unwrap(), []);
    let mut chance = Seed(2);
    let mut model: BTreeMap<i64, i64> = BTreeMap::new();
    for n in 0..50 {
        let package = store.insert_package(&new(&format!("p{n}")), START).unwrap();
        let at = next_check(package, START);
        model.insert(package, at);
    }
    for _ in 0..500 {
        let now = START + chance.below(2 * DAY as usize) as i64;
        let limit = chance.between(1, 20);
        let mut due: Vec<(i64, i64)> = model.iter().map(|(id, at)| (*at, *id)).collect();
        due.sort_unstable();
        assert_eq!(store.next_check_due().unwrap(), Some(due[0].0));
        due.retain(|(at, _)| *at <= now);
        due.truncate(limit);
        let found = store.packages_due(now, limit).unwrap();
        let ids: Vec<i64> = found.iter().map(|package| package.id).collect();
        assert_eq!(ids, due.iter().map(|(_, id)| *id).collect::<Vec<i64>>());
        let package = *chance.pick(&model.keys().copied().collect::<Vec<i64>>());
        // Few times, so that some are the same.
        let at = START + chance.below(20) as i64 * 2 * HOUR;
        store.set_next_check(package, at).unwrap();
        model.insert(package, at);
    }
    assert!(store.next_check_due().unwrap() < Some(START + DAY));
    store.check_all_now(START + DAY).unwrap();
    assert_eq!(store.next_check_due().unwrap(), Some(START + DAY));
}

#[test]
fn the_latest_known_commit_is_that_of_the_newest_check_with_one() {
    let mut store = in_memory();
    let whole = NewPackage {
        reference: Some("v1".to_string()),
        ..new("a")
    };
    let package = store.insert_package(&whole, 0).unwrap();
    let other = store.insert_package(&new("b"), 0).unwrap();
    let check = |store: &mut Store, package: i64, commit: Option<&str>| {
        let check = store
            .insert_check(&crate::common::rows::check((Some(package), "x"), None), 0)
            .unwrap();
        let source = SourceRow {
            hash: format!("h{check}"),
            format: "tar".to_string(),
            bytes: 1,
            dependencies: false,
            manifest: None,
        };
        if commit.is_some() {
            store.set_source(check, &source, commit, 0).unwrap();
        }
    };
    let known = |store: &Store| store.recheck_row(package).unwrap().unwrap().commit;
    assert_eq!(known(&store), None);
    check(&mut store, package, None);
    assert_eq!(known(&store), None);
    check(&mut store, package, Some("one"));
    check(&mut store, package, Some("two"));
    check(&mut store, package, None);
    check(&mut store, other, Some("three"));
    assert_eq!(known(&store).as_deref(), Some("two"));
    let row = &store.packages_due(i64::MAX, 2).unwrap();
    let row = row.iter().find(|row| row.id == package).unwrap();
    assert_eq!((row.name.as_str(), &row.url), ("a", &new("a").url));
    assert_eq!(row.reference.as_deref(), Some("v1"));
    assert_eq!(row.commit.as_deref(), Some("two"));
    assert_eq!(store.recheck_row(99).unwrap(), None);
}

// -- whose, and which ------------------------------------------------------------------------------

#[test]
fn every_package_has_its_owner() {
    for (url, expected) in [
        ("https://github.com/ziglang/zig", "github.com/ziglang"),
        ("https://GitHub.com/ZigLang/zig.git", "github.com/ziglang"),
        ("http://github.com/ziglang//zig/", "github.com/ziglang"),
        ("git://github.com/ziglang/zig", "github.com/ziglang"),
        ("https://gitlab.com/Group/sub/b.git", "gitlab.com/Group"),
        ("https://codeberg.org/ifreund/river", "codeberg.org/ifreund"),
        (
            "https://git.sr.ht/~kennylevinsen/seatd",
            "git.sr.ht/~kennylevinsen",
        ),
        ("https://git.example.org:8443/me/b", "git.example.org/me"),
        ("https://[2001:DB8::1]:8443/me/b", "[2001:db8::1]/me"),
        ("https://[2001:db8::1]/me/b", "[2001:db8::1]/me"),
        ("git://localhost:9418/b.git", "localhost/b"),
        ("http://127.0.0.1:3000/b", "127.0.0.1/b"),
    ] {
        assert_eq!(owner(url), expected, "{url}");
    }
}

#[test]
fn many_urls_lead_to_one_repository() {
    for (url, expected) in [
        // As manifests have them.
        (
            "https://github.com/wolfpld/tracy/archive/refs/tags/v0.11.1.tar.gz",
            "github.com/wolfpld/tracy",
        ),
        (
            "git+https://github.com/wolfpld/tracy#v0.11.1",
            "github.com/wolfpld/tracy",
        ),
        (
            "git+https://github.com/libopencm3/libopencm3#5e7dc5d092e52bbfbb8b5929e2097732e1b7f81c",
            "github.com/libopencm3/libopencm3",
        ),
        (
            "git+https://github.com/Hejsil/zig-clap.git?ref=0.10.0#e47028deaefc2fb396d3d9e9f7bd776ae0b2a43a",
            "github.com/hejsil/zig-clap",
        ),
        (
            "https://github.com/ziglibs/known-folders/archive/92defaee76b07487769ca352fd0ba95bc8b42a2f.tar.gz",
            "github.com/ziglibs/known-folders",
        ),
        (
            "https://github.com/ghostkellz/thanos/archive/main.tar.gz",
            "github.com/ghostkellz/thanos",
        ),
        (
            "https://github.com/orca-app/dawn/releases/download/release-8260be1/dawn-windows-x64.tar.gz",
            "github.com/orca-app/dawn",
        ),
        ("https://github.com/A/b/tarball/master", "github.com/a/b"),
        // What is taken away may leave more to be taken away.
        ("ssh://git@git.example/a/b.git.git", "git.example/a/b"),
        ("ssh://git@git.example:443/a/b", "git.example/a/b"),
        ("https://git.example/a/b/-.git", "git.example/a/b"),
        (
            "https://codeload.github.com/oven-sh/Bun/tar.gz/744846f8",
            "github.com/oven-sh/bun",
        ),
        (
            "https://api.github.com/repos/A/b/tarball/v1",
            "github.com/a/b",
        ),
        (
            "https://boringssl.googlesource.com/boringssl/+archive/0a1b.tar.gz",
            "boringssl.googlesource.com/boringssl",
        ),
        (
            "https://gitlab.com/evlaV/jupiter/-/archive/master/jupiter-master.tar.gz",
            "gitlab.com/evlaV/jupiter",
        ),
        (
            "https://gitlab.com/group/sub/deep/Proj/-/archive/v1.0/Proj-v1.0.zip?path=x",
            "gitlab.com/group/sub/deep/Proj",
        ),
        (
            "https://gitlab.com/me/proj/repository/archive.tar.gz?ref=master",
            "gitlab.com/me/proj",
        ),
        (
            "https://codeberg.org/ifreund/zig-wayland/archive/v0.2.0.tar.gz",
            "codeberg.org/ifreund/zig-wayland",
        ),
        (
            "git+https://codeberg.org/LGFae/awww",
            "codeberg.org/LGFae/awww",
        ),
        (
            "https://git.sr.ht/~sircmpwn/hare/archive/0.24.0.tar.gz",
            "git.sr.ht/~sircmpwn/hare",
        ),
        (
            "https://bitbucket.org/me/b/get/v1.tar.gz",
            "bitbucket.org/me/b",
        ),
        (
            "https://git.example.org/b.git/snapshot/b-1.2.tar.xz",
            "git.example.org/b",
        ),
        (
            "https://forge.example.org/a/b/releases/download/v1/b.tar.zst",
            "forge.example.org/a/b",
        ),
        // No repository's: it stays what it is.
        (
            "https://deps.files.ghostty.org/wayland-9cb3d7aa.tar.gz",
            "deps.files.ghostty.org/wayland-9cb3d7aa.tar.gz",
        ),
        (
            "https://pkg.machengine.org/mach-earcut/0a1b.tar.gz",
            "pkg.machengine.org/mach-earcut/0a1b.tar.gz",
        ),
        // As packages are submitted.
        ("https://github.com/A/b", "github.com/a/b"),
        ("https://github.com/A/b.git", "github.com/a/b"),
        ("HTTPS://GITHUB.COM/a/B.git/", "github.com/a/b"),
        ("https://github.com:443/a/b", "github.com/a/b"),
        ("git://git.example.org:9418/b.git", "git.example.org/b"),
        (
            "http://git.example.org:3000/A/b",
            "git.example.org:3000/A/b",
        ),
        (
            "https://git.example.org/a/archive/b",
            "git.example.org/a/archive/b",
        ),
        (
            "https://git.example.org/archive/b.zip",
            "git.example.org/archive/b.zip",
        ),
        // What must not be kept.
        ("git+ssh://git@github.com/A/b.git", "github.com/a/b"),
        (
            "https://me:secret@git.example.org/a/b?token=secret",
            "git.example.org/a/b",
        ),
    ] {
        let expected = format!("https://{expected}");
        assert_eq!(repository(url).as_deref(), Some(expected.as_str()), "{url}");
        assert_eq!(
            repository(&expected).as_deref(),
            Some(expected.as_str()),
            "{url}, twice"
        );
    }
    let long = format!("https://x.org/{}", "a".repeat(3_000));
    for url in [
        "",
        "../b",
        "file:///tmp/b",
        "b.tar.gz",
        "https://",
        "https://github.com",
        "https://x.org/",
        "https:///a/b",
        "https://me@/a/b",
        "https://x.org/.git",
        "git@github.com:a/b.git",
        "https://x.org/a b",
        "https://x.org/\u{fc}",
        "https://x.org/a\nb",
        long.as_str(),
    ] {
        assert_eq!(repository(url), None, "{url}");
    }
}

// -- what is built ---------------------------------------------------------------------------------

fn cell(newest: Option<(State, BuildStatus, Option<&str>, bool)>, shown: Option<&str>) -> Cell {
    let newest = newest.map(|(state, build_status, toolchain, is_fetched)| Newest {
        state,
        build_status,
        toolchain: toolchain.map(str::to_string),
        is_fetched,
    });
    Cell {
        zig_version: "1".to_string(),
        image: "now".to_string(),
        newest,
        shown: shown.map(str::to_string),
    }
}

#[test]
fn a_package_is_built_again_where_it_lacks_a_verdict() {
    use BuildStatus::{Error, Failed, Pending, Success};
    use State::{Building, Cancelled, Fetching, Finished, Queued};
    let (now, old) = (Some("now"), Some("old"));
    // The newest build, what is shown; in a sweep, at a look at a remote with nothing new.
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
            (cell.is_stale(), cell.lacks_verdict()),
            (stale, owed),
            "{cell:?}"
        );
    }
}

#[test]
fn what_a_look_at_a_remote_comes_to() {
    use BuildStatus::{Error, Pending, Success};
    let named = |version: &str, cell: Cell| Cell {
        zig_version: version.to_string(),
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

// -- toolchains ------------------------------------------------------------------------------------

fn images(of: &[(&str, &str)]) -> Vec<(String, String)> {
    let pair = |(version, image): &(&str, &str)| (version.to_string(), image.to_string());
    of.iter().map(pair).collect()
}

#[test]
fn an_image_is_news_once_and_a_first_start_sweeps_nothing() {
    let place = Place::on_disk("toolchains");
    let mut store = place.open();
    assert_eq!(store.toolchains().unwrap(), []);
    assert!(store.see_toolchain("1", "a", 5).unwrap());
    assert!(store.see_toolchain("2", "b", 5).unwrap());
    assert!(!store.is_rebuilding().unwrap(), "there is nothing to sweep");
    store.insert_package(&new("p"), 0).unwrap();
    let mut store = place.again(store);
    assert!(!store.see_toolchain("1", "a", 6).unwrap());
    assert!(!store.is_writing(), "no news is not worth a write");
    assert!(!store.is_rebuilding().unwrap());
    let seen = images(&[("1", "a"), ("2", "b")]);
    let swept = store.packages_to_rebuild(16, &seen).unwrap();
    assert!(swept.done && swept.packages.is_empty() && !store.is_writing());
    assert!(store.see_toolchain("2", "c", 7).unwrap());
    let mut store = place.again(store);
    let seen = images(&[("1", "a"), ("2", "c")]);
    assert_eq!(store.toolchains().unwrap(), seen);
    assert!(store.is_rebuilding().unwrap(), "over a restart");
    let swept = store.packages_to_rebuild(16, &[]).unwrap();
    assert!(swept.packages.is_empty() && store.is_rebuilding().unwrap());
    let swept = store.packages_to_rebuild(1, &seen).unwrap();
    assert!(!swept.done && store.is_rebuilding().unwrap());
    assert_eq!(swept.packages[0].0.name, "p");
    assert_eq!(swept.packages[0].1, ["1", "2"]);
    assert!(store.packages_to_rebuild(1, &seen).unwrap().done);
    assert!(!store.is_rebuilding().unwrap());
}

/// A build as the model knows it.
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
    /// Behind which package the sweep goes on.
    sweep: Option<i64>,
}

impl Life {
    fn add(&mut self, package: i64, versions: &[&'static str]) {
        let check = self
            .store
            .insert_check(&crate::common::rows::check((Some(package), "x"), None), 0);
        let check = check.unwrap();
        for version in versions {
            let id = self.store.insert_build(check, version, 0).unwrap();
            self.builds.push(Built {
                id,
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
                self.packages
                    .push(self.store.insert_package(&new(&name), 0).unwrap());
            }
            let package = *self.chance.pick(&self.packages);
            let versions = &SWEPT[self.chance.below(SWEPT.len())..];
            return self.add(package, versions);
        }
        if self.chance.once_in(12) {
            let version = *self.chance.pick(&SWEPT);
            let image = ["a", "b", "c"][self.chance.below(3)].to_string();
            let news = self.store.see_toolchain(version, &image, 0).unwrap();
            assert_eq!(news, self.images.get(version) != Some(&image));
            if news && !self.packages.is_empty() {
                self.sweep = Some(0);
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
                self.store.set_started(build.id, image, None, 0).unwrap();
            }
            (State::Building, _) => {
                let error = Verdict::error(Reason::Lost, "");
                let verdicts = [success(), Verdict::failed(Reason::CompileError, ""), error];
                finish(&mut self.store, build.id, self.chance.pick(&verdicts), 0);
                build.state = State::Finished;
                return;
            }
            _ => return,
        }
        self.store.set_state(build.id, build.state, 1).unwrap();
    }

    fn is_stale(&self, package: i64, version: &str) -> bool {
        let image = &self.images[version];
        let shown = self.store.results(package).unwrap();
        let shown = shown.iter().find(|row| row.zig_version == version);
        let shown = shown.and_then(|row| row.build_id);
        let of = |b: &&Built| b.package == package && b.version == version;
        let newest = self.builds.iter().filter(of).max_by_key(|b| b.id);
        let counts = |b: &&Built| match newest {
            // Its verdict will be the one that is shown.
            Some(newest) if !newest.state.is_final() => newest.id == b.id,
            newest => newest.is_some_and(|n| n.id == b.id) || shown == Some(b.id),
        };
        let mut counted = self.builds.iter().filter(counts);
        let is_there = |b: &Built| b.state == State::Queued || b.image.as_ref() == Some(image);
        !counted.any(is_there)
    }

    /// The next packages of the sweep, against what the model says of each.
    fn sweep(&mut self, limit: usize) -> bool {
        let known: Vec<(&str, &str)> = self.images.iter().map(|(v, i)| (*v, i.as_str())).collect();
        let known = images(&known);
        let after = self.sweep.unwrap_or(i64::MAX);
        let next = self.packages.iter().copied().filter(|id| *id > after);
        let next: Vec<i64> = next.take(limit).collect();
        let stale = next.iter().filter_map(|id| {
            let versions = self.images.keys().copied();
            let stale: Vec<&str> = versions.filter(|v| self.is_stale(*id, v)).collect();
            (!stale.is_empty()).then_some((*id, stale))
        });
        let expected: Vec<(i64, Vec<&str>)> = stale.collect();
        let swept = self.store.packages_to_rebuild(limit, &known).unwrap();
        let given = swept.packages.iter().map(|(package, versions)| {
            let versions = versions.iter().map(String::as_str);
            (package.id, versions.collect::<Vec<&str>>())
        });
        assert_eq!(given.collect::<Vec<_>>(), expected);
        assert_eq!(swept.done, next.len() < limit);
        self.sweep = self.sweep.and(next.last().copied()).filter(|_| !swept.done);
        assert_eq!(self.store.is_rebuilding().unwrap(), self.sweep.is_some());
        for (package, versions) in expected {
            let versions = SWEPT.iter().filter(|known| versions.contains(known));
            let versions: Vec<&str> = versions.copied().collect();
            self.add(package, &versions);
        }
        swept.done
    }
}

#[test]
fn a_sweep_finds_what_lacks_a_build_under_the_images_there_are() {
    let (mut given, mut whole) = (0, 0);
    for seed in 0..60 {
        let mut life = Life {
            store: in_memory(),
            chance: Seed(seed),
            images: BTreeMap::new(),
            packages: Vec::new(),
            builds: Vec::new(),
            sweep: None,
        };
        for at in 0..300 {
            life.step(at);
            if !life.images.is_empty() && life.chance.once_in(4) {
                let before = life.builds.len();
                let limit = life.chance.between(1, 4);
                life.sweep(limit);
                given += life.builds.len() - before;
            }
        }
        // Left alone, it comes to its end, and then nothing is stale.
        if life.sweep.is_some() {
            life.sweep = Some(0);
            assert!(life.store.see_toolchain("1", "last", 0).unwrap());
            life.images.insert("1", "last".to_string());
            while !life.sweep(3) {}
            for package in &life.packages {
                let mut stale = life.images.keys().filter(|v| life.is_stale(*package, v));
                assert_eq!(stale.next(), None);
            }
            whole += 1;
        }
    }
    assert!(given > 200 && whole > 10, "{given} {whole}");
}

// -- popularity ------------------------------------------------------------------------------------

/// Some ways to name one of few repositories.
fn some_url(chance: &mut Seed) -> (String, usize) {
    let n = chance.below(8);
    let url = match chance.below(5) {
        0 => format!("https://github.com/x/p{n}"),
        1 => format!("git+https://github.com/X/P{n}.git?ref=v1#0a1b"),
        2 => format!("https://github.com/x/p{n}/archive/refs/tags/v1.tar.gz"),
        3 => format!("https://codeload.github.com/x/p{n}/tar.gz/v1"),
        _ => format!("https://GitHub.com/x/p{n}.git"),
    };
    (url, n)
}

#[test]
fn popularity_is_who_uses_it_and_how_often_it_is_looked_at() {
    for seed in 0..100 {
        let mut chance = Seed(seed);
        let mut store = in_memory();
        // Of each package its row, which repository it is, what it uses, how often it was seen.
        let mut model: Vec<(i64, usize, BTreeSet<usize>, i64)> = Vec::new();
        for step in 0..80 {
            match chance.below(4) {
                _ if model.is_empty() => {}
                0 => {}
                1 | 2 => {
                    let urls: Vec<(String, usize)> = (0..chance.below(6))
                        .map(|_| some_url(&mut chance))
                        .collect();
                    let of = chance.below(model.len());
                    let mut named: Vec<String> = urls.iter().map(|u| u.0.clone()).collect();
                    named.push("../local".to_string());
                    store.set_uses(model[of].0, &named).unwrap();
                    model[of].2 = urls.iter().map(|u| u.1).collect();
                }
                _ => {
                    let of = chance.below(model.len());
                    let count = [1, 7, 600_000][chance.below(3)];
                    store.add_views(&[(model[of].0, count)]).unwrap();
                    model[of].3 = (model[of].3 + count).min(USE_SCORE - 1);
                }
            }
            if model.is_empty() || chance.once_in(6) {
                // Two packages may be of one repository, under URLs that differ.
                let (url, n) = some_url(&mut chance);
                let package = NewPackage {
                    url: format!("{url}?{step}"),
                    ..new(&format!("n{step}"))
                };
                let id = store.insert_package(&package, 0).unwrap();
                model.push((id, n, BTreeSet::new(), 0));
            }
            for (id, repository, _, seen) in &model {
                let users = model
                    .iter()
                    .filter(|other| other.0 != *id && other.2.contains(repository));
                let expected = users.count() as i64 * USE_SCORE + seen;
                let score = store.recheck_row(*id).unwrap().unwrap().popularity_score;
                assert_eq!(score, expected, "seed {seed}, step {step}");
            }
        }
    }
}

#[test]
fn uses_are_kept_in_one_form_and_the_same_ones_are_not_written_again() {
    let mut store = in_memory();
    let package = store.insert_package(&new("a"), 0).unwrap();
    let urls = |names: &[&str]| {
        names
            .iter()
            .map(|name| name.to_string())
            .collect::<Vec<_>>()
    };
    let first = urls(&[
        "https://x.org/b.git",
        "git+https://GitHub.com/A/b#1",
        "https://github.com/a/b",
    ]);
    store.set_uses(package, &first).unwrap();
    assert_eq!(
        store.uses(package).unwrap(),
        ["https://github.com/a/b", "https://x.org/b"]
    );
    store.commit().unwrap();
    store
        .set_uses(
            package,
            &urls(&["https://x.org/b", "https://github.com/A/b.git"]),
        )
        .unwrap();
    assert!(!store.is_writing());
    let many: Vec<String> = (0..5_000).map(|n| format!("https://x.org/{n}")).collect();
    store.set_uses(package, &many).unwrap();
    assert_eq!(store.uses(package).unwrap().len(), 256);
    store.set_uses(package, &[]).unwrap();
    assert_eq!(store.uses(package).unwrap().len(), 0);
}

#[test]
fn views_are_bounded_and_those_least_looked_at_make_room() {
    let mut views = Views::default();
    let last = VIEWS_LIMIT as i64;
    for package in 1..=last {
        for _ in 0..=(package % 3) {
            views.count(package);
        }
    }
    views.count(last + 1);
    let taken = views.take(10);
    let first: Vec<(i64, i64)> = [1, 2, 4, 5, 6, 7, 8, 9, 10, 11]
        .map(|p| (p, p % 3 + 1))
        .to_vec();
    assert_eq!(taken, first, "package 3 was seen once, and gone");
    let rest = views.take(usize::MAX);
    assert_eq!(rest.len(), VIEWS_LIMIT - 10);
    assert_eq!(rest.last(), Some(&(last + 1, 1)));
    assert_eq!(views.take(9), []);
}

#[test]
fn who_asks_whether_anything_is_new_does_not_look() {
    let head = |method: &str, headers: &[(&str, &str)]| Head {
        method: method.to_string(),
        headers: headers
            .iter()
            .map(|(n, v)| (n.to_string(), v.to_string()))
            .collect(),
        ..Head::default()
    };
    assert!(is_view(&head("GET", &[("accept", "*/*")])));
    assert!(!is_view(&head("HEAD", &[])));
    assert!(!is_view(&head("GET", &[("if-none-match", "\"x\"")])));
}

#[test]
fn looks_at_packages_are_written_with_what_is_written_anyway() {
    let place = Place::on_disk("views");
    let mut store = place.open();
    let package = store.insert_package(&new("a"), 0).unwrap();
    store.insert_package(&new("b"), 0).unwrap();
    store.commit().unwrap();
    let mut inside = Inside::open("views", store, 1);
    let other = place.open();
    let score = || {
        other
            .recheck_row(package)
            .unwrap()
            .unwrap()
            .popularity_score
    };
    for target in [
        "/packages/a",
        "/api/packages/a",
        "/api/packages",
        "/",
        "/packages/c",
    ] {
        inside.curl(target);
    }
    inside.request("HEAD", "/api/packages/a", &[], b"");
    inside.request("GET", "/api/packages/a", &[("if-none-match", "\"x\"")], b"");
    assert_eq!(score(), 0, "nothing was written");
    assert!(!inside.curl("/packages/a").contains("used by"));
    inside.submit("c");
    assert_eq!(score(), 3);
    let mut other = place.open();
    let c = other.package_id("c").unwrap().unwrap();
    other.set_uses(c, &[new("a").url]).unwrap();
    other.commit().unwrap();
    assert!(
        inside
            .curl("/packages/a")
            .contains("\nused by  1 package\n")
    );
    assert_eq!(
        inside.json("/api/packages/a")["popularity_score"],
        USE_SCORE + 3
    );
}

// -- the database ----------------------------------------------------------------------------------

#[test]
fn no_statement_of_these_goes_through_whole_tables() {
    let place = Place::on_disk("plans");
    drop(place.open());
    let db = rusqlite::Connection::open(place.path()).unwrap();
    let mut statements = recheck_statements();
    statements.extend(CELL_STATEMENTS.map(str::to_string));
    statements.extend([COUNT_USERS, USES].map(str::to_string));
    for sql in statements {
        let mut plan = db.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let steps = plan.raw_query().mapped(|row| row.get::<_, String>(3));
        let steps: Vec<String> = steps.map(Result::unwrap).collect();
        let whole = |step: &String| step.starts_with("SCAN") || step.contains("TEMP B-TREE");
        assert!(!steps.iter().any(whole), "{sql}: {steps:#?}");
        assert!(!steps.is_empty());
    }
}
