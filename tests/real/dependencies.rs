//! What `fetch-deps` fetches of what a package names, what it says of the rest, and what that costs the build. The build runs
//! offline in a container of its own, by hand: what the server makes of it is in `packages.rs`.

use std::io::Write;
use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::common::pack::{self, sha256};
use crate::common::server::scratch;
use crate::exchange::fed;
use crate::exclusive::shared;
use crate::host::Host;
use crate::packages::VERSIONS;

/// A hash that no package has.
const NOBODY: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

fn container(version: &str, network: &str, hosts: &str, command: &[&str]) -> Command {
    let tmpfs = "--tmpfs=/work:rw,exec,nosuid,nodev,size=1g,mode=0755,uid=1000,gid=1000";
    let mut docker = Command::new("docker");
    docker
        .args(["run", "--rm", "--interactive", "--init", "--pull=never"])
        .args(["--log-driver=none", "--user=1000:1000", "--cap-drop=ALL"])
        .args(["--read-only", tmpfs, "--workdir=/work"])
        .arg(format!("--network={network}"))
        .arg(format!("--env=ZIGCHECK_HOSTS={hosts}"))
        .arg(format!("zigcheck:{version}"))
        .args(command);
    docker
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What `fetch-deps` sent.
struct Fetched {
    head: Value,
    missing: Vec<Value>,
    deps: Vec<u8>,
    source: Vec<u8>,
    version: String,
    stderr: String,
}

fn tree(files: &[(&str, &str)]) -> Vec<u8> {
    let files: Vec<Vec<u8>> = files
        .iter()
        .map(|(name, text)| pack::file(name, text.as_bytes()))
        .collect();
    pack::tar(&files)
}

#[track_caller]
fn fetch(version: &str, hosts: &str, files: &[(&str, &str)]) -> Fetched {
    let source = tree(files);
    let head =
        json!({"source": {"bytes": source.len(), "sha256": sha256(&source), "format": "tar"}});
    let input = [format!("{head}\n").as_bytes(), &source].concat();
    let mut docker = container(version, "host", hosts, &["/usr/lib/zigcheck/fetch-deps"]);
    let output = fed(&mut docker, &input);
    let stderr = text(&output.stderr);
    assert!(output.status.success(), "{version}: {stderr}");
    let end = output.stdout.iter().position(|byte| *byte == b'\n');
    let (head, deps) = output.stdout.split_at(end.expect("a line") + 1);
    let head: Value = serde_json::from_slice(head).expect("JSON");
    assert_eq!(head["bytes"], deps.len());
    let mut missing = Vec::new();
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(deps));
    for entry in archive.entries().expect("an archive") {
        let mut entry = entry.expect("an entry");
        if entry.path().expect("a path").ends_with("missing.json") {
            let lines = std::io::read_to_string(&mut entry).expect("text");
            let lines = lines.lines().map(serde_json::from_str);
            missing.extend(lines.map(|line| line.expect("a line of JSON")));
        }
    }
    Fetched {
        head,
        missing,
        deps: deps.to_vec(),
        source,
        version: version.to_string(),
        stderr,
    }
}

impl Fetched {
    /// What `zig build` with each of these arguments says offline: whether it succeeds, and its output.
    fn build(&self, arguments: &[&str]) -> Vec<(bool, String)> {
        let both = pack::tar(&[
            pack::file("source.tar", &self.source),
            pack::file("deps.tar.gz", &self.deps),
        ]);
        let script = ". /usr/lib/zigcheck/common.sh; warm_cache; wait; tar -xf - && mv deps.tar.gz $run/deps && \
            mkdir src && cd src && tar -xf ../source.tar && unpack_dependencies && \
            fatal_dependency && explain_missing \"$(fatal_dependency)\" && echo \"$reason: $detail\"; \
            for argument; do zig build $argument >$run/out 2>&1; status=$?; cat $run/out; \
            if used=$(used_placeholder $run/out); then explain_missing \"$used\"; echo \"$reason: $detail\"; fi; \
            echo \"=== $status\"; done";
        let command = [&["bash", "-c", script, "bash"], arguments].concat();
        let mut docker = container(&self.version, "none", "", &command);
        let output: Output = fed(&mut docker, &both);
        let said = text(&output.stdout);
        let mut results = Vec::new();
        let mut rest = said.as_str();
        while let Some((one, after)) = rest.split_once("=== ") {
            let (code, after) = after.split_once('\n').expect("a line");
            results.push((code == "0", one.to_string()));
            rest = after;
        }
        assert_eq!(
            results.len(),
            arguments.len(),
            "{said}{}",
            text(&output.stderr)
        );
        results
    }

    fn cause(&self, name: &str) -> Option<&Value> {
        self.missing.iter().find(|line| line["name"] == name)
    }
}

/// A `build.zig` that uses the dependencies whose names are in the option `use`, lazy ones too.
const USES: &str = r#"const std = @import("std");
pub fn build(b: *std.Build) void {
    var names = std.mem.splitScalar(u8, b.option([]const u8, "use", "names") orelse return, ',');
    while (names.next()) |name| {
        if (std.mem.startsWith(u8, name, "lazy")) _ = b.lazyDependency(name, .{}) else _ = b.dependency(name, .{});
    }
}
"#;

const LEAF_BUILD: &str = "pub fn build(_: *@import(\"std\").Build) void {}\n";

fn manifest(name: &str, dependencies: &str) -> String {
    let mut crc = flate2::Crc::new();
    crc.update(name.as_bytes());
    let fingerprint = u64::from(crc.sum()) << 32 | 0x2a;
    format!(
        ".{{ .name = .{name}, .version = \"0.0.1\", .fingerprint = 0x{fingerprint:x}, .paths = .{{\"\"}},\n\
         .dependencies = .{{ {dependencies} }} }}\n"
    )
}

fn dependency(name: &str, url: &str, hash: &str) -> String {
    format!(".{name} = .{{ .url = \"{url}\", .hash = \"{hash}\" }},\n")
}

fn lazy(name: &str, url: &str, hash: &str) -> String {
    format!(".{name} = .{{ .url = \"{url}\", .hash = \"{hash}\", .lazy = true }},\n")
}

/// Makes `NAME.tar.gz` of a package in the host's folder.
fn publish(host: &Host, name: &str, manifest: &str) {
    let build = format!("{name}/build.zig");
    let zon = format!("{name}/build.zig.zon");
    let bytes = tree(&[(&build, LEAF_BUILD), (&zon, manifest)]);
    let file = std::fs::File::create(host.root.join(format!("{name}.tar.gz"))).expect("a file");
    let mut gzip = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
    gzip.write_all(&bytes)
        .and_then(|()| gzip.try_finish())
        .expect("a file");
}

/// The hash that zig gives the package at that URL.
fn hash_of(version: &str, url: &str, old: bool) -> String {
    let wrong = match old {
        true => format!("1220{}", "0".repeat(64)),
        false => format!("x-0.0.1-{NOBODY}"),
    };
    let manifest = manifest("asks", &dependency("x", url, &wrong));
    let fetched = fetch(
        version,
        "*",
        &[("build.zig", USES), ("build.zig.zon", &manifest)],
    );
    let cause = fetched.cause("x").and_then(|line| line["cause"].as_str());
    let cause = cause.unwrap_or_else(|| panic!("{}", fetched.stderr));
    let hash = cause.rsplit_once("the fetched package has ");
    hash.unwrap_or_else(|| panic!("{cause}")).1.to_string()
}

#[test]
fn each_dependency_that_is_missing_has_its_own_cause() {
    let _machine = shared();
    let host = Host::new(scratch("causes"));
    publish(&host, "leaf", &manifest("leaf", ""));
    publish(
        &host,
        "bad",
        &manifest("bad", "").replace("= 0x", "= 0x1, .x = 0x"),
    );
    let url = |path: &str| host.url(path);
    let of = |name: &str, url: &str| dependency(name, url, &format!("{name}-0.0.1-{NOBODY}"));
    let other = format!("http://localhost:{}/leaf.tar.gz", host.port);
    let commit = "1234567890123456789012345678901234567890";
    let all = [
        of("mismatch", &url("leaf.tar.gz")),
        of("gone", &url("gone.tar.gz")),
        of("bad", &url("bad.tar.gz")),
        of("busy", &url("status/503/7/x.tar.gz")),
        of("limited", &url("status/429/9/x.tar.gz")),
        of("broken", &url("reset/99/x.tar.gz")),
        of("down", "http://127.0.0.1:9/x.tar.gz"),
        of("nowhere", "http://nobody.invalid/x.tar.gz"),
        of("foreign", &other),
        of("file", "file:///etc/passwd"),
        of("twofold", "http://a@127.0.0.1/x.tar.gz"),
        of("norepo", &format!("git+{}#{commit}", url("git/norepo"))),
        of(
            "gitbusy",
            &format!("git+{}#{commit}", url("status/503/8/x")),
        ),
        lazy(
            "lazygone",
            &url("gone-too.tar.gz"),
            &format!("lazygone-0.0.1-{NOBODY}"),
        ),
        format!(".hashless = .{{ .url = \"{}\" }},", url("leaf.tar.gz")),
    ];
    let manifest = manifest("asks", &all.concat());
    let files = [("build.zig", USES), ("build.zig.zon", &*manifest)];
    for version in ["0.16.0", "0.14.1"] {
        let fetched = fetch(version, "127.0.0.1,nobody.invalid", &files);
        for (name, kind, words, fatal) in [
            (
                "mismatch",
                "hash_mismatch",
                "hash mismatch: manifest declares mismatch-0.0.1-",
                true,
            ),
            ("gone", "not_found", "404", true),
            ("bad", "bad_manifest", "invalid fingerprint: 0x1", true),
            ("busy", "busy", "503", false),
            ("limited", "busy", "429", false),
            ("broken", "busy", "", false),
            ("down", "unreachable", "ConnectionRefused", false),
            ("nowhere", "unreachable", "", false),
            ("foreign", "host_not_allowed", "localhost", false),
            ("file", "refused", "", true),
            ("twofold", "refused", "", true),
            ("norepo", "not_found", "404", true),
            ("gitbusy", "busy", "503", false),
            ("lazygone", "not_found", "404", false),
            (
                "hashless",
                "refused",
                "expected .hash = \"leaf-0.0.1-",
                true,
            ),
        ] {
            let line = fetched
                .cause(name)
                .unwrap_or_else(|| panic!("{version} {name}"));
            assert_eq!(
                (&line["kind"], &line["fatal"]),
                (&json!(kind), &json!(fatal)),
                "{version} {line}"
            );
            assert!(
                line["cause"]
                    .as_str()
                    .is_some_and(|cause| cause.contains(words)),
                "{version} {line}"
            );
            let said = format!(
                "zigcheck: dependency {name} ({}): ",
                line["url"].as_str().unwrap_or("")
            );
            assert!(fetched.stderr.contains(&said), "{}", fetched.stderr);
        }
        assert_eq!(fetched.missing.len(), all.len());
        assert_eq!(fetched.head["hosts_refused"], json!(["localhost"]));
        assert_eq!(
            (&fetched.head["whole"], &fetched.head["retry_after"]),
            (&json!(false), &json!(9))
        );
        assert_eq!(fetched.cause("busy").expect("busy")["retry_after"], 7);
        assert_eq!(fetched.cause("gitbusy").expect("busy")["retry_after"], 8);
    }
}

#[test]
fn a_missing_dependency_costs_what_uses_it_and_nothing_else() {
    let _machine = shared();
    let host = Host::new(scratch("costs"));
    let other = format!("http://localhost:{}/foreign.tar.gz", host.port);
    publish(&host, "leaf", &manifest("leaf", ""));
    let leaf = hash_of("0.16.0", &host.url("leaf.tar.gz"), false);
    // It depends on two packages that it does not use.
    let missing = dependency("twig", &other, &format!("twig-0.0.1-{NOBODY}"));
    let busy = dependency(
        "busy",
        &host.url("status/503/5/x.tar.gz"),
        &format!("busy-0.0.1-{NOBODY}"),
    );
    publish(
        &host,
        "nest",
        &manifest("nest", &format!("{missing}{busy}")),
    );
    let nest = hash_of("0.16.0", &host.url("nest.tar.gz"), false);
    let all = [
        dependency("nest", &host.url("nest.tar.gz"), &nest),
        lazy("lazyleaf", &host.url("leaf.tar.gz"), &leaf),
        lazy("lazyaway", &other, &format!("lazyaway-0.0.1-{NOBODY}")),
        dependency("away", &other, &format!("away-0.0.1-{NOBODY}")),
        lazy(
            "lazygone",
            &host.url("gone.tar.gz"),
            &format!("lazygone-0.0.1-{NOBODY}"),
        ),
    ];
    let zon = manifest("asks", &all.concat());
    for version in VERSIONS {
        let fetched = fetch(
            version,
            "127.0.0.1",
            &[("build.zig", USES), ("build.zig.zon", &zon)],
        );
        let mut kinds: Vec<_> = fetched
            .missing
            .iter()
            .map(|line| line["name"].as_str())
            .collect();
        kinds.sort();
        let names = ["away", "busy", "lazyaway", "lazygone", "twig"].map(Some);
        assert_eq!(kinds, names, "{}", fetched.stderr);
        let uses = [
            "-Duse=nest,lazyleaf",
            "-Duse=lazyaway",
            "-Duse=away",
            "-Duse=lazygone",
        ];
        let built = fetched.build(&uses);
        assert!(built[0].0, "{version}: {}", built[0].1);
        for ((succeeds, said), (name, cause)) in built[1..].iter().zip([
            (
                "lazyaway",
                "the host localhost is not allowed by this server",
            ),
            ("away", "the host localhost is not allowed by this server"),
            ("lazygone", "bad HTTP response code: '404 Not Found'"),
        ]) {
            assert!(!succeeds, "{version}: {said}");
            let line = said
                .lines()
                .find(|line| line.contains("zigcheck: dependency "));
            let line = line.unwrap_or_else(|| panic!("{version}: {said}"));
            assert!(
                line.contains(&format!("dependency {name} (")) && line.ends_with(cause),
                "{line}"
            );
            let verdict = match name {
                "lazygone" => format!("dependency_unavailable: dependency {name}: {cause}"),
                _ => "host_not_allowed: needs host localhost, which this server does not allow"
                    .to_string(),
            };
            assert_eq!(said.lines().last(), Some(&*verdict), "{said}");
        }
    }
    // Nobody was asked at the host that is not allowed.
    assert_eq!(host.asked("/foreign.tar.gz"), 0);
    assert!(host.asked("/leaf.tar.gz") > 0);
}

#[test]
fn a_placeholder_that_build_zig_imports_is_named_by_the_compiler() {
    let _machine = shared();
    let zon = manifest(
        "asks",
        &dependency(
            "away",
            "http://away.example/x.tar.gz",
            &format!("away-0.0.1-{NOBODY}"),
        ),
    );
    let build = "const away = @import(\"away\");\npub fn build(b: *@import(\"std\").Build) void { away.help(b); }\n";
    for version in VERSIONS {
        let fetched = fetch(
            version,
            "127.0.0.1",
            &[("build.zig", build), ("build.zig.zon", &zon)],
        );
        let (succeeds, said) = fetched.build(&["--summary none"]).remove(0);
        assert!(!succeeds, "{said}");
        assert!(
            said.contains(&format!("away-0.0.1-{NOBODY}/build.zig:1:1: note: ")),
            "{version}: {said}"
        );
        assert!(
            said.contains("the host away.example is not allowed"),
            "{version}: {said}"
        );
    }
}

#[test]
fn a_hash_of_the_old_form_is_verified_and_found() {
    let _machine = shared();
    let host = Host::new(scratch("old"));
    publish(&host, "leaf", &manifest("leaf", ""));
    let url = host.url("leaf.tar.gz");
    let old = hash_of("0.15.2", &url, true);
    assert!(old.starts_with("1220") && old.len() == 68, "{old}");
    publish(
        &host,
        "nest",
        &manifest("nest", &dependency("leaf", &url, &old)),
    );
    let nest_url = host.url("nest.tar.gz");
    let nest = hash_of("0.15.2", &nest_url, false);
    let zon = manifest(
        "asks",
        &format!(
            "{}{}",
            dependency("leaf", &url, &old),
            dependency("nest", &nest_url, &nest)
        ),
    );
    for version in ["0.14.1", "0.15.2"] {
        let fetched = fetch(
            version,
            "127.0.0.1",
            &[("build.zig", USES), ("build.zig.zon", &zon)],
        );
        assert_eq!(
            (&fetched.head["whole"], fetched.missing.len()),
            (&json!(true), 0),
            "{}",
            fetched.stderr
        );
        let (succeeds, said) = fetched.build(&["-Duse=leaf,nest"]).remove(0);
        assert!(succeeds, "{version}: {said}");
        let last = old.chars().last().expect("a digit");
        let wrong = format!("{}{}", &old[..67], if last == '0' { '1' } else { '0' });
        let zon = manifest("asks", &dependency("leaf", &url, &wrong));
        let fetched = fetch(
            version,
            "*",
            &[("build.zig", USES), ("build.zig.zon", &zon)],
        );
        let cause = fetched.cause("leaf").expect("it is missing")["cause"].clone();
        let words =
            format!("hash mismatch: manifest declares {wrong} but the fetched package has {old}");
        assert_eq!(cause, words);
    }
    // Newer versions refuse a manifest with such a hash, here that of a dependency.
    let zon = manifest("asks", &dependency("nest", &nest_url, &nest));
    let fetched = fetch(
        "0.16.0",
        "*",
        &[("build.zig", USES), ("build.zig.zon", &zon)],
    );
    let line = fetched.cause("nest").expect("it is missing");
    assert_eq!(
        (&line["kind"], &line["fatal"]),
        (&json!("bad_manifest"), &json!(true)),
        "{line}"
    );
}

#[test]
fn dependencies_come_from_git_and_in_every_kind_of_archive() {
    let _machine = shared();
    let host = Host::new(scratch("kinds"));
    publish(&host, "leaf", &manifest("leaf", ""));
    let sh = |script: &str| {
        let output = Command::new("sh")
            .args(["-ec", script])
            .current_dir(&host.root)
            .output();
        let output = output.expect("a shell");
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout).trim().to_string()
    };
    let commit = sh("tar -xzmf leaf.tar.gz; tar -cJf leaf.tar.xz leaf; \
        python3 -m zipfile -c leaf.zip leaf; cd leaf; git init -q -b main; git add -A; \
        git -c user.name=a -c user.email=a@example.org commit -qm 1; git tag v1; \
        git clone -q --bare . ../git/leaf; git -C ../git/leaf config uploadpack.allowAnySHA1InWant true; git rev-parse HEAD");
    let hash = hash_of("0.16.0", &host.url("leaf.tar.gz"), false);
    let git = format!("git+{}", host.url("git/leaf"));
    for version in ["0.17.1", "0.14.1"] {
        let urls = [
            host.url("leaf.tar.xz"),
            host.url("leaf.zip"),
            host.url("reset/1/leaf.tar.gz") + &format!("?{version}"),
            host.url(&format!("to/127.0.0.1:{}/leaf.tar.gz", host.port)),
            format!("{git}#{commit}"),
            format!("{git}?ref=v1#{commit}"),
        ];
        for url in urls {
            let sub = manifest("sub", &dependency("leaf", &url, &hash));
            let zon = manifest(
                "asks",
                ".sub = .{ .path = \"sub\" }, .none = .{ .path = \"none\", .lazy = true },",
            );
            let uses = "pub fn build(b: *@import(\"std\").Build) void { _ = b.dependency(\"leaf\", .{}); }\n";
            let files = [
                ("build.zig", USES),
                ("build.zig.zon", &*zon),
                ("sub/build.zig", uses),
                ("sub/build.zig.zon", &*sub),
            ];
            let fetched = fetch(version, "127.0.0.1", &files);
            assert_eq!(fetched.missing, Vec::<Value>::new(), "{url}");
            assert_eq!(fetched.head["whole"], true, "{url}");
            if url.ends_with("zip") || url.ends_with(&commit) {
                let (succeeds, said) = fetched.build(&["-Duse=sub"]).remove(0);
                assert!(succeeds, "{version} {url}: {said}");
            }
        }
    }
}
