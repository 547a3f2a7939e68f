//! How packages do as a dependency: the third stage of a build, with real Zig.

use crate::common::server::archive;
use crate::common::zig::{packed, zig_init};
use crate::exclusive::shared;
use crate::packages::{VERSIONS, server};
use serde_json::Value;

/// A `build.zig` with these lines, and both standard options if `options`.
fn build_zig(options: bool, lines: &str) -> String {
    let standard = "    const target = b.standardTargetOptions(.{});\n    const optimize = b.standardOptimizeOption(.{});\n";
    let fixed = "    const target = b.graph.host;\n    const optimize = null;\n";
    format!(
        "const std = @import(\"std\");\npub fn build(b: *std.Build) void {{\n{}{lines}}}\n",
        if options { standard } else { fixed }
    )
}

fn module(name: &str) -> String {
    format!(
        "    _ = b.addModule(\"{name}\", .{{ .root_source_file = b.path(\"src/{name}.zig\"), .target = target, .optimize = optimize }});\n"
    )
}

/// The manifest of a package called `leaf` whose files are these. Zig prints the fingerprint that it wants.
fn manifest(paths: &str) -> String {
    format!(
        ".{{ .name = .leaf, .version = \"0.1.0\", .fingerprint = 0xc69f00e711111111, .paths = .{{ {paths} }} }}\n"
    )
}

/// The builds of a package under all versions.
fn builds(name: &str, files: &[(&str, &str)]) -> Vec<Value> {
    let tree = archive(&format!("import-{name}"), files);
    let check = server().upload(&tree, &format!("name=import-{name}"));
    server().finished(check)
}

fn word<'v>(build: &'v Value, name: &str) -> &'v str {
    build[name].as_str().unwrap_or("null")
}

/// `NAME STATUS` of each module and artifact.
fn exports(build: &Value) -> Vec<String> {
    let all = build["modules"].as_array().into_iter().flatten();
    let mut all: Vec<String> = all
        .map(|one| format!("{} {}", word(one, "name"), word(one, "status")))
        .collect();
    all.sort();
    all
}

#[track_caller]
fn every_version(found: &[Value], status: &str, wanted: &[&str]) {
    assert_eq!(found.len(), VERSIONS.len());
    for build in found {
        assert_eq!(word(build, "import_status"), status, "{build}");
        assert_eq!(exports(build), wanted, "{build}");
    }
}

#[test]
fn two_modules_and_a_c_library_are_compiled_for_their_user() {
    let _machine = shared();
    let library = "    const lib = b.addLibrary(.{ .name = \"blue\", .root_module = b.createModule(.{ .target = target, .optimize = optimize, .link_libc = true }) });\n    lib.root_module.addCSourceFile(.{ .file = b.path(\"src/blue.c\") });\n    b.installArtifact(lib);\n";
    let build = build_zig(true, &(module("one") + &module("two") + library));
    let found = builds(
        "two",
        &[
            ("build.zig", &build),
            ("src/one.zig", "pub fn one() u8 { return 1; }\n"),
            ("src/two.zig", "pub const x = 2;\n"),
            ("src/blue.c", "int blue(void) { return 7; }\n"),
        ],
    );
    every_version(
        &found,
        "success",
        &["blue success", "one success", "two success"],
    );
    for build in &found {
        assert_eq!(word(build, "test_status"), "no_tests", "{build}");
        assert!(build["compiled"].as_u64() >= Some(3), "{build}");
    }
}

#[test]
fn a_file_that_paths_leaves_out_is_missed_by_every_user() {
    let _machine = shared();
    let build = build_zig(true, &module("leaf"));
    let root = "pub const helper = @import(\"helper.zig\");\ntest { _ = helper.x; }\n";
    let paths = "\"build.zig\", \"build.zig.zon\", \"src/leaf.zig\"";
    let found = builds(
        "paths",
        &[
            ("build.zig", &build),
            ("build.zig.zon", &manifest(paths)),
            ("src/leaf.zig", root),
            ("src/helper.zig", "pub const x = 1;\n"),
        ],
    );
    every_version(&found, "failed", &["leaf failed"]);
    for build in &found {
        assert_eq!(word(build, "build_status"), "success", "{build}");
        assert!(
            word(build, "detail").contains("src/helper.zig is not in .paths"),
            "{build}"
        );
    }
}

#[test]
fn a_declaration_that_nobody_tried_is_found() {
    let _machine = shared();
    let root = "pub fn fine() void {}\npub const Deep = struct { pub fn broken() void { const x: u8 = \"text\"; _ = x; } };\n\
        pub const windows = @compileError(\"only on Windows\");\npub const std = @import(\"std\");\npub const mem = std.mem;\n\
        pub var counter: usize = 0;\npub fn Generic(comptime T: type) type { return struct { pub fn f() T { return 0; } }; }\n\
        pub const Self = @This();\n";
    let found = builds(
        "partial",
        &[
            ("build.zig", &build_zig(true, &module("leaf"))),
            ("src/leaf.zig", root),
        ],
    );
    every_version(&found, "partial", &["leaf partial"]);
    for build in &found {
        let detail = word(build, "detail");
        assert!(
            detail.contains("2 public declarations do not compile"),
            "{build}"
        );
        let first = word(&build["modules"][0], "first_error");
        assert!(first.starts_with("src/leaf.zig:"), "{build}");
        assert_eq!(word(build, "reason"), "null", "{build}");
    }
}

#[test]
fn a_package_without_standard_options_is_used_without_them() {
    let _machine = shared();
    let found = builds(
        "bare",
        &[
            ("build.zig", &build_zig(false, &module("leaf"))),
            ("src/leaf.zig", "pub const x = 1;\n"),
        ],
    );
    every_version(&found, "success", &["leaf success"]);
}

#[test]
fn a_package_that_exports_nothing_pays_nothing() {
    let _machine = shared();
    let lines = "    const tests = b.addTest(.{ .root_module = b.createModule(.{ .root_source_file = b.path(\"src/leaf.zig\"), .target = target, .optimize = optimize }) });\n    b.step(\"test\", \"t\").dependOn(&b.addRunArtifact(tests).step);\n";
    let found = builds(
        "none",
        &[
            ("build.zig", &build_zig(true, lines)),
            ("src/leaf.zig", "test \"fine\" {}\n"),
        ],
    );
    every_version(&found, "none", &[]);
}

#[test]
fn a_module_that_does_not_compile_at_all_cannot_be_imported() {
    let _machine = shared();
    let found = builds(
        "broken",
        &[
            (
                "build.zig",
                &build_zig(true, &(module("leaf") + &module("fine"))),
            ),
            ("src/leaf.zig", "pub fn x() void {\n"),
            ("src/fine.zig", "//! It imports nothing.\n"),
        ],
    );
    every_version(&found, "failed", &["fine success", "leaf failed"]);
    for build in &found {
        assert_eq!(word(build, "reason"), "compile_error", "{build}");
        assert!(
            word(build, "detail").contains("module leaf: src/leaf.zig:2:1"),
            "{build}"
        );
    }
}

#[test]
fn a_build_script_that_needs_to_be_the_root_fails_as_a_dependency() {
    let _machine = shared();
    let lines = module("leaf") + "    if (b.pkg_hash.len != 0) @panic(\"not as a dependency\");\n";
    let found = builds(
        "root",
        &[
            ("build.zig", &build_zig(true, &lines)),
            ("src/leaf.zig", "pub const x = 1;\n"),
        ],
    );
    every_version(&found, "failed", &[]);
    for build in &found {
        assert!(
            word(build, "error_log").contains("not as a dependency"),
            "{build}"
        );
    }
}

#[test]
fn packages_of_zig_init_are_used_under_their_own_version() {
    let _machine = shared();
    for own in VERSIONS {
        let tree = packed(&zig_init(own));
        let check = server().upload(&tree, &format!("name=init&zig_versions={own}"));
        let build = server().finished(check).remove(0);
        assert_eq!(word(&build, "import_status"), "success", "{build}");
        assert!(!exports(&build).is_empty(), "{build}");
    }
}
