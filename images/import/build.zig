//! A package that depends on the one under test: it compiles each module that the other exports, and each artifact that it installs.
const std = @import("std");

pub fn build(b: *std.Build) void {
    // This script is compiled ahead of its use, which is no use of the package yet.
    if (b.option(bool, "prepare", "do nothing") orelse false) return;
    const target = b.standardTargetOptions(.{});
    const optimize = b.standardOptimizeOption(.{});
    // Zig refuses options that the package does not have.
    const bare = b.option(bool, "bare", "pass no options to the package") orelse false;
    const plain = b.option(bool, "plain", "import the modules, and no more") orelse false;
    const no_artifacts = b.option(bool, "modules", "analyse the modules alone") orelse plain;
    const package = switch (bare) {
        true => b.dependency("package", .{}),
        false => b.dependency("package", .{ .target = target, .optimize = optimize }),
    };
    const use = b.step("use", "Compile all that the package exports");

    var modules = package.builder.modules.iterator();
    var n: usize = 0;
    while (modules.next()) |module| : (n += 1) {
        const root = b.createModule(.{
            .root_source_file = b.path(if (plain) "plain.zig" else "all.zig"),
            .target = target,
            .optimize = optimize,
        });
        root.addImport("module", module.value_ptr.*);
        // A test that is neither run nor installed is analysed only: no code is made.
        const analysis = b.addTest(.{ .name = b.fmt("module{d}", .{n}), .root_module = root });
        use.dependOn(&analysis.step);
        std.debug.print("zigcheck: exports module{d} {s}\n", .{ n, module.key_ptr.* });
    }
    for (package.builder.install_tls.step.dependencies.items) |step| {
        const installed = step.cast(std.Build.Step.InstallArtifact) orelse continue;
        if (!no_artifacts) use.dependOn(&installed.artifact.step);
        std.debug.print("zigcheck: exports artifact {s}\n", .{installed.artifact.name});
    }
}
