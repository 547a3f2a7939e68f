//! What packages compile for, with real Zig: the analysis for other targets.

use serde_json::{Value, json};

use crate::common::server::{Server, archive};
use crate::exclusive::shared;
use crate::packages::VERSIONS;

const TARGETS: [&str; 5] = [
    "x86_64-windows",
    "aarch64-macos",
    "wasm32-wasi",
    "aarch64-linux",
    "x86_64-freebsd",
];

/// A package with one module and these lines in its build.zig.
fn package(name: &str, lines: &str, source: &str) -> std::path::PathBuf {
    let build = format!(
        "const std = @import(\"std\");\npub fn build(b: *std.Build) void {{\n\
         const target = b.standardTargetOptions(.{{}});\n\
         _ = b.standardOptimizeOption(.{{}});\n{lines}\n\
         _ = b.addModule(\"m\", .{{ .root_source_file = b.path(\"m.zig\"), .target = target }});\n}}\n"
    );
    archive(name, &[("build.zig", &build), ("m.zig", source)])
}

/// The build of a package under one version, once it is analysed.
fn analysed(server: &Server, tree: &std::path::Path, version: &str) -> Value {
    let query = format!("name=targets&zig_versions={version}");
    let build = server.finished(server.upload(tree, &query))[0].clone();
    assert_eq!(build["import_status"], wanted_import(&build), "{build}");
    let path = format!("/api/builds/{}", build["id"]);
    server.wait_for(&path, |build| build["targets"] != Value::Null)
}

/// A declaration that no target has makes an import partial.
fn wanted_import(build: &Value) -> &'static str {
    match build["modules"][0]["first_error"].is_null() {
        true => "success",
        false => "partial",
    }
}

/// The targets that failed, each with a part of its first error; all others are a success.
#[track_caller]
fn assert_fails(build: &Value, failing: &[(&str, &str)]) {
    for target in TARGETS {
        let error = failing.iter().find(|(name, _)| *name == target);
        let word = if error.is_some() { "failed" } else { "success" };
        assert_eq!(build["targets"][target], word, "{target}: {build}");
        let first = build["target_errors"][target].as_str();
        assert_eq!(first.is_some(), error.is_some(), "{target}: {build}");
        if let (Some(first), Some((_, wanted))) = (first, error) {
            assert!(first.contains(wanted), "{target}: {first}");
        }
    }
}

#[test]
fn a_package_compiles_for_what_its_declarations_and_its_build_script_allow() {
    let _machine = shared();
    let server = Server::start("targets", &["--targets", "on"]);
    let one = "pub fn one() u8 { return 1; }\n";
    let everywhere = package("targets-everywhere", "", one);
    assert_fails(&analysed(&server, &everywhere, VERSIONS[0]), &[]);
    let some = "const std = @import(\"std\");\n\
        pub fn flags() std.posix.O { return .{ .CLOEXEC = true }; }\n\
        const builtin = @import(\"builtin\");\n\
        comptime { if (builtin.os.tag == .macos) @compileError(\"not on macOS\"); }\n";
    let some = package("targets-some", "", some);
    let no_freebsd = "if (target.result.os.tag == .freebsd) @panic(\"no FreeBSD here\");";
    let part = format!("pub fn broken() void {{ @compileError(\"never\"); }}\n{one}");
    let part = package("targets-part", no_freebsd, &part);
    // Each target is a success of one package and a failure of the other, but for Linux.
    for version in VERSIONS {
        assert_fails(
            &analysed(&server, &some, version),
            &[
                ("x86_64-windows", "m.zig:2"),
                ("wasm32-wasi", "no field named 'CLOEXEC'"),
                ("aarch64-macos", "not on macOS"),
            ],
        );
        // What does not compile natively counts against no target.
        assert_fails(
            &analysed(&server, &part, version),
            &[("x86_64-freebsd", "no FreeBSD here")],
        );
    }
}

#[test]
fn what_is_shown_of_a_package_with_code_for_each_system_is_that_it_is_for_each() {
    let _machine = shared();
    let server = Server::start("targets-systems", &["--targets", "on"]);
    let root = "pub const windows = @import(\"windows.zig\");\npub const linux = @import(\"linux.zig\");\n";
    let only = |system: &str| {
        format!(
            "const builtin = @import(\"builtin\");\npub fn f() void {{ \
             if (builtin.os.tag != .{system}) @compileError(\"only for {system}\"); }}\n"
        )
    };
    let build = "const std = @import(\"std\");\npub fn build(b: *std.Build) void {\n\
        _ = b.addModule(\"m\", .{ .root_source_file = b.path(\"m.zig\"), .target = b.standardTargetOptions(.{}) });\n}\n";
    let tree = archive(
        "targets-systems",
        &[
            ("build.zig", build),
            ("m.zig", root),
            ("windows.zig", &only("windows")),
            ("linux.zig", &only("linux")),
        ],
    );
    let check = server.upload(&tree, "name=systems");
    let builds = server.finished(check);
    let newest = format!("/api/builds/{}", builds[0]["id"]);
    let newest = server.wait_for(&newest, |build| build["targets"] != Value::Null);
    assert_fails(
        &newest,
        &[
            ("aarch64-macos", "linux.zig:2"),
            ("wasm32-wasi", "linux.zig:2"),
            ("x86_64-freebsd", "linux.zig:2"),
        ],
    );
    // One build of a source is analysed, the one under the newest version.
    for older in &builds[1..] {
        let older = server.get(&format!("/api/builds/{}", older["id"]));
        assert_eq!(older["targets"], json!(null), "{older}");
    }
    let text = server.curl(&[], &format!("/checks/{check}")).body;
    assert!(
        text.contains("compiles for x86_64-windows, aarch64-linux"),
        "{text}"
    );
    assert!(text.contains("not for wasm32-wasi: linux.zig:2"), "{text}");
}
