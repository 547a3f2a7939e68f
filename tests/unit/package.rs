//! The Debian package says the version that the program says.

use zigcheck::commands::man::RELEASED;

#[test]
fn the_newest_entry_of_the_changelog_is_of_this_version_and_day() {
    let changelog = include_str!("../../systemd/package/changelog");
    let version = env!("CARGO_PKG_VERSION");
    let first = format!("zigcheck ({version}-1) ");
    assert!(changelog.starts_with(&first), "{changelog}");
    let signed = changelog.lines().find(|line| line.starts_with(" -- "));
    let (_, date) = signed
        .and_then(|line| line.split_once("  "))
        .expect("a day");
    // 2026-11-29 against Sun, 29 Nov 2026 12:00:00 +0000.
    let day = date.split(' ').nth(1).expect("a day");
    let year = date.split(' ').nth(3).expect("a year");
    assert!(
        RELEASED.starts_with(year) && RELEASED.ends_with(&format!("-{day:0>2}")),
        "{date}"
    );
}
