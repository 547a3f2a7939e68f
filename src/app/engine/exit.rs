//! Exit codes of `docker run` beside 0: those of the scripts in the images, and the engine's own.

/// The host cannot be reached.
pub const UNREACHABLE: i32 = 10;
/// The host answered that the repository or file does not exist.
pub const NOT_THERE: i32 = 11;
pub const TOO_LARGE: i32 = 12;
/// The host answered that it is busy, or broke off.
pub const BUSY: i32 = 13;
/// The input did not arrive whole.
pub const TRUNCATED: i32 = 65;
/// Ended by SIGKILL: the server's, or that of the memory limit.
pub const KILLED: i32 = 137;
/// The engine's own: the image has no such script.
pub const NO_SCRIPT: i32 = 127;
/// The engine's own: the container was not created, or not started.
pub const REFUSED: i32 = 125;

/// True for a code that proves that the container ran. A client that never got a container may exit with any other.
pub fn is_of_container(code: i32) -> bool {
    matches!(
        code,
        0 | UNREACHABLE | NOT_THERE | TOO_LARGE | BUSY | TRUNCATED | KILLED
    )
}
