//! When packages are rechecked, and which.

use super::times::*;
use crate::common::core::START;
use crate::common::rows::{in_memory, new};
use crate::common::seed::Seed;
use std::collections::BTreeMap;
use zigcheck::app::domain::ids::PackageId;
use zigcheck::app::domain::recheck::next_check;
use zigcheck::app::domain::repository::owner;
use zigcheck::app::domain::repository::repository;
use zigcheck::app::store::checks;
use zigcheck::app::store::packages::{self, NewPackage};
use zigcheck::app::store::store::Store;

#[test]
fn looks_are_spread_over_the_day() {
    // Also where ids do not begin at 1, or only every fourth is left.
    for (first, step) in [(1, 1), (700_000, 1), (3, 4), (1, 1_440)] {
        let mut hours = [0; 24];
        let mut minutes = BTreeMap::new();
        for id in (first..).step_by(step).take(10_000) {
            let at = next_check(PackageId(id), START);
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
        let next = next_check(PackageId(id), now);
        assert!((12 * HOUR..36 * HOUR).contains(&(next - now)), "{id} {now}");
        assert_eq!(next % 60_000, 0);
        // Each day at the same time, though a look may come late.
        let late = chance.below(11 * HOUR as usize) as i64;
        assert_eq!(
            next_check(PackageId(id), next + late),
            next + DAY,
            "{id} {now}"
        );
    }
}

#[test]
fn those_due_longest_come_first() {
    let mut store = in_memory();
    assert_eq!(packages::next_check_due(&store).unwrap(), None);
    assert_eq!(packages::due(&store, i64::MAX, 9).unwrap(), []);
    let mut chance = Seed(2);
    let mut model: BTreeMap<i64, i64> = BTreeMap::new();
    for n in 0..50 {
        let package = packages::insert(&mut store, &new(&format!("p{n}")), START).unwrap();
        let at = next_check(package, START);
        model.insert(package.get(), at);
    }
    for _ in 0..500 {
        let now = START + chance.below(2 * DAY as usize) as i64;
        let limit = chance.between(1, 20);
        let mut due: Vec<(i64, i64)> = model.iter().map(|(id, at)| (*at, *id)).collect();
        due.sort_unstable();
        assert_eq!(packages::next_check_due(&store).unwrap(), Some(due[0].0));
        due.retain(|(at, _)| *at <= now);
        due.truncate(limit);
        let found = packages::due(&store, now, limit).unwrap();
        let ids: Vec<i64> = found.iter().map(|package| package.id.get()).collect();
        assert_eq!(ids, due.iter().map(|(_, id)| *id).collect::<Vec<i64>>());
        let package = *chance.pick(&model.keys().copied().collect::<Vec<i64>>());
        // Few times, so that some are the same.
        let at = START + chance.below(20) as i64 * 2 * HOUR;
        packages::set_next_check(&mut store, PackageId(package), at).unwrap();
        model.insert(package, at);
    }
    assert!(packages::next_check_due(&store).unwrap() < Some(START + DAY));
    packages::request_rechecks(&mut store).unwrap();
    while packages::make_some_due(&mut store, START + DAY, 7).unwrap() {}
    assert_eq!(packages::next_check_due(&store).unwrap(), Some(START + DAY));
}

#[test]
fn the_latest_known_commit_is_that_of_the_newest_check_with_one() {
    let mut store = in_memory();
    let whole = NewPackage {
        reference: Some("v1".to_string()),
        ..new("a")
    };
    let package = packages::insert(&mut store, &whole, 0).unwrap();
    let other = packages::insert(&mut store, &new("b"), 0).unwrap();
    let check = |store: &mut Store, package: i64, commit: Option<&str>| {
        let check = checks::insert(
            store,
            &crate::common::rows::check((Some(PackageId(package)), "x"), None),
            0,
        )
        .unwrap();
        let source = crate::common::rows::source(&format!("h{check}"));
        if commit.is_some() {
            checks::set_source(store, check, &source, commit, 0).unwrap();
        }
    };
    let known = |store: &Store| packages::recheck(store, package).unwrap().unwrap().commit;
    assert_eq!(known(&store), None);
    check(&mut store, package.get(), None);
    assert_eq!(known(&store), None);
    check(&mut store, package.get(), Some("one"));
    check(&mut store, package.get(), Some("two"));
    check(&mut store, package.get(), None);
    check(&mut store, other.get(), Some("three"));
    assert_eq!(known(&store).as_deref(), Some("two"));
    let row = &packages::due(&store, i64::MAX, 2).unwrap();
    let row = row.iter().find(|row| row.id == package).unwrap();
    assert_eq!((row.name.as_str(), &row.url), ("a", &new("a").url));
    assert_eq!(row.reference.as_deref(), Some("v1"));
    assert_eq!(row.commit.as_deref(), Some("two"));
    assert_eq!(packages::recheck(&store, PackageId(99)).unwrap(), None);
}

#[test]
fn every_package_has_its_owner() {
    for (url, expected) in [
        ("https://github.com/ziglang/zig", "github.com/ziglang"),
        ("https://GitHub.com/ZigLang/zig.git", "github.com/ziglang"),
        ("http://github.com/ziglang//zig/", "github.com/ziglang"),
        ("git://github.com/ziglang/zig", "github.com/ziglang"),
        ("https://gitlab.com/Group/sub/b.git", "gitlab.com/group"),
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
        // The whole name of a host ends with a dot.
        ("https://GitHub.com.:443/a/b", "github.com/a/b"),
        ("https://www.codeberg.org./a/b.git", "codeberg.org/a/b"),
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
            "gitlab.com/evlav/jupiter",
        ),
        (
            "https://gitlab.com/group/sub/deep/Proj/-/archive/v1.0/Proj-v1.0.zip?path=x",
            "gitlab.com/group/sub/deep/proj",
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
            "codeberg.org/lgfae/awww",
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
        ("https://www.GitHub.com/a/b", "github.com/a/b"),
        ("https://www.git.example.org/A/b", "git.example.org/A/b"),
        ("http://Codeberg.org:80/A/B.git", "codeberg.org/a/b"),
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
