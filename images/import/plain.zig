//! Imports the module, and no more.
comptime {
    _ = @import("module");
}
