//! Tests that end in other ways than with a failed expectation, and what compilers say beside Zig's own errors.

use super::{ROW, Row};

const FAILS: (&str, &str, &str) = ("success", "failed", "test_failure");

/// C source in the module.
const WITH_C: &str = "    mod.addCSourceFile(.{ .file = b.path(\"src/a.c\") });\n";

pub const ROWS: &[Row] = &[
    Row {
        name: "test-leaks",
        root: "test \"leaky\" { _ = try @import(\"std\").testing.allocator.create(u64); }\n",
        verdict: FAILS,
        detail: "test root.test.leaky leaked memory",
        log: "leaked",
        ..ROW
    },
    Row {
        name: "test-logs-errors",
        root: "test \"talks\" { @import(\"std\").log.err(\"not blue\", .{}); }\n",
        verdict: FAILS,
        detail: "test root.test.talks logged errors",
        log: "not blue",
        ..ROW
    },
    Row {
        name: "test-is-killed",
        root: "extern fn raise(c_int) c_int;\ntest \"killed\" { _ = raise(9); }\n",
        verdict: FAILS,
        // Its name in 0.16 and later, and its number before.
        detail: "test root.test.killed was ended by signal ",
        log: "terminated with signal",
        ..ROW
    },
    Row {
        name: "test-exits",
        root: "extern fn exit(c_int) noreturn;\ntest \"leaves\" { exit(3); }\n",
        verdict: FAILS,
        detail: "test root.test.leaves exited with code 3",
        log: "exited with code 3",
        ..ROW
    },
    Row {
        name: "test-runner-of-its-own",
        after: "    const other = b.addTest(.{ .root_module = mod, .test_runner = .{ .path = b.path(\"runner.zig\"), .mode = .simple } });\n    \
            run.step.dependOn(&b.addRunArtifact(other).step);\n",
        files: &[(
            "runner.zig",
            "pub fn main() void {\n    @import(\"std\").debug.print(\"FAIL: the moon\\n\", .{});\n    \
             @import(\"std\").process.exit(1);\n}\n",
        )],
        verdict: FAILS,
        detail: "the tests exited with code 1",
        log: "FAIL: the moon",
        ..ROW
    },
    Row {
        name: "name-of-a-failure",
        root: "test \"it failed success 1 errors\" { return error.Blue; }\n",
        verdict: FAILS,
        detail: "test root.test.it failed success 1 errors failed",
        // 0.16 prints the lines of a trace in pieces.
        log: "'root.test.it failed success 1 errors' failed",
        ..ROW
    },
    Row {
        name: "symbol-is-undefined",
        root: "extern fn missing_one() void;\ntest \"calls\" { missing_one(); }\n",
        verdict: ("success", "failed", "compile_error"),
        detail: "undefined symbol: missing_one",
        log: "undefined symbol: missing_one",
        exports: true,
        ..ROW
    },
    Row {
        name: "c-has-no-libc",
        before: "    const bare = b.addModule(\"bare\", .{ .root_source_file = b.path(\"src/root.zig\"), .target = target, .optimize = optimize });\n    \
            bare.addCSourceFile(.{ .file = b.path(\"src/a.c\") });\n    \
            b.getInstallStep().dependOn(&b.addTest(.{ .root_module = bare }).step);\n",
        files: &[("src/a.c", "#include <sys/types.h>\nint a;\n")],
        verdict: ("failed", "null", "compile_error"),
        detail: "src/a.c:1:10: 'sys/types.h' file not found",
        log: "'sys/types.h' file not found",
        ..ROW
    },
    Row {
        name: "c-is-for-another-system",
        after: WITH_C,
        files: &[("src/a.c", "#include <windows.h>\nint a;\n")],
        verdict: ("success", "failed", "compile_error"),
        detail: "src/a.c:1:10: 'windows.h' file not found",
        log: "'windows.h' file not found",
        ..ROW
    },
    Row {
        name: "c-is-not-translated",
        after: "    const c = b.addTranslateC(.{ .root_source_file = b.path(\"src/a.h\"), .target = target, .optimize = optimize });\n    \
            mod.addImport(\"c\", c.createModule());\n",
        root: "test \"uses it\" { _ = @import(\"c\").f; }\n",
        files: &[("src/a.h", "int f(no_such_type x);\n")],
        verdict: ("success", "failed", "compile_error"),
        detail: "src/a.h:1:",
        log: "src/a.h:1:",
        exports: true,
        ..ROW
    },
];
