//! What the shell counts, for the metrics: since the start of the program, as of the end of a turn.

use crate::base::histogram::Histogram;

/// Bounds of the time of a turn, in microseconds. An idle turn takes some tens of them, a commit milliseconds, and
/// clients notice what is above a tenth of a second.
const TURN_BOUNDS_US: [u64; 12] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000,
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShellCounters {
    /// How long turns took, without the wait for something to do, in microseconds.
    pub turns: Histogram<{ TURN_BOUNDS_US.len() }>,
    pub clients: ClientCounters,
}

impl Default for ShellCounters {
    fn default() -> ShellCounters {
        ShellCounters {
            turns: Histogram::new(TURN_BOUNDS_US),
            clients: ClientCounters::default(),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ClientCounters {
    /// Connections that are open now.
    pub open: usize,
    /// Connections that were accepted, also those that were dropped at once.
    pub accepted: u64,
    pub received_bytes: u64,
    pub sent_bytes: u64,
    /// By `DropCause`.
    dropped: [u64; DropCause::ALL.len()],
}

impl ClientCounters {
    pub fn note_drop(&mut self, cause: DropCause) {
        self.dropped[cause as usize] += 1;
    }

    pub fn dropped(&self, cause: DropCause) -> u64 {
        self.dropped[cause as usize]
    }
}

/// Why the server ended a connection that its client had not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DropCause {
    /// Its address has too many, or opens them too fast.
    AddressLimit,
    /// Its request took too long to arrive.
    SlowRequest,
    /// It took no byte of its output for too long: a watcher that does not read.
    SlowReader,
    /// It asked for nothing.
    Idle,
    /// A WebSocket whose client answers no ping.
    NoPong,
    /// Its client did not hang up after the last answer.
    NoHangup,
}

impl DropCause {
    pub const ALL: [DropCause; 6] = [
        DropCause::AddressLimit,
        DropCause::SlowRequest,
        DropCause::SlowReader,
        DropCause::Idle,
        DropCause::NoPong,
        DropCause::NoHangup,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            DropCause::AddressLimit => "address_limit",
            DropCause::SlowRequest => "slow_request",
            DropCause::SlowReader => "slow_reader",
            DropCause::Idle => "idle",
            DropCause::NoPong => "no_pong",
            DropCause::NoHangup => "no_hangup",
        }
    }
}
