//! What a newer Zig version changes, as JSON.

use serde_json::{Map, Value, json};

use crate::app::domain::comparison::Outcome;
use crate::app::domain::ids::BuildId;
use crate::app::domain::verdict::Reason;
use crate::app::render::view::forge;
use crate::app::store::comparison_groups::{BrokenRow, Group, PastRow};
use crate::app::store::comparison_list::{Asked, Comparison};
use crate::app::store::list::Paging;

/// The `compare` object of the API.
pub fn json(asked: &Asked, found: &Comparison, page: &Paging) -> Value {
    let counts = Outcome::ALL
        .iter()
        .map(|outcome| (outcome.as_str().to_string(), json!(found.count(*outcome))));
    let groups: Vec<Value> = found.groups.iter().map(group).collect();
    json!({
        "old": asked.older,
        "new": asked.newer,
        "packages": found.packages(),
        "counts": counts.collect::<Map<String, Value>>(),
        "built_under_old": found.built_before(),
        "tried_under_one": { "old": found.older_alone, "new": found.newer_alone },
        "not_found": found.not_found,
        "groups": groups,
        "total": found.total,
        "total_is_bounded": found.is_bounded,
        "page": page.page,
        "limit": page.limit,
        "is_complete": !found.is_filling,
    })
}

fn group(group: &Group) -> Value {
    json!({
        "error_key": group.error_key,
        "where": group.place,
        "reason": group.reason.map(Reason::as_str),
        "count": group.count,
        "packages": group.packages.iter().map(broken).collect::<Vec<Value>>(),
        "got_past": group.past.iter().map(past).collect::<Vec<Value>>(),
        "got_past_count": group.past_count,
    })
}

fn broken(row: &BrokenRow) -> Value {
    json!({
        "name": row.name,
        "commit": row.commit,
        "old_build": row.older_build.map(BuildId::get),
        "new_build": row.newer_build.map(BuildId::get),
    })
}

fn past(row: &PastRow) -> Value {
    json!({
        "name": row.name,
        "failing_commit": row.failing,
        "working_commit": row.working,
        "diff_url": forge::diff_url(&row.url, &row.failing, &row.working),
    })
}
