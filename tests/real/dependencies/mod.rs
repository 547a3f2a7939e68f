//! What `fetch-deps` fetches of what a package names, what it says of the rest, and what that costs the build.

mod fetched;
mod verdicts;

use std::io::Write;
use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::common::pack::{self, sha256};
use crate::exchange::fed;
use crate::host::Host;

/// A hash that no package has.
pub const NOBODY: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

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

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What `fetch-deps` sent.
pub struct Fetched {
    pub head: Value,
    pub missing: Vec<Value>,
    pub deps: Vec<u8>,
    pub source: Vec<u8>,
    pub version: String,
    pub stderr: String,
}

fn tree(files: &[(&str, &str)]) -> Vec<u8> {
    let files: Vec<Vec<u8>> = files
        .iter()
        .map(|(name, text)| pack::file(name, text.as_bytes()))
        .collect();
    pack::tar(&files)
}

#[track_caller]
pub fn fetch(version: &str, hosts: &str, files: &[(&str, &str)]) -> Fetched {
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
    pub fn build(&self, arguments: &[&str]) -> Vec<(bool, String)> {
        let both = pack::tar(&[
            pack::file("source.tar", &self.source),
            pack::file("deps.tar.gz", &self.deps),
        ]);
        let script = ". /usr/lib/zigcheck/common.sh; warm_cache; wait; tar -xf - && mkdir src && cd src && \
            tar -xf ../source.tar && tar -C $cache -xzf ../deps.tar.gz && cp -r $cache/zig-pkg . && \
            for argument; do zig build $argument 2>&1; echo \"=== $?\"; done";
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

    pub fn cause(&self, name: &str) -> Option<&Value> {
        self.missing.iter().find(|line| line["name"] == name)
    }
}

/// A `build.zig` that uses the dependencies whose names are in the option `use`, lazy ones too.
pub const USES: &str = r#"const std = @import("std");
pub fn build(b: *std.Build) void {
    var names = std.mem.splitScalar(u8, b.option([]const u8, "use", "names") orelse return, ',');
    while (names.next()) |name| {
        if (std.mem.startsWith(u8, name, "lazy")) _ = b.lazyDependency(name, .{}) else _ = b.dependency(name, .{});
    }
}
"#;

pub const LEAF_BUILD: &str = "pub fn build(_: *@import(\"std\").Build) void {}\n";

pub fn manifest(name: &str, dependencies: &str) -> String {
    let mut crc = flate2::Crc::new();
    crc.update(name.as_bytes());
    let fingerprint = u64::from(crc.sum()) << 32 | 0x2a;
    format!(
        ".{{ .name = .{name}, .version = \"0.0.1\", .fingerprint = 0x{fingerprint:x}, .paths = .{{\"\"}},\n\
         .dependencies = .{{ {dependencies} }} }}\n"
    )
}

pub fn dependency(name: &str, url: &str, hash: &str) -> String {
    format!(".{name} = .{{ .url = \"{url}\", .hash = \"{hash}\" }},\n")
}

pub fn lazy(name: &str, url: &str, hash: &str) -> String {
    format!(".{name} = .{{ .url = \"{url}\", .hash = \"{hash}\", .lazy = true }},\n")
}

/// Makes `NAME.tar.gz` of a package in the host's folder.
pub fn publish(host: &Host, name: &str, manifest: &str) {
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
pub fn hash_of(version: &str, url: &str, old: bool) -> String {
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
