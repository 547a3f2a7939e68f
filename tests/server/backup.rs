//! `zigcheck backup` beside a server at work, and `zigcheck restore` on what it made.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;

use crate::common::server::{Server, archive, refused, scratch};
use crate::common::standin::{self, standin};

/// The program with those words, on that data directory.
fn zigcheck(words: &[&str], data: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_zigcheck"));
    command.args(words).arg("--data").arg(data);
    command.output().expect("the binary is built")
}

#[track_caller]
fn done(output: &Output) -> String {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    String::from_utf8_lossy(&output.stdout)
        .trim_end()
        .to_string()
}

/// An empty directory, and the backup that `backup` has made in it.
fn directory(name: &str) -> PathBuf {
    let dir = scratch(name);
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).expect("a directory");
    dir
}

fn backups(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).expect("a directory");
    let mut found: Vec<PathBuf> = entries
        .map(|entry| entry.expect("an entry").path())
        .collect();
    found.sort();
    found
}

/// What a server says of each of its builds that has ended: the build, its check, and its log.
fn answers(server: &Server, builds: &[i64]) -> Vec<(Value, String)> {
    let answer = |id: &i64| {
        let build = server.get(&format!("/api/builds/{id}"));
        assert_eq!(build["state"], "finished", "{build}");
        let log = server.curl(&[], &format!("/api/builds/{id}/log"));
        assert_eq!(log.status, 200, "{}", log.body);
        (build, log.body)
    };
    builds.iter().map(answer).collect()
}

fn ended(server: &Server) -> Vec<i64> {
    let mut ids = Vec::new();
    for page in 1.. {
        let list = server.get(&format!(
            "/api/builds?uploads&state=finished&sort=id&limit=100&page={page}"
        ));
        let builds = list["builds"].as_array().expect("a list");
        ids.extend(
            builds
                .iter()
                .map(|build| build["id"].as_i64().expect("an id")),
        );
        if builds.len() < 100 {
            break;
        }
    }
    ids
}

#[test]
fn what_was_backed_up_under_load_is_answered_the_same_after_its_restore() {
    let (server, _) = standin::start("backup-load", &["--max-builds", "4", "--submit-rate", "0"]);
    let to = directory("backups-load");
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let submitter = scope.spawn(|| {
            let mut count = 0;
            while count < 20 || (count < 100 && !is_over.load(Ordering::Relaxed)) {
                let tree = archive(
                    &format!("backup-tree-{}", count % 4),
                    &[("build.zig", &count.to_string())],
                );
                server.upload(&tree, &format!("name=good{count}"));
                count += 1;
            }
            count
        });
        server.wait_for("/api/builds?uploads&state=finished", |list| {
            list["total"].as_i64().is_some_and(|total| total >= 10)
        });
        for _ in 0..3 {
            done(&zigcheck(
                &["backup", to.to_str().expect("a path")],
                &server.data,
            ));
            // A name has a second.
            std::thread::sleep(std::time::Duration::from_millis(1_100));
        }
        is_over.store(true, Ordering::Relaxed);
        assert!(submitter.join().expect("it ends") >= 20);
    });

    let made = backups(&to);
    assert_eq!(made.len(), 3, "{made:?}");
    let mut known = 0;
    for backup in &made {
        let sums = Command::new("sha256sum")
            .args(["--check", "--quiet", "--strict", "SHA256SUMS"])
            .current_dir(backup)
            .status();
        assert!(sums.expect("coreutils").success());
        let data = directory("backup-restored").join("data");
        let said = done(&zigcheck(
            &["restore", backup.to_str().expect("a path")],
            &data,
        ));
        assert!(!said.contains("what was there"), "{said}");
        // Nothing is built there: its engine answers nothing.
        let restored = Server::restart(
            data,
            &["--docker", "/bin/false", "--zig-versions", "0.16.0"],
        );
        let builds = ended(&restored);
        assert!(builds.len() >= 10 && builds.len() >= known, "{builds:?}");
        known = builds.len();
        assert_eq!(answers(&restored, &builds), answers(&server, &builds));
    }
}

#[test]
fn what_a_restored_server_had_under_way_is_built_again() {
    let (server, dir) = standin::start("backup-way", &[]);
    let tree = standin::tree();
    let check = server.upload(&tree, "name=slowly");
    let build = server.get(&format!("/api/checks/{check}"))["builds"][0]["id"]
        .as_i64()
        .expect("an id");
    standin::has_its_source(&dir, build);
    let to = directory("backups-way");
    done(&zigcheck(
        &["backup", to.to_str().expect("a path")],
        &server.data,
    ));
    drop(server);

    let data = directory("backup-way-restored").join("data");
    done(&zigcheck(
        &["restore", backups(&to)[0].to_str().expect("a path")],
        &data,
    ));
    let (other, docker) = standin("backup-way-other");
    standin::let_go(&other);
    let restored = Server::restart(data, &["--docker", &docker, "--zig-versions", "0.16.0"]);
    let builds = restored.finished(check);
    assert_eq!(builds[0]["build_status"], "success", "{builds:?}");
}

#[test]
fn a_backup_that_is_not_whole_replaces_nothing() {
    let (server, _) = standin::start("backup-damage", &[]);
    let check = server.upload(&standin::tree(), "name=good");
    server.finished(check);
    let to = directory("backups-damage");
    done(&zigcheck(
        &["backup", to.to_str().expect("a path")],
        &server.data,
    ));
    let backup = backups(&to).remove(0);
    let from = backup.to_str().expect("a path");
    let data = directory("backup-damaged").join("data");

    // A data directory in use.
    assert!(
        refused(&zigcheck(&["restore", from], &server.data))
            .contains("another zigcheck is using it")
    );
    assert_eq!(server.get("/api/health")["status"], "healthy");

    // A file that is another one, and one that is missing. Links lead to the files of the server: take their place.
    let log = backup.join("logs/1.log");
    let bytes = std::fs::read(&log).expect("a log");
    std::fs::remove_file(&log).expect("it is there");
    assert!(refused(&zigcheck(&["restore", from], &data)).contains("1.log"));
    std::fs::write(&log, [&bytes[..], b"!"].concat()).expect("a file");
    assert!(
        refused(&zigcheck(&["restore", from], &data)).ends_with("1.log: not what was backed up")
    );
    std::fs::write(&log, &bytes).expect("a file");

    // A list that leads elsewhere.
    let list = backup.join("SHA256SUMS");
    let sums = std::fs::read_to_string(&list).expect("a list");
    std::fs::write(&list, sums.replace("logs/1.log", "../1.log")).expect("a file");
    assert!(refused(&zigcheck(&["restore", from], &data)).contains("bad line"));

    // A database of a newer program, and one that is none.
    for damage in ["PRAGMA user_version = 1000", ""] {
        let db = backup.join("zigcheck.db");
        let whole = std::fs::read(&db).expect("a database");
        match damage {
            "" => std::fs::write(&db, vec![7; 8192]).expect("a file"),
            sql => rusqlite::Connection::open(&db)
                .and_then(|db| db.execute_batch(sql))
                .expect("a database"),
        }
        let sum = Command::new("sha256sum")
            .arg("zigcheck.db")
            .current_dir(&backup)
            .output()
            .expect("coreutils");
        let sum = String::from_utf8(sum.stdout).expect("text");
        let others = sums.lines().filter(|line| !line.ends_with("zigcheck.db"));
        let others: String = others.map(|line| format!("{line}\n")).collect();
        std::fs::write(&list, sum + &others).expect("a file");
        let said = refused(&zigcheck(&["restore", from], &data));
        assert!(
            said.contains("unknown schema version 1000") || said.contains("not a database"),
            "{said}"
        );
        std::fs::write(&db, whole).expect("a file");
    }
    assert!(!data.join("zigcheck.db").exists());

    // Whole again, over what is there: that is moved aside.
    std::fs::write(&list, sums).expect("a file");
    done(&zigcheck(&["restore", from], &data));
    let said = done(&zigcheck(&["restore", from], &data));
    let aside = said.split_once("what was there is in ").expect("a place").1;
    assert!(Path::new(aside).join("zigcheck.db").exists(), "{said}");
    assert!(!data.join("restore.part").exists());
}

#[test]
fn the_newest_backups_stay() {
    let (server, _) = standin::start("backup-keep", &[]);
    let to = directory("backups-keep");
    for name in [
        "zigcheck-20250101T000000Z",
        "zigcheck-20250102T000000Z",
        "other",
        "zigcheck-notes",
    ] {
        std::fs::create_dir(to.join(name)).expect("a directory");
    }
    // What a run that was cut off has left.
    std::fs::create_dir(to.join("backup.part")).expect("a directory");
    done(&zigcheck(
        &["backup", to.to_str().expect("a path"), "--keep", "2"],
        &server.data,
    ));
    let names: Vec<String> = backups(&to)
        .iter()
        .map(|path| {
            path.file_name()
                .expect("a name")
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    assert_eq!(names.len(), 4, "{names:?}");
    assert_eq!(
        (&*names[0], &*names[1], &*names[3]),
        ("other", "zigcheck-20250102T000000Z", "zigcheck-notes")
    );

    let nothing = directory("backup-nothing");
    assert!(
        refused(&zigcheck(
            &["backup", to.to_str().expect("a path")],
            &nothing
        ))
        .contains("there is no database")
    );
}
