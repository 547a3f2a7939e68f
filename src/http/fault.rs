//! Why a request cannot be served.

use std::borrow::Cow;

/// The status and the sentence of the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    pub status: u16,
    pub sentence: Cow<'static, str>,
}

pub const fn fault(status: u16, sentence: &'static str) -> Fault {
    let sentence = Cow::Borrowed(sentence);
    Fault { status, sentence }
}

/// A fault whose sentence names a limit.
pub fn limit_fault(status: u16, sentence: String) -> Fault {
    let sentence = Cow::Owned(sentence);
    Fault { status, sentence }
}

/// A part of the head that is over its limit.
pub fn over(status: u16, part: &str, limit_bytes: usize) -> Fault {
    limit_fault(
        status,
        format!("the request {part} is over {} KiB", limit_bytes >> 10),
    )
}
