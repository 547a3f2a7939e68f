//! Times and verdicts that these tests share.

use zigcheck::app::domain::verdict::{BuildStatus, Reason, Verdict};

pub const HOUR: i64 = 3_600_000;
pub const DAY: i64 = 24 * HOUR;

pub fn success() -> Verdict {
    Verdict {
        build_status: BuildStatus::Success,
        reason: None,
        ..Verdict::failed(Reason::Lost, "")
    }
}
