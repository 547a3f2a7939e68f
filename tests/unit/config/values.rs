//! Values that depend on the machine, and lists.

use super::read::*;
use crate::common::settings::{MACHINE, settings, settings_on};
use std::path::PathBuf;
use zigcheck::config::settings::{Hosts, Machine};
use zigcheck::config::values::is_version;

#[test]
fn memory_is_read_in_docker_s_units() {
    for (value, bytes) in [
        ("6291456", 6 << 20),
        ("6291456b", 6 << 20),
        ("8192k", 8 << 20),
        ("512m", 512 << 20),
        ("512M", 512 << 20),
        ("3g", 3 << 30),
        ("3G", 3 << 30),
    ] {
        let flag = format!("--memory={value}");
        assert_eq!(settings(&[&flag]).memory_bytes, bytes, "{value}");
    }
}

#[test]
fn a_container_has_no_more_cpus_than_the_machine() {
    for (cpus, value, wanted) in [
        (1, "2", 1.0),
        (2, "2", 2.0),
        (8, "2.5", 2.5),
        (8, "900", 8.0),
    ] {
        let machine = Machine { cpus, ..MACHINE };
        let flag = format!("--cpus={value}");
        assert_eq!(
            settings_on(machine, &[&flag]).unwrap().cpus,
            wanted,
            "{cpus}: {value}"
        );
    }
}

#[test]
fn the_default_of_slots_is_what_memory_holds_and_at_least_one() {
    let of = |gib: u64, flags: &[&str]| {
        let memory_bytes = gib << 30;
        let machine = Machine {
            memory_bytes,
            ..MACHINE
        };
        settings_on(machine, flags).unwrap().max_builds
    };
    assert_eq!(
        [0, 1, 2, 3, 4, 7, 8, 9, 64].map(|gib| of(gib, &[])),
        [1, 1, 1, 1, 2, 3, 4, 4, 4]
    );
    assert_eq!(of(4, &["--memory=1g"]), 4);
    // A number that is given is used.
    assert_eq!(of(1, &["--max-builds=9"]), 9);
    // In a cluster the memory for clients counts, and nodes have the slots.
    assert_eq!(
        [1, 64].map(|gib| of(gib, &["--launcher=slurm"])),
        [128, 1_024]
    );
}

#[test]
fn only_a_cluster_has_more_slots_than_one_machine() {
    let many = ["--max-builds=65"];
    let refused = settings_on(MACHINE, &many).unwrap_err();
    let expected = "--max-builds 65: must be at most 64 without --launcher slurm";
    assert_eq!(refused, expected);
    let ssh = ["--max-builds=65", "--launcher=ssh:host"];
    assert_eq!(settings_on(MACHINE, &ssh).unwrap_err(), expected);
    let slurm = ["--max-builds=65", "--launcher=slurm"];
    assert_eq!(settings_on(MACHINE, &slurm).unwrap().max_builds, 65);
}

#[test]
fn the_state_directory_is_where_data_is_kept_unless_said_otherwise() {
    let state = ("STATE_DIRECTORY", "/var/lib/z");
    let of = |flags: &[&str], env: &[(&str, &str)]| with_env(flags, env).unwrap().data;
    assert_eq!(of(&[], &[state]), PathBuf::from("/var/lib/z"));
    assert_eq!(
        of(&[], &[state, ("ZIGCHECK_DATA", "/x")]),
        PathBuf::from("/x")
    );
    assert_eq!(
        of(&["--data=/y"], &[state, ("ZIGCHECK_DATA", "/x")]),
        PathBuf::from("/y")
    );
    assert_eq!(of(&[], &[("STATE_DIRECTORY", "")]), PathBuf::from("data"));
}

#[test]
fn versions_come_from_the_images_newest_first() {
    let versions = settings(&[]).zig_versions;
    let number = |version: &String| -> Vec<u32> {
        version
            .split('.')
            .map(|part| part.parse().unwrap())
            .collect()
    };
    let numbers: Vec<Vec<u32>> = versions.iter().map(number).collect();
    assert!(numbers.is_sorted_by(|a, b| a > b), "{versions:?}");
    let file = include_str!("../../../images/versions");
    for version in &versions {
        assert!(
            is_version(version) && file.contains(&format!("\n{version} ")),
            "{version}"
        );
    }
    let lines = file
        .lines()
        .filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    assert_eq!((versions.len(), lines.count()), (4, 4));
    let named = settings(&["--zig-versions=0.2.0, 0.10.0-dev.3"]).zig_versions;
    assert_eq!(named, ["0.2.0", "0.10.0-dev.3"]);
}

#[test]
fn a_version_can_be_an_image_s_tag() {
    for good in ["0.16.0", "master", "0.17.0-dev.12_x", &"9".repeat(64)] {
        assert!(is_version(good), "{good}");
    }
    for bad in [
        "",
        ".1",
        "-1",
        "_1",
        "a/b",
        "a:b",
        "a b",
        "\u{e9}",
        "1\n",
        &"9".repeat(65),
    ] {
        assert!(!is_version(bad), "{bad}");
    }
}

#[test]
fn hosts_are_known_whatever_their_case() {
    let hosts = settings(&["--allow-hosts= GitHub.com , b.org"]).allow_hosts;
    assert!(hosts.allow("github.com") && hosts.allow("B.ORG"));
    assert!(!hosts.allow("github.com.b.org") && !hosts.allow("") && !hosts.allow("hub.com"));
    assert_eq!(settings(&["--allow-hosts=*"]).allow_hosts, Hosts::Any);
}
