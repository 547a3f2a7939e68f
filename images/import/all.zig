//! Analyses every public declaration of the module: an import alone is lazy and finds little.
const std = @import("std");

test {
    all(@import("module"));
}

/// A function of its own for each type and declaration: an error in one does not hide the others, and a type that leads back to
/// itself is analysed once.
fn all(comptime T: type) void {
    @setEvalBranchQuota(10_000_000);
    inline for (comptime std.meta.declarations(T)) |declaration| one(T, comptime nameOf(declaration));
}

fn one(comptime T: type, comptime name: []const u8) void {
    @setEvalBranchQuota(10_000_000);
    _ = &@field(T, name);
    if (@TypeOf(@field(T, name)) == type) {
        if (comptime isOwn(@field(T, name))) all(@field(T, name));
    }
}

/// Zig 0.17 lists the names themselves.
fn nameOf(comptime declaration: anytype) []const u8 {
    return if (@typeInfo(@TypeOf(declaration)) == .@"struct") declaration.name else declaration;
}

/// True for a type with declarations that is not of the standard library or made from C.
fn isOwn(comptime T: type) bool {
    if (!hasDeclarations(T) or T == std or T == @import("builtin")) return false;
    @setEvalBranchQuota(10_000_000);
    const name = @typeName(T);
    if (std.mem.indexOf(u8, name, "cimport") != null) return false;
    return !isAt(std, name, T);
}

fn hasDeclarations(comptime T: type) bool {
    return switch (@typeInfo(T)) {
        .@"struct", .@"union", .@"enum", .@"opaque" => true,
        else => false,
    };
}

/// True if T is what this path of names leads to in Scope. Of a type made by a generic function only the function has a path.
fn isAt(comptime Scope: type, comptime path: []const u8, comptime T: type) bool {
    if (!hasDeclarations(Scope)) return false;
    const end = std.mem.indexOfAny(u8, path, ".(") orelse path.len;
    const name = path[0..end];
    if (!@hasDecl(Scope, name)) return false;
    const found = @field(Scope, name);
    if (end == path.len) return @TypeOf(found) == type and found == T;
    if (path[end] == '(') return true;
    return @TypeOf(found) == type and isAt(found, path[end + 1 ..], T);
}
