//! What the scripts in the container say of a source: what it asks for, and where its remote is.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use zigcheck::app::source::archive::{Inspection, Progress};

use crate::common::git::{git_server, repository};
use crate::common::manifests;
use crate::common::server::scratch;
use crate::exchange::fed;
use crate::exclusive::shared;

/// That command in a container as fetches have it, with that input.
fn in_container(command: &[&str], input: &[u8]) -> Output {
    let tmpfs = "--tmpfs=/work:rw,exec,nosuid,nodev,size=512m,mode=0755,uid=1000,gid=1000";
    let mut docker = Command::new("docker");
    docker
        .args(["run", "--rm", "--interactive", "--init", "--pull=never"])
        .args(["--network=host", "--log-driver=none", "--user=1000:1000"])
        .args(["--cap-drop=ALL", "--read-only", tmpfs, "--workdir=/work"])
        .arg("zigcheck:0.16.0")
        .args(command);
    fed(&mut docker, input)
}

fn words(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn the_script_reads_manifests_as_the_server_does() {
    let _machine = shared();
    let cases = manifests::cases();
    let mut tar = tar::Builder::new(Vec::new());
    for (nth, case) in cases.iter().enumerate() {
        let entry = |size: usize| {
            let mut head = tar::Header::new_gnu();
            head.set_mode(0o644);
            head.set_size(size as u64);
            head
        };
        for (name, text) in &case.files {
            let path = format!("{nth:03}/{name}");
            tar.append_data(&mut entry(text.len()), path, &text[..])
                .expect("an entry");
        }
        for (name, target) in &case.links {
            let mut head = entry(0);
            head.set_entry_type(tar::EntryType::Symlink);
            let path = format!("{nth:03}/{name}");
            tar.append_link(&mut head, path, target).expect("an entry");
        }
    }
    let tar = tar.into_inner().expect("an archive");
    let script = ". /usr/lib/zigcheck/common.sh; mkdir src && tar -C src -x && cd src && \
        for tree in *; do read_manifests $tree; echo $manifest; done";
    let output = in_container(&["bash", "-c", script], &tar);
    assert!(output.status.success(), "{}", words(&output));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(said.lines().count(), cases.len());
    for (case, line) in cases.iter().zip(said.lines()) {
        let digest: Option<String> = serde_json::from_str(line).expect("a text, or null");
        assert_eq!(digest, case.digest(), "{}", case.name);
    }
}

fn manifest_of(archive: &[u8]) -> Option<String> {
    let path = scratch("fetched").join("tree.tar.gz");
    fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    fs::write(&path, archive).expect("a file");
    let mut check = Inspection::open(&path).expect("a file");
    match check.step(usize::MAX) {
        Progress::Accepted(summary) => summary.manifest,
        other => panic!("{other:?}"),
    }
}

/// The head of what `fetch-source` sends, and the archive behind it.
fn fetched(url: &str) -> (Value, Vec<u8>) {
    let output = in_container(&["/usr/lib/zigcheck/fetch-source", url], b"");
    assert!(output.status.success(), "{}", words(&output));
    let end = output.stdout.iter().position(|byte| *byte == b'\n');
    let (head, archive) = output.stdout.split_at(end.expect("a line") + 1);
    assert!(head.len() <= zigcheck::app::source::limits::FRAME_HEAD_LIMIT_BYTES);
    let head: Value = serde_json::from_slice(head).expect("JSON");
    assert_eq!(head["bytes"], archive.len());
    (head, archive.to_vec())
}

#[test]
fn a_source_says_what_it_asks_for() {
    let _machine = shared();
    let root = scratch("git-asks");
    let _ = fs::remove_dir_all(&root);
    let git = git_server(&root);
    let named = ".{ .dependencies = .{ .b = .{ .url = \"https://b.example/b.tar.gz\", .hash = \"h\" },\n\
        .a = .{ .url = \"git+https://a.example/a#1\" }, // .url = \"no\"\n\
        .odd = .{ .url = \"a b\" }, .escaped = .{ .url = \"\\\\\\\"\" }, .more = .{ .url = \"ü\" },\n\
        .again = .{ .url = \"https://b.example/b.tar.gz\", .hash = \"g\" } } }\n";
    let asks = repository(&root, "asks", &[("build.zig.zon", named)]);
    let (head, archive) = fetched(&format!("{}/asks", git.url));
    assert_eq!(head["commit"], asks.git(&["rev-parse", "HEAD"]).as_str());
    assert_eq!(head["dependencies"], true);
    let uses = ["git+https://a.example/a#1", "https://b.example/b.tar.gz"];
    assert_eq!(head["uses"], serde_json::json!(uses));
    let declared = head["declared"].as_array().expect("a list");
    let names: Vec<&Value> = declared.iter().map(|one| &one["name"]).collect();
    assert_eq!(names, ["a", "again", "b"]);
    assert_eq!(
        (&declared[2]["url"], &declared[2]["hash"]),
        (&uses[1].into(), &"h".into())
    );
    assert_eq!(declared[0]["hash"], "");
    let time = asks.git(&["log", "-1", "--format=%ct"]);
    assert_eq!(head["commit_time"].to_string(), time);
    assert_eq!(head["manifest"].as_str().map(str::len), Some(64), "{head}");
    assert_eq!(head["manifest"].as_str(), manifest_of(&archive).as_deref());

    repository(&root, "nothing", &[("build.zig.zon", ".{ .name = .x }\n")]);
    let (head, archive) = fetched(&format!("{}/nothing", git.url));
    assert_eq!(
        (&head["dependencies"], &head["manifest"]),
        (&false.into(), &"".into())
    );
    assert_eq!(head["uses"], serde_json::json!([]));
    assert_eq!(manifest_of(&archive).as_deref(), Some(""));

    // Not plain to read, and more than a head may hold.
    let many = |pad: &str, count: usize| -> String {
        let one = |n| format!(".{{ .url = \"https://{n:04}.example/{pad}\" }}\n");
        (0..count).map(one).chain(["'x'\n".to_string()]).collect()
    };
    for (name, pad, count, told) in [("many", "", 100, 64), ("long", &*"x".repeat(1000), 20, 8)] {
        repository(&root, name, &[("build.zig.zon", &many(pad, count))]);
        let (head, archive) = fetched(&format!("{}/{name}", git.url));
        assert_eq!(head["manifest"], Value::Null);
        assert_eq!(manifest_of(&archive), None);
        let uses = head["uses"].as_array().expect("a list");
        assert_eq!(uses.len(), told, "{name}");
        assert_eq!(uses[1], format!("https://0001.example/{pad}"));
    }
}

/// For each argument a repository's URL, or that with a space and a ref: a line with the exit code of `remote-commit`,
/// and the commits that it and `fetch-source` say.
const ASK: &str = r#"
    for asked; do
        url=${asked%% *} ref=${asked#"$url"}
        set -- "$url" ${ref:+"${ref# }"}
        commit=$(/usr/lib/zigcheck/remote-commit "$@" 2>/work/words)
        code=$? fetched=
        if [ $code = 0 ]; then
            fetched=$(/usr/lib/zigcheck/fetch-source "$@" | head -n 1 | jq -r .commit)
        else
            [ -s /work/words ] || code=silent
        fi
        echo "$code $commit $fetched"
        find /work -mindepth 1 -delete
    done"#;

/// What `remote-commit` says of each of these: its exit code, and a commit where `fetch-source` fetches the same. One
/// container for all, as a container takes longer than they do.
fn remotes(asked: &[(&str, Option<&str>)]) -> Vec<(i32, Option<String>)> {
    let word = |(url, reference): &(&str, Option<&str>)| match reference {
        Some(reference) => format!("{url} {reference}"),
        None => url.to_string(),
    };
    let words: Vec<String> = asked.iter().map(word).collect();
    let mut command = vec!["bash", "-c", ASK, "asks"];
    command.extend(words.iter().map(String::as_str));
    let output = in_container(&command, b"");
    assert!(output.status.success(), "{}", self::words(&output));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let lines = said.lines().zip(&words).map(|(line, asked)| {
        let (code, commits) = line.split_once(' ').expect("three words");
        let (remote, fetched) = commits.split_once(' ').expect("three words");
        assert_eq!(remote, fetched, "{asked}: {}", self::words(&output));
        let commit = (!remote.is_empty()).then(|| remote.to_string());
        let code = code.parse().unwrap_or_else(|_| panic!("{asked}: {said}"));
        (code, commit)
    });
    let lines: Vec<_> = lines.collect();
    assert_eq!(lines.len(), asked.len(), "{said}");
    lines
}

#[test]
fn a_remote_says_the_commit_that_would_be_fetched() {
    let _machine = shared();
    let root = scratch("git-remote");
    let _ = fs::remove_dir_all(&root);
    let git = git_server(&root);
    let url = format!("{}/moving", git.url);
    let moving = repository(&root, "moving", &[("build.zig", "// 1\n")]);
    moving.git(&["branch", "-M", "main"]);
    moving.git(&["tag", "v1"]);
    moving.git(&["tag", "-am", "the first again", "v1-again"]);
    // A branch in whose name that of another stands, and a tag that is called like a branch.
    moving.git(&["branch", "of/v2"]);
    moving.git(&["branch", "both"]);
    let first = moving.git(&["rev-parse", "HEAD"]);
    moving.git(&["commit", "--allow-empty", "-qm", "the second"]);
    moving.git(&["tag", "both"]);
    moving.git(&["branch", "v2"]);
    let second = moving.git(&["rev-parse", "HEAD"]);
    fs::create_dir_all(root.join("empty")).expect("a folder");
    repository_without_commit(&root.join("empty"));
    let [empty, missing] = ["empty", "missing"].map(|path| format!("{}/{path}", git.url));
    let nobody = "http://127.0.0.1:9/nobody/there";
    let url = url.as_str();
    let cases = [
        ((url, None), 0, Some(&second)),
        ((url, Some("HEAD")), 0, Some(&second)),
        ((url, Some("main")), 0, Some(&second)),
        ((url, Some("v1")), 0, Some(&first)),
        ((url, Some("v1-again")), 0, Some(&first)),
        ((url, Some("of/v2")), 0, Some(&first)),
        ((url, Some("v2")), 0, Some(&second)),
        ((url, Some("both")), 0, Some(&second)),
        ((url, Some("heads/both")), 0, Some(&first)),
        ((url, Some("refs/tags/both")), 0, Some(&second)),
        ((url, Some(first.as_str())), 0, Some(&first)),
        ((url, Some("nothing")), 11, None),
        ((url, Some("v")), 11, None),
        ((url, Some("2")), 11, None),
        ((url, Some("no ref")), 11, None),
        ((url, Some("both^{}")), 11, None),
        ((url, Some("*")), 11, None),
        ((empty.as_str(), None), 11, None),
        ((missing.as_str(), None), 11, None),
        ((nobody, Some("v1")), 10, None),
    ];
    let said = remotes(&cases.map(|(asked, _, _)| asked));
    for ((asked, code, commit), said) in cases.into_iter().zip(said) {
        assert_eq!(said, (code, commit.cloned()), "{asked:?}");
    }
}

fn repository_without_commit(path: &Path) {
    let made = Command::new("git").args(["init", "-q"]).arg(path).status();
    assert!(made.expect("git is installed").success());
}
