//! Commands of a build that fail, and what the machine lacks for them.

use super::{ROW, Row};

/// A command whose output is checked, in the default step.
macro_rules! checked {
    ($words:literal, $check:literal) => {
        concat!(
            "    const command = b.addSystemCommand(&.{ ",
            $words,
            " });\n    command.",
            $check,
            ";\n    b.getInstallStep().dependOn(&command.step);\n"
        )
    };
}

/// Zig before 0.17, which runs `build.zig` and its steps in two processes.
const ONE_PROCESS: &[&str] = &["0.16.0", "0.15.2", "0.14.1"];

const MISSING: (&str, &str, &str) = ("error", "null", "missing_system_library");
const FAILS: (&str, &str, &str) = ("failed", "null", "step_failure");

pub const ROWS: &[Row] = &[
    Row {
        name: "not-the-expected-output",
        after: checked!("\"echo\", \"red\"", "expectStdOutEqual(\"blue\\n\")"),
        verdict: FAILS,
        detail: "run echo: its stdout is not what is expected",
        log: "expected this stdout",
        ..ROW
    },
    Row {
        name: "not-the-expected-file",
        after: "    const check = b.addCheckFile(b.path(\"src/root.zig\"), .{ .expected_matches = &.{\"blue\"} });\n    \
            b.getInstallStep().dependOn(&check.step);\n",
        verdict: FAILS,
        detail: "CheckFile: its content lacks what is expected",
        log: "expected to find",
        ..ROW
    },
    Row {
        name: "header-of-the-tests-lacks-a-value",
        after: "    mod.addConfigHeader(b.addConfigHeader(.{ .style = .{ .cmake = b.path(\"c.h.in\") } }, .{}));\n",
        files: &[("c.h.in", "#define MOON \"@MOON@\"\n")],
        verdict: ("success", "failed", "step_failure"),
        detail: "c.h.in:1: ",
        log: "MissingValue",
        exports: true,
        ..ROW
    },
    Row {
        name: "command-before-the-tests-fails",
        after: "    const command = b.addSystemCommand(&.{ \"sh\", \"-c\", \"echo no moon >&2; exit 3\", \"sh\" });\n    \
            mod.addAnonymousImport(\"moon\", .{ .root_source_file = command.addOutputFileArg(\"moon.zig\") });\n",
        verdict: ("success", "failed", "step_failure"),
        detail: " exited with code 3",
        log: "no moon",
        ..ROW
    },
    Row {
        name: "command-of-build-explains",
        before: "    _ = b.run(&.{ \"sh\", \"-c\", \"echo there is no moon >&2; exit 5\" });\n",
        verdict: FAILS,
        detail: "build.zig: the command sh ",
        log: "there is no moon\n",
        ..ROW
    },
    Row {
        name: "tool-of-a-shell-is-missing",
        after: command!("\"sh\", \"-c\", \"cmake-not-there --build .\""),
        verdict: MISSING,
        detail: "needs the program cmake-not-there",
        log: "cmake-not-there: not found",
        ..ROW
    },
    Row {
        name: "tool-of-a-script-is-missing",
        after: command!("\"bash\", \"./gen.sh\""),
        files: &[("gen.sh", "set -e\ncmake-not-there --build .\necho done\n")],
        verdict: MISSING,
        detail: "needs the program cmake-not-there",
        log: "cmake-not-there: command not found",
        ..ROW
    },
    Row {
        name: "script-of-the-package-is-missing",
        after: command!("\"sh\", \"-c\", \"./tools/gen --all\""),
        verdict: FAILS,
        detail: "the command sh exited with code 127",
        log: "./tools/gen: not found",
        ..ROW
    },
    Row {
        name: "interpreter-by-env-is-missing",
        after: command!("\"sh\", \"-c\", \"chmod +x gen.py; ./gen.py\""),
        files: &[("gen.py", "#!/usr/bin/env python3\nprint(1)\n")],
        verdict: MISSING,
        detail: "needs the program python3",
        log: "No such file or directory",
        ..ROW
    },
    Row {
        name: "interpreter-is-missing",
        before: "    _ = b.run(&.{ \"chmod\", \"+x\", \"gen.py\" });\n",
        after: command!("\"./gen.py\""),
        files: &[("gen.py", "#!/usr/bin/python3\nprint(1)\n")],
        verdict: MISSING,
        detail: "needs the program python3",
        log: "./gen.py",
        ..ROW
    },
    Row {
        name: "program-is-sought-in-vain",
        before: "    _ = b.findProgram(&.{ \"python3\", \"python\" }, &.{}) catch @panic(\"python is required\");\n",
        verdict: MISSING,
        detail: "needs the program python3",
        log: "panic: python is required",
        versions: ONE_PROCESS,
        ..ROW
    },
    Row {
        name: "pkg-config-is-forced",
        after: "    mod.linkSystemLibrary(\"xcb\", .{ .use_pkg_config = .force });\n",
        verdict: ("error", "failed", "missing_system_library"),
        detail: "needs system library xcb",
        log: "pkg-config",
        exports: true,
        ..ROW
    },
    Row {
        name: "build-runs-pkg-config",
        before: "    _ = b.run(&.{ \"pkg-config\", \"--cflags\", \"xcb\" });\n",
        verdict: MISSING,
        detail: "needs system library xcb",
        log: "Package xcb was not found",
        ..ROW
    },
    Row {
        name: "step-runs-pkg-config",
        after: command!("\"pkg-config\", \"--cflags\", \"xcb\""),
        verdict: MISSING,
        detail: "needs system library xcb",
        log: "Package xcb was not found",
        ..ROW
    },
    Row {
        name: "step-of-the-package-fails",
        after: "    const step = b.allocator.create(std.Build.Step) catch unreachable;\n    \
            step.* = .init(.{ .id = .custom, .name = \"fetch 3 errors failure\", .owner = b, .makeFn = moon });\n    \
            b.getInstallStep().dependOn(step);\n}\n\
            fn moon(step: *std.Build.Step, _: std.Build.Step.MakeOptions) anyerror!void {\n    \
            return step.fail(\"the moon is down\", .{});\n",
        verdict: FAILS,
        detail: "fetch 3 errors failure: the moon is down",
        log: "error: the moon is down",
        versions: ONE_PROCESS,
        ..ROW
    },
    // What Zig says by chance where a compiler ended at once: the words of the compiler are lost.
    Row {
        name: "reason-is-lost-once",
        after: command!(
            "\"sh\", \"-c\", \"[ ! -e /tmp/again ] || exit 0; touch /tmp/again; echo error: BrokenPipe >&2; exit 1\""
        ),
        versions: &["0.16.0"],
        ..ROW
    },
    Row {
        name: "reason-is-lost-always",
        after: command!("\"sh\", \"-c\", \"echo error: BrokenPipe >&2; exit 1\""),
        verdict: FAILS,
        detail: "the command sh exited with code 1",
        log: "error: BrokenPipe",
        versions: &["0.16.0"],
        ..ROW
    },
];
