//! Flags, their environment variables, defaults and errors.

use super::read::*;
use crate::common::settings::{MACHINE, settings};
use std::path::PathBuf;
use zigcheck::config::commands::{COMMANDS, Invocation};
use zigcheck::config::flags::{help, parse};
use zigcheck::config::launcher::Launcher;
use zigcheck::config::proxies::Proxies;
use zigcheck::config::settings::{Hosts, Listen, LogLevel, Settings};

#[test]
fn the_defaults_are_those_of_the_readme() {
    let hosts = [
        "github.com",
        "gitlab.com",
        "codeberg.org",
        "git.sr.ht",
        "deps.files.ghostty.org",
        "pkg.hexops.org",
        "www.sqlite.org",
        "sqlite.org",
        "www.lua.org",
        "nossa.ee",
    ];
    let wanted = Settings {
        listen: Listen::Tcp("127.0.0.1:3000".parse().unwrap()),
        data: PathBuf::from("data"),
        docker: "docker".to_string(),
        launcher: Launcher::Local,
        zig_versions: settings(&[]).zig_versions,
        max_builds: 4,
        memory_bytes: 2 << 30,
        cpus: 2.0,
        build_timeout_ms: 1_200_000,
        silence_timeout_ms: 300_000,
        fetch_network: "zigcheck-fetch".to_string(),
        allow_hosts: Hosts::These(hosts.map(str::to_string).to_vec()),
        trusted_proxies: Proxies::default(),
        submit_rate: 120,
        upload_rate_bytes: 1 << 30,
        commit_search: true,
        targets: true,
        keep_caches: true,
        disk_floor_bytes: None,
        database_limit_bytes: 4 << 30,
        admin_socket: Some(PathBuf::from("data/admin.sock")),
        admin_token_file: None,
        admin_token: None,
        hook_secret_file: None,
        hook_secret: None,
        log_level: LogLevel(log::LevelFilter::Info),
    };
    assert_eq!(
        parse([], &|_| None, MACHINE),
        Ok(Invocation::Serve(Box::new(wanted)))
    );
}

#[test]
fn a_flag_wins_over_its_twin_and_the_twin_over_the_default() {
    // Each flag with two values that can be told apart.
    let values = [
        ["unix:/a", "[::1]:80"],
        ["/a", "/b"],
        ["podman", "/usr/bin/docker"],
        ["ssh:a", "ssh:b@c.example:22"],
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
        ["off", "on"],
        ["off", "on"],
        ["off", "on"],
        ["0", "512m"],
        ["off", "/a"],
        ["/a", "b/c d"],
        ["/a", "b/c d"],
        ["debug", "error"],
    ];
    let default = with_env(&[], &[]).unwrap();
    for (flag, [one, other]) in FLAGS.into_iter().zip(values) {
        let twin = format!("ZIGCHECK_{}", flag.to_uppercase().replace('-', "_"));
        let given = format!("--{flag}={one}");
        let by_flag = with_env(&[&given], &[]).unwrap();
        let apart = with_env(&[&format!("--{flag}"), one], &[]);
        assert_eq!(apart.unwrap(), by_flag, "{flag}");
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
        let last = with_env(&[&format!("--{flag}={other}"), &given], &[]);
        assert_eq!(last.unwrap(), by_flag, "the last {flag} counts");
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
            "admin-socket",
            &["", &"/a".repeat(54)],
            "off, or a path of at most 107 bytes",
        ),
        ("hook-secret-file", &[""], "not empty"),
        (
            "zig-versions",
            &["", "0.16.0,", "0.16.0,0.16.0", "a/b", "-x", "a b"],
            versions,
        ),
        (
            "max-builds",
            &["0", "-1", "1025", "x", "1.5", ""],
            "a whole number from 1 to 1024",
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
    for command in COMMANDS {
        let shown = format!("\n  {}\n    {}\n", command.usage(), command.meaning);
        assert!(help().contains(&shown), "{shown}");
    }
    assert!(help().contains("\n  backup DIRECTORY [--keep NUMBER] [--data VALUE]\n"));
    assert!(help().lines().all(|line| line.len() <= 180));
}

#[test]
fn backup_and_restore_take_one_directory() {
    let (data, to, from) = (
        PathBuf::from("/d"),
        PathBuf::from("/b"),
        PathBuf::from("/b/x"),
    );
    let kept = |keep| Invocation::Backup {
        data: data.clone(),
        to: to.clone(),
        keep,
    };
    assert_eq!(asked(&["backup", "/b", "--data=/d"]), Ok(kept(None)));
    assert_eq!(
        asked(&["--data", "/d", "backup", "--keep=7", "/b"]),
        Ok(kept(Some(7)))
    );
    let restore = Invocation::Restore {
        data: data.clone(),
        from,
    };
    assert_eq!(asked(&["restore", "/b/x", "--data", "/d"]), Ok(restore));
    let import = Invocation::Import {
        data,
        from: PathBuf::from("old.db"),
        hosts: Hosts::Any,
    };
    let words = ["import", "old.db", "--allow-hosts=*", "--data=/d"];
    assert_eq!(asked(&words), Ok(import));
    let urls = |server: &str| {
        Ok(Invocation::ImportUrls {
            list: PathBuf::from("list"),
            server: server.to_string(),
        })
    };
    assert_eq!(
        asked(&["import", "--urls", "list"]),
        urls("http://127.0.0.1:3000")
    );
    let words = ["import", "--server=unix:/a", "--urls", "list"];
    assert_eq!(asked(&words), urls("unix:/a"));
    for (words, why) in [
        (
            &["import", "a", "--urls", "b"][..],
            "import: takes one file or --urls: see --help",
        ),
        (
            &["import", "a", "--server", "b"],
            "--server: only with --urls: see --help",
        ),
        (&["import"], "import: takes one file: see --help"),
        (&["backup"], "backup: takes one directory: see --help"),
        (
            &["restore", "a", "b"],
            "restore: takes one directory: see --help",
        ),
        (
            &["restore", "a", "--keep", "1"],
            "--keep: only backup takes it: see --help",
        ),
        (&["--keep", "1"], "--keep: only backup takes it: see --help"),
        (
            &["backup", "a", "--keep", "0"],
            "--keep 0: must be a number from 1",
        ),
        (
            &["backup", "a", "--keep", "x"],
            "--keep x: must be a number from 1",
        ),
        (
            &["backup", "a", "--max-builds", "3"],
            "--max-builds: backup does not take it: see --help",
        ),
        (&["serve"], "unknown command \"serve\": see --help"),
    ] {
        assert_eq!(asked(words), Err(why.to_string()), "{words:?}");
    }
}

#[test]
fn doctor_takes_the_settings_of_a_server_and_no_word() {
    let flags = [
        "doctor",
        "--json",
        "--quick",
        "--backups=/b",
        "--memory",
        "1g",
    ];
    let doctor = |json, quick: bool, backups| Invocation::Doctor {
        settings: Box::new(with_env(&["--memory=1g"], &[]).unwrap()),
        backups,
        builds: !quick,
        json,
    };
    assert_eq!(
        asked(&flags),
        Ok(doctor(true, true, Some(PathBuf::from("/b"))))
    );
    assert_eq!(
        asked(&["doctor", "--memory=1g"]),
        Ok(doctor(false, false, None))
    );
    for (words, why) in [
        (&["doctor", "now"][..], "doctor: takes nothing: see --help"),
        (&["--json"], "--json: only doctor takes it: see --help"),
        (
            &["doctor", "--log-level=warn"],
            "--log-level: doctor does not take it: see --help",
        ),
    ] {
        assert_eq!(asked(words), Err(why.to_string()), "{words:?}");
    }
}

#[test]
fn the_admin_socket_is_in_the_runtime_directory_or_in_the_data() {
    let of = |flags: &[&str], env: &[(&str, &str)]| with_env(flags, env).unwrap().admin_socket;
    let path = |text: &str| Some(PathBuf::from(text));
    let runtime = ("RUNTIME_DIRECTORY", "/run/zigcheck");
    assert_eq!(of(&["--data=/d"], &[]), path("/d/admin.sock"));
    let in_state = of(&[], &[("STATE_DIRECTORY", "/var/lib/zigcheck")]);
    assert_eq!(in_state, path("/var/lib/zigcheck/admin.sock"));
    let in_runtime = of(&["--data=/d"], &[runtime]);
    assert_eq!(in_runtime, path("/run/zigcheck/admin.sock"));
    assert_eq!(of(&["--admin-socket=/s"], &[runtime]), path("/s"));
    assert_eq!(of(&["--admin-socket=off"], &[runtime]), None);
}

#[test]
fn an_admin_s_call_goes_to_the_socket_of_the_server_that_is_named() {
    let service = "/run/zigcheck/admin.sock";
    for (flags, wanted) in [
        (&[][..], &["data/admin.sock", service][..]),
        (&["--data=/d"], &["/d/admin.sock"]),
        (&["--admin-socket=/s"], &["/s"]),
        (&["--admin-socket=/s", "--listen=[::1]:80"], &["/s"]),
        // These name a server by its address, or a token that is meant to be used.
        (&["--listen=[::1]:80"], &[]),
        (&["--server=http://a"], &[]),
        (&["--token-file=/t"], &[]),
        (&["--admin-socket=off"], &[]),
    ] {
        let words = [&["admin", "status"], flags].concat();
        let Ok(Invocation::Admin { sockets, .. }) = asked(&words) else {
            panic!("{flags:?}");
        };
        let wanted: Vec<PathBuf> = wanted.iter().map(PathBuf::from).collect();
        assert_eq!(sockets, wanted, "{flags:?}");
    }
}
