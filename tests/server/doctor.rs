//! `zigcheck doctor` beside a server and without one, with an engine that shows faults.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::common::server::{scratch, write_script};
use crate::common::settings::FETCH_NETWORK;
use crate::common::standin::{self, standin};

/// What the doctor says with those flags, and its exit code.
fn doctor(flags: &[&str], data: &Path) -> (Value, Option<i32>) {
    let output = Command::new(env!("CARGO_BIN_EXE_zigcheck"))
        .args([
            "doctor",
            "--json",
            "--zig-versions",
            "0.16.0,0.15.2",
            "--data",
        ])
        .arg(data)
        .args(flags)
        .env(FETCH_NETWORK.0, FETCH_NETWORK.1)
        .output()
        .expect("the binary is built");
    let errors = String::from_utf8_lossy(&output.stderr);
    let report = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{errors}"));
    (report, output.status.code())
}

/// The one finding of that check.
#[track_caller]
fn of<'r>(report: &'r Value, check: &str) -> &'r Value {
    let findings = report["findings"].as_array().expect("a list");
    let mut found = findings.iter().filter(|finding| finding["check"] == check);
    let finding = found
        .next()
        .unwrap_or_else(|| panic!("no {check}: {report}"));
    assert!(found.next().is_none(), "{check} twice: {report}");
    finding
}

#[track_caller]
fn status<'r>(report: &'r Value, check: &str) -> &'r str {
    of(report, check)["status"].as_str().expect("a word")
}

#[track_caller]
fn says(report: &Value, check: &str, level: &str, words: &str) {
    let finding = of(report, check);
    assert_eq!(finding["status"], level, "{finding}");
    let text = finding["text"].as_str().expect("a text");
    assert!(text.contains(words), "{finding}");
}

#[test]
fn a_server_at_work_and_what_it_needs_are_found_well() {
    let (server, dir) = standin::start("doctor-well", &[]);
    server.finished(standin::check(&server, "good"));
    let docker = dir.join("docker").display().to_string();
    let listen = server.url.trim_start_matches("http://").to_string();
    let flags = ["--docker", &docker, "--listen", &listen];
    let before = std::fs::read_to_string(dir.join("state.calls"))
        .expect("calls")
        .lines()
        .count();

    let (report, code) = doctor(
        &[&flags[..], &["--fetch-network", "zigcheck-fetch"]].concat(),
        &server.data,
    );
    for check in [
        "server",
        "engine",
        "image 0.16.0",
        "network",
        "files",
        "address",
        "proxy",
        "database",
    ] {
        assert_eq!(status(&report, check), "ok", "{report}");
    }
    for check in ["build 0.16.0", "build 0.15.2"] {
        says(&report, check, "ok", "a small package");
    }
    // There is none.
    says(&report, "backup", "warning", "there is none");
    assert_eq!(
        (report["status"].as_str(), code),
        (Some("warning"), Some(1))
    );
    let calls = std::fs::read_to_string(dir.join("state.calls")).expect("calls");
    let own: Vec<&str> = calls
        .lines()
        .skip(before)
        .filter(|call| call.contains("zigcheck-doctor-"))
        .collect();
    for nth in [1, 2] {
        let name = format!("-{nth}");
        let of_it = |word: &str| {
            own.iter()
                .any(|call| call.starts_with(word) && call.ends_with(&name))
        };
        assert!(of_it("run ") && of_it("rm "), "{own:?}");
    }

    // A proxy on this machine that nobody named; an open network.
    server.curl(&["-H", "X-Forwarded-For: 192.0.2.1"], "/api/health");
    let (report, _) = doctor(&[&flags[..], &["--quick"]].concat(), &server.data);
    assert_eq!(status(&report, "proxy"), "warning", "{report}");
    assert_eq!(status(&report, "network"), "warning", "{report}");
    assert!(!report.to_string().contains("build 0.16.0"), "{report}");

    // Without the server the database is examined as it was left, and nothing is added beside it.
    let data = server.data.clone();
    drop(server);
    let files = || {
        let entries = std::fs::read_dir(&data).expect("a directory");
        let mut names: Vec<_> = entries
            .map(|entry| entry.expect("an entry").file_name())
            .collect();
        names.sort();
        names
    };
    let before = files();
    let (report, code) = doctor(&[&flags[..], &["--quick"]].concat(), &data);
    assert_eq!(status(&report, "server"), "warning", "{report}");
    assert_eq!(status(&report, "database"), "ok", "{report}");
    assert_eq!((code, files()), (Some(1), before));
}

#[test]
fn faults_are_found_and_each_says_what_to_do() {
    let (dir, docker) = standin("doctor-faults");
    let data = scratch("doctor-faults-data");
    let _ = std::fs::remove_dir_all(&data);
    std::fs::create_dir_all(data.join("backups/zigcheck-20250101T000000Z")).expect("a directory");
    let listen = format!("unix:{}", data.join("none").display());
    let flags = ["--docker", &docker, "--listen", &listen];
    let examined = |more: &[&str]| {
        let (report, code) = doctor(&[&flags[..], more].concat(), &data);
        let findings = report["findings"].as_array().expect("a list").clone();
        for finding in &findings {
            let advice = finding["advice"].as_str().expect("a text");
            assert_eq!(advice.is_empty(), finding["status"] == "ok", "{finding}");
        }
        (report, code)
    };

    // An image is missing, another one does not work; the backup is old; there is no database yet.
    std::fs::write(
        dir.join("state.images"),
        "zigcheck:0.16.0 sha256:0.16.0 2020-01-01 10:00:00 +0000 UTC\n",
    )
    .expect("a file");
    let (report, code) = examined(&[]);
    assert_eq!(code, Some(2), "{report}");
    says(&report, "image 0.15.2", "fault", "no image");
    says(&report, "image 0.16.0", "warning", "days ago");
    says(&report, "backup", "warning", "hours old");
    says(&report, "database", "warning", "none");
    says(&report, "build 0.16.0", "ok", "");
    assert!(!report.to_string().contains("build 0.15.2"), "{report}");

    // An engine that may run nothing, one that is down, one that is not there.
    std::fs::write(dir.join("state.info"), "{\"ServerVersion\": \"1\"}").expect("a file");
    says(&examined(&["--quick"]).0, "engine", "fault", "no seccomp");
    std::fs::write(dir.join("state.down"), "").expect("a file");
    says(&examined(&[]).0, "engine", "fault", "Cannot connect");
    let nothing = [&flags[2..], &["--docker", "/no/such/docker"]].concat();
    says(
        &doctor(&nothing, &data).0,
        "engine",
        "fault",
        "cannot start",
    );

    // No disk is large enough for that floor; a database that is none.
    std::fs::write(data.join("zigcheck.db"), vec![7; 8192]).expect("a file");
    let (report, code) = examined(&["--disk-floor", "900000g"]);
    says(&report, "disk", "fault", "MiB are free");
    says(&report, "database", "fault", "not a database");
    assert_eq!(code, Some(2));
}

#[test]
fn an_engine_that_hangs_is_a_fault_and_no_hang() {
    let data = scratch("doctor-hang");
    std::fs::create_dir_all(&data).expect("a directory");
    let docker = data.join("docker");
    write_script(&docker, "#!/bin/sh\nexec sleep 100000\n");
    let listen = format!("unix:{}", data.join("none").display());
    let flags = [
        "--docker",
        docker.to_str().expect("a path"),
        "--listen",
        &listen,
    ];
    let (report, code) = doctor(&flags, &data);
    says(&report, "engine", "fault", "no answer within");
    assert_eq!(code, Some(2));
}

#[test]
fn the_report_for_people_has_a_line_for_each_check() {
    let (_, docker) = standin("doctor-people");
    let data = scratch("doctor-people-data");
    let output = Command::new(env!("CARGO_BIN_EXE_zigcheck"))
        .args([
            "doctor",
            "--quick",
            "--docker",
            &docker,
            "--zig-versions",
            "0.16.0",
        ])
        .args(["--listen", "unix:/no/such/socket", "--data"])
        .arg(&data)
        .env(FETCH_NETWORK.0, FETCH_NETWORK.1)
        .output()
        .expect("the binary is built");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("\nok       image 0.16.0   there\n"), "{text}");
    assert!(
        text.contains("\nwarning  database       there is none"),
        "{text}"
    );
    assert_eq!(output.status.code(), Some(1), "{text}");
    // It makes nothing.
    assert!(!data.exists());
}
