//! The recipes of docs/ci.md as CI runs them: the real curl in a shell, judged by its exit code alone.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use super::ask::ask;
use super::follow::{four, repository};
use crate::common::server::{Server, scratch};
use crate::common::standin::{free_address, let_go, listening, standin};

/// The exit codes of curl: a status of 400 and above with `--fail-with-body`, and a body that is cut off.
const REFUSED: i32 = 22;
const UNFINISHED: i32 = 18;

const RECIPES: &str = include_str!("../../../docs/ci.md");
const QUERY: &str = "name=hello&wait&require=0.17.1,0.16.0";

/// The shell steps of the documentation, for this server and this query.
fn steps(url: &str, query: &str) -> Vec<String> {
    let lines = RECIPES.lines().filter_map(|line| {
        let start = line.find("git archive HEAD | curl")?;
        let end = line.rfind(&format!("{QUERY}'"))? + QUERY.len() + 1;
        Some(&line[start..end])
    });
    let steps = lines.map(|step| {
        let step = step.replace("https://zigcheck.example", url);
        step.replace(QUERY, query)
    });
    steps.collect()
}

/// Runs a step as a runner does, in a checked out repository.
fn run(step: &str, dir: &Path) -> (i32, String) {
    let mut shell = Command::new("sh");
    shell.args(["-e", "-c", step]).current_dir(dir);
    result(shell.stdin(Stdio::null()).output().expect("a shell"))
}

fn result(output: Output) -> (i32, String) {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.code().expect("an exit code"), text)
}

fn curl(args: &[&str], url: &str) -> (i32, String) {
    let mut curl = Command::new("curl");
    curl.args(["-sS", "--max-time", "300"]).args(args).arg(url);
    result(curl.output().expect("curl is installed"))
}

#[test]
fn each_recipe_ends_well_only_if_what_it_requires_works() {
    let (server, _dir) = four("ci-recipes");
    let tree = repository("ci-recipes");
    let found = steps(&server.url, QUERY);
    assert_eq!(found.len(), 6, "one alone, and one for each forge");
    // "mixed" works under all versions but 0.14.1.
    for (query, code, line) in [
        ("name=mixed&wait", 0, "\nresult: 3 of 4 build\n"),
        (
            "name=mixed&wait&require=0.17.1,0.16.0",
            0,
            "\nrequired: 0.17.1, 0.16.0, met\nresult: 3 of 4 build\n",
        ),
        (
            "name=mixed&wait&require=all",
            REFUSED,
            "\nrequired, and not met: 0.14.1 failed\nresult: 3 of 4 build\n",
        ),
        (
            "name=mixed&zig_versions=0.16.0&wait&require=all",
            0,
            "\nrequired: 0.16.0, met\nresult: 1 of 1 build\n",
        ),
    ] {
        for step in steps(&server.url, query) {
            let (ended, text) = run(&step, &tree);
            assert_eq!(ended, code, "{step}: {text}");
            assert!(text.ends_with(line), "{step}: {text}");
        }
    }
    let (_, text) = run(&steps(&server.url, "name=mixed&wait&require=all")[0], &tree);
    assert!(
        text.contains("error: nothing is known of gone"),
        "the first errors: {text}"
    );
}

#[test]
fn a_followed_check_that_is_not_what_is_required_ends_unfinished() {
    let (server, _dir) = four("ci-follow");
    let archive = format!("@{}", crate::common::standin::tree().display());
    let url = |query: &str| format!("{}/api/check?name=mixed&{query}", server.url);
    let ndjson = "Accept: application/x-ndjson";
    let plain = "Accept: text/plain";
    let missed = "\nrequired, and not met: 0.14.1 failed\nresult: 3 of 4 build\n";
    for (args, query, code, end) in [
        (
            vec![],
            "follow&require=0.16.0",
            0,
            "\nrequired: 0.16.0, met\nresult: 3 of 4 build\n",
        ),
        (vec![], "follow&require=all", UNFINISHED, missed),
        (vec!["-H", plain], "require=all", UNFINISHED, missed),
        (
            vec!["-H", ndjson],
            "follow&require=all",
            UNFINISHED,
            "\"type\":\"result\",\"unmet\":[\"0.14.1 failed\"]}\n",
        ),
        (vec![], "follow", 0, "\n\nresult: 3 of 4 build\n"),
    ] {
        // The second one is answered from the cache, at once.
        for fresh in ["&fresh", ""] {
            let args = [&["--data-binary", &archive][..], &args].concat();
            let query = format!("{query}{fresh}");
            let (ended, text) = curl(&args, &url(&query));
            assert_eq!(ended, code, "{query}: {text}");
            assert!(text.ends_with(end), "{query}: {text}");
        }
    }
    // An answer of HTTP/1.0 ends with the connection, however it ends.
    let old = [
        "-0",
        "--fail-with-body",
        "-H",
        "Expect:",
        "--data-binary",
        &archive,
    ];
    let (ended, text) = curl(&old, &url("follow&require=all"));
    assert_eq!(ended, REFUSED, "{text}");
    assert!(text.contains("follow needs HTTP/1.1"), "{text}");
    assert_eq!(curl(&old, &url("wait&require=all")).0, REFUSED);
    assert_eq!(curl(&old, &url("wait&require=0.16.0")).0, 0);
}

#[test]
fn a_check_that_is_known_is_awaited_as_well() {
    let (server, dir) = four("ci-known");
    let check = crate::common::standin::check(&server, "slowly");
    let url = |query: &str| format!("{}/api/checks/{check}?{query}", server.url);
    let all = url("wait&require=all");
    let waiter = std::thread::spawn(move || curl(&["--fail-with-body"], &all));
    server.wait_for("/api/builds?state=building", |list| list["total"] == 4);
    let_go(&dir);
    let (ended, text) = waiter.join().expect("a thread");
    assert_eq!(ended, 0, "{text}");
    assert!(text.ends_with("result: 4 of 4 build\n"), "{text}");
    let json = ask(&["-H", "Accept: application/json", &url("wait&require=all")]);
    assert_eq!(json.status, 200);
    assert_eq!(json.json()["finished"], true);
    assert_eq!(json.json()["unmet"], serde_json::json!([]));
    for (query, status) in [
        ("require=all", 400),
        ("wait&follow", 400),
        ("wait&require=", 400),
        ("wait&require=0.9.0", 400),
        ("wait", 200),
    ] {
        assert_eq!(ask(&[&url(query)]).status, status, "{query}");
    }
    let nobody = ask(&[&format!("{}/api/checks/999?wait", server.url)]);
    assert_eq!(nobody.status, 404);
}

#[test]
fn what_is_cancelled_is_not_what_is_required() {
    let token = scratch("ci-cancelled-token");
    std::fs::write(&token, "a-token-of-sixteen-letters").expect("a file");
    std::fs::set_permissions(&token, std::os::unix::fs::PermissionsExt::from_mode(0o600))
        .expect("it is ours");
    let path = token.display().to_string();
    let (dir, docker) = standin("ci-cancelled");
    let server = Server::start(
        "ci-cancelled",
        &[
            "--docker",
            &docker,
            "--zig-versions=0.16.0",
            "--admin-token-file",
            &path,
        ],
    );
    let archive = format!("@{}", crate::common::standin::tree().display());
    for query in ["wait", "follow"] {
        let url = format!(
            "{}/api/check?name=silent&require=all&fresh&{query}",
            server.url
        );
        let args = ["--fail-with-body", "--data-binary", &archive].map(String::from);
        let waiter = std::thread::spawn(move || {
            let args = args.each_ref().map(|arg| arg.as_str());
            curl(&args, &url)
        });
        let running = server.wait_for("/api/builds?state=building", |list| list["total"] == 1);
        let build = running["builds"][0]["id"].as_i64().expect("an id");
        crate::common::standin::has_its_source(&dir, build);
        let token = "Authorization: Bearer a-token-of-sixteen-letters";
        let args = ["-X", "DELETE", "-H", token];
        let deleted = server.curl(&args, &format!("/api/builds/{build}"));
        assert_eq!(deleted.status, 200, "{}", deleted.body);
        let (ended, text) = waiter.join().expect("a thread");
        let code = if query == "wait" { REFUSED } else { UNFINISHED };
        assert_eq!(ended, code, "{text}");
        assert!(
            text.contains("required, and not met: 0.16.0 cancelled\n"),
            "{text}"
        );
    }
}

#[test]
fn a_restart_of_the_server_is_only_a_pause() {
    let (dir, docker) = standin("ci-restart");
    let data: PathBuf = scratch("ci-restart");
    let _ = std::fs::remove_dir_all(&data);
    std::fs::create_dir_all(&data).expect("a directory");
    let to = free_address(7);
    let mut first = listening(to, &data, &docker, &data.with_extension("log"));
    let tree = repository("ci-restart");
    let step = steps(
        &format!("http://{to}"),
        "name=slowly&wait&require=0.17.1,0.16.0",
    )
    .remove(0)
    .replace("--retry 3", "--retry 5 --retry-connrefused --retry-delay 1");
    let waiter = std::thread::spawn(move || run(&step, &tree));
    for build in [1, 2] {
        crate::common::standin::has_its_source(&dir, build);
    }
    kill_process(Pid::from_child(&first), Signal::TERM).expect("it runs");
    first.wait().expect("it is ours");
    let mut second = listening(to, &data, &docker, &data.with_extension("log"));
    let_go(&dir);
    let (ended, text) = waiter.join().expect("a thread");
    let _ = kill_process(Pid::from_child(&second), Signal::TERM);
    second.wait().expect("it is ours");
    assert!(
        text.contains("the server ends"),
        "it was interrupted: {text}"
    );
    assert!(text.ends_with("result: 2 of 2 build\n"), "{text}");
    assert_eq!(ended, 0);
}
