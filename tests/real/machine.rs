//! What a package finds in its container: what its author's machine has.

use crate::common::server::{Server, archive};
use crate::exclusive::shared;
use crate::packages::{one, said, server, upload};

/// A module with tests, and libc, which nobody else can use.
const BUILD: &str = "const std = @import(\"std\");\npub fn build(b: *std.Build) void {\n\
    \x20   const target = b.standardTargetOptions(.{});\n    const optimize = b.standardOptimizeOption(.{});\n\
    \x20   const mod = b.createModule(.{ .root_source_file = b.path(\"src/root.zig\"), .target = target, .optimize = optimize, .link_libc = true });\n\
    \x20   const run = b.addRunArtifact(b.addTest(.{ .root_module = mod }));\n\
    \x20   b.step(\"test\", \"Run tests\").dependOn(&run.step);\n}\n";

#[test]
fn tests_may_write_where_every_machine_lets_them() {
    let _machine = shared();
    let root = "extern fn fopen([*:0]const u8, [*:0]const u8) ?*anyopaque;\n\
        extern fn shm_open([*:0]const u8, c_int, c_uint) c_int;\n\
        const expect = @import(\"std\").testing.expect;\n\
        test \"tmp\" { try expect(fopen(\"/tmp/leaf\", \"w\") != null); }\n\
        test \"var tmp\" { try expect(fopen(\"/var/tmp/leaf\", \"w\") != null); }\n\
        test \"home\" { try expect(fopen(\"/home/build/leaf\", \"w\") != null); }\n\
        test \"shared memory\" { try expect(shm_open(\"/leaf\", 0o102, 0o600) >= 0); }\n";
    let build = one(
        "places",
        "0.16.0",
        &[("build.zig", BUILD), ("src/root.zig", root)],
    );
    assert_eq!(said(&build), ("success", "success", "null"), "{build}");
    assert_eq!(build["tests_passed"], 4, "{build}");
}

#[test]
fn the_ipv6_loopback_is_there() {
    let _machine = shared();
    let root = "extern fn socket(c_int, c_int, c_int) c_int;\n\
        extern fn bind(c_int, *const anyopaque, c_uint) c_int;\n\
        const In6 = extern struct { family: u16 = 10, port: u16 = 0, flow: u32 = 0, addr: [16]u8 = [_]u8{0} ** 15 ++ [_]u8{1}, scope: u32 = 0 };\n\
        test \"listens on ::1\" {\n    const at: In6 = .{};\n\
        \x20   try @import(\"std\").testing.expect(bind(socket(10, 1, 0), &at, @sizeOf(In6)) == 0);\n}\n";
    let build = one(
        "loopback",
        "0.16.0",
        &[("build.zig", BUILD), ("src/root.zig", root)],
    );
    assert_eq!(said(&build), ("success", "success", "null"), "{build}");
}

#[test]
fn the_machine_knows_its_name_and_well_known_services() {
    let _machine = shared();
    let command = "getent hosts \"$(hostname)\" && getent services https && getent protocols tcp";
    let files = [("build.zig", &*crate::common::zig::build_zig(command))];
    let build = one("own-name", "0.16.0", &files);
    assert_eq!(said(&build), ("success", "success", "null"), "{build}");
}

#[test]
fn the_environment_is_that_of_a_fresh_shell() {
    let _machine = shared();
    let command = "env | cut -d= -f1 | sort | tr '\\n' ' ' >&2";
    let files = [("build.zig", &*crate::common::zig::build_zig(command))];
    let build = one("environment", "0.15.2", &files);
    let log = server().build_log(&build);
    let names = log
        .lines()
        .find(|line| line.contains("HOME"))
        .expect("the names");
    let mut names: Vec<&str> = names.split_whitespace().collect();
    // Set by a shell itself, and by Zig for the commands of a build.
    names.retain(|name| {
        !matches!(
            *name,
            "_" | "PWD" | "SHLVL" | "OLDPWD" | "CLICOLOR_FORCE" | "NO_COLOR" | "ZIG_PROGRESS"
        )
    });
    assert_eq!(names, ["HOME", "LANG", "LOGNAME", "PATH", "SHELL", "USER"]);
}

#[test]
fn what_a_desktop_leaves_beside_the_folder_does_not_matter() {
    let _machine = shared();
    for (name, beside) in [
        ("mac", "._leaf"),
        ("finder", ".DS_Store"),
        ("zip", "__MACOSX/._leaf"),
        ("editor", ".vscode/settings.json"),
        ("windows", "Thumbs.db"),
    ] {
        let files = [
            (beside, "\0\u{5}\u{16}\u{7}"),
            ("leaf/build.zig", BUILD),
            ("leaf/src/root.zig", "test \"fine\" {}\n"),
        ];
        let build = one(&format!("beside-{name}"), "0.16.0", &files);
        assert_eq!(
            said(&build),
            ("success", "success", "null"),
            "{name}: {build}"
        );
    }
}

#[test]
fn a_package_in_a_directory_is_named_and_found() {
    let _machine = shared();
    let files = [
        ("README", "two packages"),
        ("a/build.zig", BUILD),
        ("a/src/root.zig", "test \"fine\" {}\n"),
        ("b/c/build.zig", BUILD),
    ];
    let build = one("mono", "0.16.0", &files);
    assert_eq!(said(&build), ("failed", "null", "no_build_zig"), "{build}");
    let detail = build["detail"].as_str().expect("a sentence");
    assert!(
        detail.ends_with("these directories have one: a, b/c"),
        "{detail}"
    );
    let check = upload("mono-a", "zig_versions=0.16.0&dir=a", &files);
    let build = server().finished(check).remove(0);
    assert_eq!(said(&build), ("success", "success", "null"), "{build}");
    let check = upload("mono-d", "zig_versions=0.16.0&dir=d", &files);
    let build = server().finished(check).remove(0);
    assert_eq!(build["detail"], "the source has no directory d", "{build}");
}

#[test]
fn a_compiler_at_work_is_not_silent() {
    let _machine = shared();
    let server = Server::start("real-working", &["--silence-timeout", "8"]);
    // It computes for half a minute, and writes nothing.
    let busy = "end=$((SECONDS + 30)); while [ $SECONDS -lt $end ]; do :; done";
    let idle = "sleep 60";
    let check = |name: &str, command: &str| {
        let files = [("build.zig", &*crate::common::zig::build_zig(command))];
        let tree = archive(&format!("real-{name}"), &files);
        server.upload(&tree, &format!("name={name}&zig_versions=0.16.0"))
    };
    let checks = [check("working", busy), check("idle", idle)];
    let [working, idle] = checks.map(|check| server.finished(check).remove(0));
    assert_eq!(said(&working), ("success", "success", "null"), "{working}");
    assert_eq!(said(&idle), ("success", "failed", "silent"), "{idle}");
}
