//! What is fetched and what is missing, by the script itself. The build runs offline in a container of its own, by hand.

use std::io::Read;
use std::process::Command;

use serde_json::{Value, json};

use super::*;
use crate::common::server::scratch;
use crate::exclusive::shared;
use crate::host::Host;
use crate::packages::VERSIONS;

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
        of("late", &url("status/408/0/x.tar.gz")),
        // Hosts that limit their clients may say so like this.
        of("asked", &url("status/403/6/x.tar.gz")),
        of("forbidden", &url("status/403/0/x.tar.gz")),
        of("broken", &url("reset/99/x.tar.gz")),
        of("down", "http://127.0.0.1:9/x.tar.gz"),
        of("nowhere", "http://nobody.invalid/x.tar.gz"),
        of("gitdown", &format!("git+http://127.0.0.1:9/x#{commit}")),
        of(
            "gitnowhere",
            &format!("git+http://nobody.invalid/x#{commit}"),
        ),
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
            ("late", "busy", "408", false),
            ("asked", "busy", "403", false),
            ("forbidden", "not_found", "403", true),
            ("broken", "busy", "", false),
            ("down", "unreachable", "ConnectionRefused", false),
            ("nowhere", "unreachable", "", false),
            ("gitdown", "unreachable", "ConnectionRefused", false),
            ("gitnowhere", "unreachable", "", false),
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
        }
    }
    // The host that is not allowed got no request.
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

#[test]
fn a_lazy_dependency_that_does_not_fit_costs_nothing_but_itself() {
    let _machine = shared();
    let host = Host::new(scratch("zeros"));
    publish(&host, "leaf", &manifest("leaf", ""));
    let leaf = hash_of("0.16.0", &host.url("leaf.tar.gz"), false);
    let file = std::fs::File::create(host.root.join("zeros.tar.gz")).expect("a file");
    let gzip = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
    let mut archive = tar::Builder::new(gzip);
    let mut head = tar::Header::new_gnu();
    head.set_mode(0o644);
    head.set_size(1200 << 20);
    let zeros = std::io::repeat(0).take(1200 << 20);
    archive
        .append_data(&mut head, "d/zeros", zeros)
        .expect("an entry");
    archive
        .into_inner()
        .and_then(|mut gzip| gzip.try_finish())
        .expect("a whole archive");
    let zeros = host.url("zeros.tar.gz");
    let all = [
        lazy("lazyzeros", &zeros, &format!("lazyzeros-0.0.1-{NOBODY}")),
        dependency("leaf", &host.url("leaf.tar.gz"), &leaf),
    ];
    let zon = manifest("asks", &all.concat());
    let files = [("build.zig", USES), ("build.zig.zon", &*zon)];
    let fetched = fetch("0.16.0", "*", &files);
    assert_eq!(fetched.missing.len(), 1, "{}", fetched.stderr);
    let cause = &fetched.cause("lazyzeros").expect("it is missing")["cause"];
    assert_eq!(cause, "it does not fit into the container's disk");
}
