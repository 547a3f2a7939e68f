const std = @import("std");

pub fn add(a: u32, b: u32) u32 {
    return a + b;
}

test add {
    try std.testing.expect(add(2, 3) == 5);
}
