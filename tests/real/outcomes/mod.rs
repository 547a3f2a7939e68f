//! What real compilers print, against the reason, the detail and the error log that people are shown. Each row is a small
//! package, and is run under all four versions: those of `commands` and `endings` under the slowest one in `make test-all`.

use std::collections::HashSet;

use crate::common::server::archive;
use crate::exclusive::shared;
use crate::packages::{VERSIONS, said, server};
use serde_json::Value;

/// A package, and what it comes to.
#[derive(Clone, Copy)]
struct Row {
    name: &'static str,
    /// Lines of `build`, before the module and after the test step.
    before: &'static str,
    after: &'static str,
    /// `src/root.zig`.
    root: &'static str,
    /// Other files; they may replace those above.
    files: &'static [(&'static str, &'static str)],
    /// Build, tests, reason.
    verdict: (&'static str, &'static str, &'static str),
    /// Parts of the detail and of the error log.
    detail: &'static str,
    log: &'static str,
    versions: &'static [&'static str],
    /// Its module is one for other packages, and is compiled as a dependency as well, which costs as much as all else.
    exports: bool,
}

const FINE: &str = "test \"fine\" { try @import(\"std\").testing.expect(1 + 1 == 2); }\n";
const WRONG: &str = "test \"wrong\" { try @import(\"std\").testing.expect(1 + 1 == 3); }\n";

const ROW: Row = Row {
    name: "",
    before: "",
    after: "",
    root: FINE,
    files: &[],
    verdict: ("success", "success", "null"),
    detail: "",
    log: "",
    versions: &VERSIONS,
    exports: false,
};

/// A command of the default step.
macro_rules! command {
    ($words:literal) => {
        concat!(
            "    const command = b.addSystemCommand(&.{ ",
            $words,
            " });\n    command.has_side_effects = true;\n    b.getInstallStep().dependOn(&command.step);\n"
        )
    };
}

mod commands;
mod endings;

const ROWS: &[Row] = &[
    Row {
        name: "test-fails",
        root: WRONG,
        verdict: ("success", "failed", "test_failure"),
        detail: "test root.test.wrong failed",
        log: "'root.test.wrong' failed",
        ..ROW
    },
    Row {
        name: "default-step-tests",
        root: WRONG,
        after: "    b.getInstallStep().dependOn(&run.step);\n",
        verdict: ("failed", "null", "test_failure"),
        detail: "test root.test.wrong failed",
        log: "'root.test.wrong' failed",
        ..ROW
    },
    Row {
        name: "test-panics",
        root: "test \"index\" { var a = [_]u8{ 1, 2 }; var n: usize = 2; _ = &n; a[n] = 3; }\n",
        verdict: ("success", "failed", "test_failure"),
        detail: "panicked: index out of bounds: index 2, len 2",
        log: "panic: index out of bounds: index 2, len 2",
        ..ROW
    },
    Row {
        name: "c-assertion",
        after: "    mod.addCSourceFile(.{ .file = b.path(\"src/a.c\") });\n",
        root: "extern fn check(c_int) void;\ntest \"asserts\" { check(0); }\n",
        files: &[(
            "src/a.c",
            "#include <assert.h>\nvoid check(int blue) { assert(blue == 7); }\n",
        )],
        verdict: ("success", "failed", "test_failure"),
        detail: "Assertion `blue == 7' failed",
        log: "Assertion `blue == 7' failed",
        ..ROW
    },
    Row {
        name: "tests-do-not-compile",
        root: "test \"type\" { const a: u8 = \"no\"; _ = a; }\n",
        verdict: ("success", "failed", "compile_error"),
        detail: "src/root.zig:1:29: expected type 'u8'",
        log: "error: expected type 'u8'",
        ..ROW
    },
    Row {
        name: "program-does-not-compile",
        after: "    b.installArtifact(b.addExecutable(.{ .name = \"leaf\", .root_module = mod }));\n",
        root: "pub fn main() void { nothing(); }\n",
        verdict: ("failed", "null", "compile_error"),
        detail: "use of undeclared identifier 'nothing'",
        log: "error: use of undeclared identifier 'nothing'",
        exports: true,
        ..ROW
    },
    Row {
        name: "command-exits",
        after: command!("\"sh\", \"-c\", \"echo it is blue; exit 3\""),
        verdict: ("failed", "null", "step_failure"),
        detail: "the command sh exited with code 3",
        log: "it is blue",
        ..ROW
    },
    Row {
        name: "command-crashes",
        after: command!("\"sh\", \"-c\", \"kill -SEGV $$\""),
        verdict: ("failed", "null", "step_failure"),
        detail: "the command sh was ended by",
        log: "run sh failure",
        ..ROW
    },
    Row {
        name: "program-is-missing",
        after: command!("\"protoc-not-there\", \"x\""),
        verdict: ("error", "null", "missing_system_library"),
        detail: "needs the program protoc-not-there",
        log: "protoc-not-there",
        ..ROW
    },
    Row {
        name: "script-is-missing",
        after: command!("\"./generate.sh\""),
        verdict: ("failed", "null", "step_failure"),
        detail: "generate.sh",
        log: "generate.sh",
        ..ROW
    },
    Row {
        name: "option-is-missing",
        before: "    _ = b.option([]const u8, \"board\", \"which\") orelse @panic(\"say -Dboard=NAME\");\n",
        verdict: ("failed", "null", "step_failure"),
        detail: "needs the option -Dboard: say -Dboard=NAME",
        log: "panic: say -Dboard=NAME",
        ..ROW
    },
    Row {
        name: "option-is-an-error",
        before: "    _ = b.option([]const u8, \"board\", \"which\") orelse return error.MissingBoard;\n",
        verdict: ("failed", "null", "step_failure"),
        // 0.17 names the error alone, the others the line with the option.
        detail: "oard",
        log: "MissingBoard",
        ..ROW
    },
    Row {
        name: "build-panics",
        before: "    if (target.result.cpu.arch != .s390x) @panic(\"the moon is wrong\");\n",
        verdict: ("failed", "null", "step_failure"),
        detail: "build.zig panicked: the moon is wrong",
        log: "panic: the moon is wrong",
        ..ROW
    },
    Row {
        name: "build-exits",
        before: "    if (target.result.cpu.arch != .s390x) { std.debug.print(\"this needs a moon\\n\", .{}); std.process.exit(1); }\n",
        verdict: ("failed", "null", "step_failure"),
        detail: "this needs a moon",
        log: "this needs a moon",
        ..ROW
    },
    Row {
        name: "build-does-not-compile",
        before: "    const n: u8 = \"text\";\n    _ = n;\n",
        verdict: ("failed", "null", "compile_error"),
        detail: "build.zig:5:19: expected type 'u8'",
        log: "error: expected type 'u8'",
        ..ROW
    },
    Row {
        name: "git-describe",
        before: "    _ = b.run(&.{ \"git\", \"describe\", \"--tags\" });\n",
        verdict: ("failed", "null", "step_failure"),
        detail: "not a git repository",
        log: "fatal: not a git repository",
        ..ROW
    },
    Row {
        name: "program-of-build-is-missing",
        before: "    _ = b.run(&.{ \"wayland-scanner-not-there\", \"--version\" });\n",
        verdict: ("error", "null", "missing_system_library"),
        detail: "needs the program wayland-scanner-not-there",
        log: "wayland-scanner-not-there",
        ..ROW
    },
    Row {
        name: "library-is-missing",
        after: "    mod.linkSystemLibrary(\"xcb\", .{});\n",
        verdict: ("error", "failed", "missing_system_library"),
        detail: "needs system library xcb",
        log: "unable to find",
        exports: true,
        ..ROW
    },
    Row {
        name: "header-is-missing",
        after: "    mod.addCSourceFile(.{ .file = b.path(\"src/a.c\") });\n",
        files: &[("src/a.c", "#include <X11/Xlib.h>\nint a;\n")],
        verdict: ("error", "failed", "missing_system_library"),
        detail: "needs system header X11/Xlib.h",
        log: "'X11/Xlib.h' file not found",
        exports: true,
        ..ROW
    },
    Row {
        name: "own-header-is-not-found",
        after: "    mod.addCSourceFile(.{ .file = b.path(\"src/a.c\") });\n",
        files: &[
            ("src/a.c", "#include <leaf.h>\nint a;\n"),
            ("include/leaf.h", "int leaf;\n"),
        ],
        verdict: ("success", "failed", "compile_error"),
        detail: "'leaf.h' file not found",
        log: "'leaf.h' file not found",
        exports: true,
        ..ROW
    },
    Row {
        name: "manifest-is-broken",
        files: &[(
            "build.zig.zon",
            ".{ .name = .leaf, .version = \"0.1.0\", .fingerprint = 0x1, .paths = .{\"\"} }\n",
        )],
        verdict: ("failed", "null", "compile_error"),
        detail: "build.zig.zon:1:",
        log: "invalid fingerprint: 0x1",
        ..ROW
    },
    Row {
        name: "all-tests-skipped",
        root: "test \"later\" { return error.SkipZigTest; }\n",
        verdict: ("success", "skipped", "null"),
        exports: true,
        ..ROW
    },
    Row {
        name: "summary-of-its-own",
        before: "    std.debug.print(\"Build Summary: 9/9 steps succeeded; 9/9 tests passed\\ninstall success\\n  test\\n\", .{});\n",
        root: "test \"prints\" { @import(\"std\").debug.print(\"Build Summary: 7/7 steps succeeded; 7/7 tests passed\\nerror: it is red\\n\", .{}); }\n",
        exports: true,
        ..ROW
    },
    Row {
        name: "any-word-in-a-name",
        after: "    b.installArtifact(b.addExecutable(.{ .name = \"3 errors failure\", .root_module = mod }));\n",
        root: "pub fn main() void {}\ntest \"fine\" {}\n",
        exports: true,
        ..ROW
    },
    Row {
        name: "colours",
        root: "test \"red\" { @import(\"std\").debug.print(\"\\x1b[1;31merror:\\x1b[0m expected \\x1b[32mblue\\x1b[0m\\n\", .{}); return error.Red; }\n",
        verdict: ("success", "failed", "test_failure"),
        detail: "test root.test.red failed",
        log: "error: expected blue\n",
        ..ROW
    },
];

/// The files of a row's package.
fn files(row: &Row) -> Vec<(&'static str, String)> {
    let module = match row.exports {
        true => "b.addModule(\"leaf\", .{",
        false => "b.createModule(.{",
    };
    let build = format!(
        "const std = @import(\"std\");\n\
         pub fn build(b: *std.Build) !void {{\n\
         \x20   const target = b.standardTargetOptions(.{{}});\n\
         \x20   const optimize = b.standardOptimizeOption(.{{}});\n\
         {}\
         \x20   const mod = {module} .root_source_file = b.path(\"src/root.zig\"), .target = target, .optimize = optimize, .link_libc = true }});\n\
         \x20   const tests = b.addTest(.{{ .root_module = mod }});\n\
         \x20   const run = b.addRunArtifact(tests);\n\
         \x20   b.step(\"test\", \"Run tests\").dependOn(&run.step);\n\
         {}\
         }}\n",
        row.before, row.after
    );
    let mut files = vec![("build.zig", build), ("src/root.zig", row.root.to_string())];
    files.extend(
        row.files
            .iter()
            .map(|(path, text)| (*path, text.to_string())),
    );
    files
}

/// What is wrong with a build of that row; empty if nothing is.
fn wrong(row: &Row, build: &Value) -> String {
    let detail = build["detail"].as_str().unwrap_or("");
    let log = build["error_log"].as_str().unwrap_or("");
    let right = said(build) == row.verdict
        && detail.contains(row.detail)
        && log.contains(row.log)
        && !log.contains('\u{1b}')
        && (row.verdict.2 == "null" || !detail.is_empty());
    match right {
        true => String::new(),
        false => format!(
            "{} under {}: {:?}, detail {detail:?}, log:\n{log}\n",
            row.name,
            build["zig_version"],
            said(build)
        ),
    }
}

/// The check of that row under its versions among those.
fn upload(row: &Row, versions: &[&str]) -> i64 {
    let files = files(row);
    let files: Vec<(&str, &str)> = files.iter().map(|(p, t)| (*p, t.as_str())).collect();
    let tree = archive(&format!("outcome-{}", row.name), &files);
    let wanted = row.versions.iter().filter(|one| versions.contains(one));
    let wanted: Vec<&str> = wanted.copied().collect();
    let query = format!("name={}&zig_versions={}", row.name, wanted.join(","));
    server().upload(&tree, &query)
}

/// Builds the rows under their versions among those; says what is wrong.
fn differences(rows: &[Row], versions: &[&str]) -> String {
    let mut found = String::new();
    // A few at a time: other tests wait for the same two slots.
    for rows in rows.chunks(2) {
        let checks: Vec<i64> = rows.iter().map(|row| upload(row, versions)).collect();
        for (row, check) in rows.iter().zip(checks) {
            for build in server().finished(check) {
                found += &wrong(row, &build);
            }
        }
    }
    found
}

/// Compiles `build.zig` with LLVM: a build takes as long as under the three others together.
const SLOWEST: &str = "0.14.1";

#[test]
fn the_reason_is_what_happened() {
    let _machine = shared();
    let all = [ROWS, commands::ROWS, endings::ROWS].concat();
    let names: HashSet<&str> = all.iter().map(|row| row.name).collect();
    assert_eq!(names.len(), all.len(), "a name for each row");
    assert!(all.len() * VERSIONS.len() >= 60);
    let others: Vec<&str> = VERSIONS.into_iter().filter(|one| *one != SLOWEST).collect();
    let found = [
        differences(ROWS, &VERSIONS),
        differences(commands::ROWS, &others),
        differences(endings::ROWS, &others),
    ]
    .concat();
    assert!(found.is_empty(), "{found}");
}

#[test]
#[ignore = "takes three minutes: make test-all"]
fn the_reason_is_what_happened_under_the_slowest_version_too() {
    let _machine = shared();
    let rows = [commands::ROWS, endings::ROWS].concat();
    let found = differences(&rows, &[SLOWEST]);
    assert!(found.is_empty(), "{found}");
}
