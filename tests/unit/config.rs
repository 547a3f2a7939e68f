//! Flags, their twins in the environment, their defaults, and what bad ones are answered.

use crate::common::settings::{MACHINE, settings, settings_on};
use std::path::PathBuf;
use zigcheck::config::flags::{Invocation, help, parse};
use zigcheck::config::proxies::Proxies;
use zigcheck::config::settings::{Hosts, Listen, LogLevel, Machine, Settings};
use zigcheck::config::token::Token;
use zigcheck::config::values::is_version;

const FLAGS: [&str; 17] = [
    "listen",
    "data",
    "docker",
    "zig-versions",
    "max-builds",
    "memory",
    "cpus",
    "build-timeout",
    "silence-timeout",
    "fetch-network",
    "allow-hosts",
    "trusted-proxies",
    "submit-rate",
    "upload-rate",
    "disk-floor",
    "admin-token-file",
    "log-level",
];

fn with_env(flags: &[&str], env: &[(&str, &str)]) -> Result<Settings, String> {
    let look = |name: &str| {
        let found = env.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| value.to_string())
    };
    match parse(flags.iter().map(|flag| flag.into()), &look, MACHINE)? {
        Invocation::Serve(settings) => Ok(*settings),
        other => panic!("{other:?} was asked for"),
    }
}

fn asked(flags: &[&str]) -> Result<Invocation, String> {
    parse(flags.iter().map(|flag| flag.into()), &|_| None, MACHINE)
}

#[test]
fn the_defaults_are_those_of_the_readme() {
    let hosts = ["github.com", "gitlab.com", "codeberg.org", "git.sr.ht"];
    let wanted = Settings {
        listen: Listen::Tcp("127.0.0.1:3000".parse().unwrap()),
        data: PathBuf::from("data"),
        docker: "docker".to_string(),
        zig_versions: settings(&[]).zig_versions,
        max_builds: 4,
        memory_bytes: 2 << 30,
        cpus: 2.0,
        build_timeout_ms: 1_200_000,
        silence_timeout_ms: 300_000,
        fetch_network: "bridge".to_string(),
        allow_hosts: Hosts::These(hosts.map(str::to_string).to_vec()),
        trusted_proxies: Proxies::default(),
        submit_rate: 120,
        upload_rate_bytes: 1 << 30,
        disk_floor_bytes: None,
        database_limit_bytes: 4 << 30,
        admin_token_file: None,
        admin_token: None,
        log_level: LogLevel(log::LevelFilter::Info),
    };
    assert_eq!(settings(&[]), wanted);
}

#[test]
fn a_flag_wins_over_its_twin_and_the_twin_over_the_default() {
    // Each flag with two values that can be told apart.
    let values = [
        ["unix:/a", "[::1]:80"],
        ["/a", "/b"],
        ["podman", "/usr/bin/docker"],
        ["0.1.0", "0.2.0"],
        ["1", "64"],
        ["6m", "1g"],
        ["0.5", "1"],
        ["1", "86400"],
        ["1", "86400"],
        ["a", "b"],
        ["*", "a.org,[::1]"],
        ["unix", "loopback,10.0.0.0/8"],
        ["0", "1000000"],
        ["0", "1"],
        ["0", "512m"],
        ["/a", "b/c d"],
        ["debug", "error"],
    ];
    let default = settings(&[]);
    for (flag, [one, other]) in FLAGS.into_iter().zip(values) {
        let twin = format!("ZIGCHECK_{}", flag.to_uppercase().replace('-', "_"));
        let given = format!("--{flag}={one}");
        let by_flag = settings(&[&given]);
        assert_eq!(settings(&[&format!("--{flag}"), one]), by_flag, "{flag}");
        let by_twin = with_env(&[], &[(&twin, one)]).unwrap();
        assert_eq!(by_twin, by_flag, "{twin}");
        let by_other = with_env(&[], &[(&twin, other)]).unwrap();
        assert!(by_other != by_flag && by_flag != default, "{flag}");
        assert_eq!(
            with_env(&[&given], &[(&twin, other)]).unwrap(),
            by_flag,
            "{flag}"
        );
        assert_eq!(
            with_env(&[], &[(&twin, "")]).unwrap(),
            default,
            "an empty {twin}"
        );
        let last = settings(&[&format!("--{flag}={other}"), &given]);
        assert_eq!(last, by_flag, "the last {flag} counts");
    }
}

#[test]
fn a_bad_value_names_the_flag_the_value_and_what_is_allowed() {
    let versions = "versions such as 0.16.0,0.15.2, each once";
    let listen = "ADDRESS:PORT or unix:PATH";
    for (flag, values, allowed) in [
        (
            "listen",
            &[
                "x",
                "localhost:80",
                "127.0.0.1",
                "1.2.3.4:99999",
                "unix:",
                "",
            ][..],
            listen,
        ),
        ("data", &[""], "not empty"),
        ("docker", &[""], "not empty"),
        ("fetch-network", &[""], "not empty"),
        ("admin-token-file", &[""], "not empty"),
        (
            "zig-versions",
            &["", "0.16.0,", "0.16.0,0.16.0", "a/b", "-x", "a b"],
            versions,
        ),
        (
            "max-builds",
            &["0", "-1", "65", "x", "1.5", ""],
            "a whole number from 1 to 64",
        ),
        (
            "memory",
            &["5m", "x", "2t", "-2g", "g", "1.5g", "", "99999999999g"],
            "a size such as 512m",
        ),
        (
            "disk-floor",
            &["x", "2t", "-2g", "g", "5%", "99999999999g"],
            "a size such as 512m or 2g, or 0",
        ),
        (
            "cpus",
            &["0", "-1", "x", "NaN", "inf", "2000", ""],
            "a number from 0.1 up",
        ),
        (
            "build-timeout",
            &["0", "-1", "x", "1.5", "86401", ""],
            "whole seconds from 1 to 86400",
        ),
        (
            "silence-timeout",
            &["0", "86401", "5m"],
            "whole seconds from 1 to 86400",
        ),
        (
            "allow-hosts",
            &["", "a,,b", "a b", "https://a", "a,*"],
            "host names without ports, with commas, or *",
        ),
        (
            "trusted-proxies",
            &["", "x", "10.0.0.1,", "10.0.0.0/33", "0.0.0.0/0"],
            "addresses and networks such as 192.0.2.7,10.0.0.0/8, loopback or unix",
        ),
        (
            "submit-rate",
            &["-1", "x", "1.5", "1000001", ""],
            "a whole number from 0 to 1000000",
        ),
        (
            "upload-rate",
            &["-1", "1g", "1000001"],
            "a whole number from 0 to 1000000",
        ),
        (
            "log-level",
            &["x", "", "7"],
            "one of error, warn, info, debug",
        ),
    ] {
        for value in values {
            let line = with_env(&[&format!("--{flag}={value}")], &[]).unwrap_err();
            let wanted = format!("--{flag} {value}: must be {allowed}");
            assert!(line.starts_with(&wanted), "{line}");
            assert_eq!(line.lines().count(), 1);
            let twin = format!("ZIGCHECK_{}", flag.to_uppercase().replace('-', "_"));
            if !value.is_empty() {
                assert_eq!(with_env(&[], &[(&twin, value)]), Err(line));
            }
        }
    }
}

#[test]
fn what_is_no_flag_is_said_so() {
    for (args, words) in [
        (&["--nothing"][..], "--nothing"),
        (&["--nothing=1"], "--nothing"),
        (&["--max-build", "1"], "--max-build"),
        (&["word"], "word"),
        (&["-x"], "-x"),
        (&["--memory"], "--memory"),
    ] {
        let line = asked(args).unwrap_err();
        assert!(line.contains(words), "{args:?}: {line}");
    }
    use std::os::unix::ffi::OsStringExt;
    let args = ["--data".into(), std::ffi::OsString::from_vec(vec![0xff])];
    let line = parse(args, &|_| None, MACHINE).unwrap_err();
    assert!(
        line.starts_with("--data: ") && line.ends_with("is not UTF-8"),
        "{line}"
    );
}

#[test]
fn help_and_version_are_asked_for_with_both_words() {
    for (flags, wanted) in [
        (["--help"], Invocation::Help),
        (["-h"], Invocation::Help),
        (["--version"], Invocation::Version),
        (["-V"], Invocation::Version),
    ] {
        assert_eq!(asked(&flags), Ok(wanted));
    }
    for flag in FLAGS {
        let shown = format!("\n  --{flag} VALUE ");
        assert_eq!(help().matches(&shown).count(), 1, "{flag}");
    }
    assert_eq!(
        help().matches(" VALUE ").count(),
        FLAGS.len(),
        "a flag is not tested here"
    );
    assert!(help().lines().all(|line| line.len() <= 110));
}

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
    // Who names a number is believed.
    assert_eq!(of(1, &["--max-builds=9"]), 9);
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
    let file = include_str!("../../images/versions");
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

#[test]
fn a_token_is_one_word_of_some_length() {
    let words = "must be one line with one word of at least 16 visible ASCII characters";
    for good in [
        "0123456789abcdef",
        "  ~!@#$%^&*()_+-=,.\r\n",
        &"x".repeat(4_096),
    ] {
        let token = Token::read(good).unwrap();
        assert!(token.is(good.trim()), "{good}");
        assert_eq!(format!("{token:?}"), "Token");
        let mut wrong = good.trim().to_string();
        assert!(!token.is(&format!("{wrong}x")) && !token.is(""));
        wrong.pop();
        assert!(!token.is(&wrong), "{wrong}");
    }
    let e = "\u{e9}".repeat(16);
    let long = "x".repeat(4_097);
    for bad in [
        "",
        "\n",
        "0123456789abcde\n",
        "0123456789 abcdef",
        "0123456789abcdef\n0123456789abcdef\n",
        "0123456789abcdef\0",
        "0123456789\tabcdef",
        &e,
        &long,
    ] {
        assert_eq!(Token::read(bad), Err(words.to_string()), "{bad:?}");
    }
    let of = |text: &str| Token::read(text).unwrap();
    assert_eq!(of("0123456789abcdef\n"), of("0123456789abcdef"));
    assert!(of("0123456789abcdef") != of("0123456789abcdeg"));
    let mut settings = settings(&[]);
    settings.admin_token = Some(of("0123456789abcdef"));
    assert!(!format!("{settings:?}").contains("0123"));
}

/// What the program says to a file of the token, and its exit code.
fn started_with(file: &std::path::Path) -> (String, Option<i32>) {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_zigcheck"))
        .args(["--data", "/dev/null/nowhere", "--admin-token-file"])
        .arg(file)
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(said.lines().count(), 1, "{said}");
    (said, output.status.code())
}

#[test]
fn the_file_of_the_token_is_read_before_anything_starts() {
    let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("token");
    std::fs::create_dir_all(&dir).unwrap();
    let file = dir.join("token");
    for (text, words) in [
        (&b"short\n"[..], "must be one line"),
        (
            b"one word\nand another, which is too much\n",
            "must be one line",
        ),
        (b"\xff0123456789abcdef", "must be one line"),
        (&[b'x'; 5_000], "must be one line"),
    ] {
        write_secret(&file, text);
        let (said, code) = started_with(&file);
        let wanted = format!("zigcheck: --admin-token-file {}: {words}", file.display());
        assert!(said.starts_with(&wanted), "{said}");
        assert_eq!(code, Some(2));
    }
    for (path, words) in [
        (dir.join("missing"), "No such file"),
        (dir.clone(), "Is a directory"),
        (PathBuf::from("/dev/zero"), "must not be open to others"),
    ] {
        let (said, code) = started_with(&path);
        let wanted = format!("zigcheck: --admin-token-file {}: ", path.display());
        assert!(said.starts_with(&wanted) && said.contains(words), "{said}");
        assert_eq!(code, Some(2));
    }
    // A good one is no hindrance: what is said is of what comes after it.
    write_secret(&file, b"0123456789abcdef\n");
    let (said, code) = started_with(&file);
    assert!(said.starts_with("zigcheck: --data "), "{said}");
    assert_eq!(code, Some(1));
}

/// A file that only its owner may read.
fn write_secret(file: &std::path::Path, text: &[u8]) {
    std::fs::write(file, text).unwrap();
    set_mode(file, 0o600);
}

fn set_mode(file: &std::path::Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_token_that_others_can_read_or_change_is_none() {
    let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("token-mode");
    std::fs::write(&file, "0123456789abcdef\n").unwrap();
    for mode in [0o644, 0o604, 0o602, 0o606, 0o620, 0o660, 0o666, 0o777] {
        set_mode(&file, mode);
        let (said, code) = started_with(&file);
        let wanted = format!(
            "zigcheck: --admin-token-file {}: must not be open to others, but its mode is {mode:03o}: \
             chmod 600 it, or 640 for its group to read it\n",
            file.display()
        );
        assert_eq!((said, code), (wanted, Some(2)));
    }
    for mode in [0o400, 0o440, 0o600, 0o640, 0o650, 0o711] {
        set_mode(&file, mode);
        let (said, code) = started_with(&file);
        assert!(said.starts_with("zigcheck: --data "), "{mode:o}: {said}");
        assert_eq!(code, Some(1));
    }
}

/// What a service is set to by hand, in its file of settings, is what `--help` shows; but for the
/// network of fetches, which an install makes.
#[test]
fn the_settings_of_the_service_are_all_flags_with_their_defaults() {
    let file = include_str!("../../systemd/zigcheck.env");
    let lines = file
        .lines()
        .filter_map(|line| line.strip_prefix("#ZIGCHECK_"));
    let set: Vec<(&str, &str)> = lines.map(|line| line.split_once('=').unwrap()).collect();
    let names: Vec<String> = set
        .iter()
        .map(|(name, _)| name.to_lowercase().replace('_', "-"))
        .collect();
    assert_eq!(names, FLAGS);
    let env: Vec<(String, &str)> = set
        .iter()
        // Two have no default, and that of the third hangs on the disk: the file shows what might be.
        .filter(|(name, _)| !["ADMIN_TOKEN_FILE", "TRUSTED_PROXIES", "DISK_FLOOR"].contains(name))
        .map(|(name, value)| (format!("ZIGCHECK_{name}"), *value))
        .collect();
    let env: Vec<(&str, &str)> = env.iter().map(|(name, value)| (&**name, *value)).collect();
    let data = PathBuf::from("/var/lib/zigcheck");
    assert_eq!(
        with_env(&[], &env).unwrap(),
        Settings {
            data,
            // The unit's own default.
            fetch_network: "zigcheck-fetch".to_string(),
            ..settings(&[])
        }
    );
}
