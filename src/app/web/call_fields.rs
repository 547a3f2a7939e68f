//! The fields of answers and bodies, and the parameters, that are long or belong to several calls.

/// The fields of a package, a check and a build, and of a list.
pub const PACKAGE: &str = "id name url ref dir description author license created_at last_updated popularity_score \
    minimum_zig_version paused_at lowest_working_zig_version build_results open_issues";
pub const CHECK: &str = "id package url ref dir commit source finished created_at builds";
pub const BUILD: &str = "id check package uploaded zig_version commit source toolchain state build_status test_status \
    import_status reason detail compiled tests_passed tests_skipped tests_total modules targets \
    target_errors error_log flaky cached cached_from reused_commit node attempt priority queue_position \
    created_at started_at finished_at duration_ms peak_memory_bytes log_bytes log_truncated log_url";

pub const UPGRADE: &str =
    "package zig_version own dependencies holding_back total total_is_bounded";
pub const COMPARISON: &str = "old new packages counts built_under_old tried_under_one not_found groups total \
    total_is_bounded page limit is_complete";
pub const FEED: &str = "zig_version only";
pub const QUOTA: &str = "address per_hour reason created_at until";
pub const ISSUE: &str = "package zig_version issue_url issue_status";
pub const UPLOAD: &str = "name zig_versions dir fresh follow wait require";
pub const QUOTA_SET: &str = "address per_hour reason hours";
