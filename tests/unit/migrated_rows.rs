//! The rows of databases before and after their upgrade.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::Connection;
use rusqlite::types::Value;

/// The columns that later versions added, and what old rows have in them.
const ADDED_COLUMNS: [(&str, &str, Value); 34] = [
    ("packages", "paused_at", Value::Null),
    ("builds", "node", Value::Null),
    ("events", "transition", Value::Null),
    ("totals", "kept_bytes", Value::Integer(0)),
    ("checks", "ancestors", Value::Text(String::new())),
    ("builds", "reused_commit", Value::Null),
    ("builds", "no_reuse", Value::Integer(0)),
    ("server", "compared_after", Value::Integer(0)),
    ("server", "counted_after", Value::Integer(0)),
    ("server", "analysed_after", Value::Integer(-1)),
    ("build_results", "counted", Value::Null),
    ("server", "recheck_before", Value::Null),
    ("packages", "minimum_zig_version", Value::Null),
    ("checks", "is_try", Value::Integer(0)),
    ("checks", "position", Value::Null),
    ("checks", "tag", Value::Null),
    ("checks", "commit_time", Value::Null),
    ("builds", "steps", Value::Text(String::new())),
    ("builds", "minimum_zig_version", Value::Null),
    ("builds", "zig_ms", Value::Null),
    ("totals", "packages_gone", Value::Integer(0)),
    ("totals", "builds_gone", Value::Integer(0)),
    ("build_results", "newest_build", Value::Null),
    ("packages", "fetched", Value::Integer(1)),
    ("packages", "removal", Value::Null),
    ("packages", "dir", Value::Null),
    ("checks", "dir", Value::Null),
    ("checks", "fresh", Value::Integer(0)),
    ("builds", "import_status", Value::Null),
    ("builds", "detail", Value::Text(String::new())),
    ("builds", "tests_skipped", Value::Null),
    ("builds", "modules", Value::Text(String::new())),
    ("builds", "flaky", Value::Integer(0)),
    ("builds", "targets", Value::Text(String::new())),
];

/// The tables that later versions added. They begin empty.
const ADDED_TABLES: [&str; 22] = [
    "recipes",
    "audit",
    "allowed_hosts",
    "quotas",
    "tokens",
    "transitions",
    "share_days",
    "kept_caches",
    "catalogue_checks",
    "catalogue_builds",
    "dated_versions",
    "refused_hosts",
    "declared_dependencies",
    "unindexed",
    "tried_versions",
    "tried",
    "comparisons",
    "comparison_counts",
    "comparison_groups",
    "commit_searches",
    "commit_lists",
    "target_checks",
];

/// The tables and columns whose names changed: old and new.
const RENAMED_TABLES: [(&str, &str); 2] = [("turns", "lanes"), ("tallies", "totals")];
const RENAMED_COLUMNS: [(&str, &str, &str); 14] = [
    ("server", "sweep_after", "rebuild_after"),
    ("uses", "url", "repository"),
    ("checks", "class", "priority"),
    ("checks", "party", "tenant"),
    ("builds", "log_start", "log_offset"),
    ("builds", "fetched", "deps_outcome"),
    ("builds", "shares", "waits_for"),
    ("builds", "needed", "ref_count"),
    ("queue", "class", "priority"),
    ("queue", "party", "tenant"),
    ("turns", "class", "priority"),
    ("turns", "party", "tenant"),
    ("turns", "turn", "round"),
    ("durations", "noted", "update_seq"),
];

pub type Rows = Vec<BTreeMap<String, Value>>;

/// All rows of all tables: by table, in the order of their text, each value by its column.
pub fn all_rows(path: &Path) -> BTreeMap<String, Rows> {
    let db = Connection::open(path).unwrap();
    // The indexes of searches are tables as well, and hold nothing but what others do.
    let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT GLOB '*_texts*'";
    let mut statement = db.prepare(sql).unwrap();
    let tables = statement.query_map([], |row| row.get(0)).unwrap();
    let tables: Vec<String> = tables.map(Result::unwrap).collect();
    let rows = |table: &String| {
        let mut statement = db.prepare(&format!("SELECT * FROM {table}")).unwrap();
        let names = statement.column_names();
        let names: Vec<String> = names.into_iter().map(String::from).collect();
        let row = |row: &rusqlite::Row| {
            names
                .iter()
                .map(|n| Ok((n.clone(), row.get(n.as_str())?)))
                .collect()
        };
        let mut rows: Rows = statement
            .query_map([], row)
            .unwrap()
            .map(Result::unwrap)
            .collect();
        rows.sort_by_key(|row| format!("{row:?}"));
        (table.clone(), rows)
    };
    // The history has a test of its own.
    let tables = tables.iter().filter(|table| !table.starts_with("history"));
    tables.map(rows).collect()
}

/// The rows of a database of version 0 under today's names, without the column that is gone.
pub fn renamed(old: BTreeMap<String, Rows>) -> BTreeMap<String, Rows> {
    let table = |(old_table, rows): (String, Rows)| {
        let column = |old: String| {
            let new = RENAMED_COLUMNS
                .iter()
                .find(|(table, name, _)| *table == old_table && *name == old);
            new.map_or(old, |(_, _, new)| new.to_string())
        };
        let row = |row: BTreeMap<String, Value>| {
            row.into_iter()
                .filter(|(name, _)| name != "own_name")
                .map(|(name, value)| (column(name), value))
                .collect()
        };
        let mut rows: Rows = rows.into_iter().map(row).collect();
        rows.sort_by_key(|row| format!("{row:?}"));
        let new = RENAMED_TABLES.iter().find(|(old, _)| *old == old_table);
        (
            new.map_or(old_table.clone(), |(_, new)| new.to_string()),
            rows,
        )
    };
    old.into_iter().map(table).collect()
}

/// The numbers of these tasks.
fn waiting(queue: &Rows) -> Rows {
    let count = |priority: i64, is_paused: bool| {
        let of = queue
            .iter()
            .filter(|row| row["priority"] == Value::Integer(priority));
        let of = of.filter(|row| (row["not_before"] != Value::Integer(0)) == is_paused);
        Value::Integer(of.count() as i64)
    };
    let row = |priority: i64| {
        let columns = [
            ("priority", Value::Integer(priority)),
            ("ready", count(priority, false)),
            ("paused", count(priority, true)),
        ];
        columns
            .map(|(name, value)| (name.to_string(), value))
            .into()
    };
    (0..6).map(row).collect()
}

/// The builds that have ended, by version, status and reason.
fn counts() -> [BTreeMap<String, Value>; 3] {
    [
        ("0.16.0", "success", "", 2, 1, 1_599),
        ("0.17.1", "failed", "compile_error", 1, 0, 1_580),
        ("0.17.1", "pending", "cancelled", 1, 0, 1_598),
    ]
    .map(|(version, status, reason, builds, cached, last_at)| {
        let text = |text: &str| Value::Text(text.to_string());
        let columns = [
            ("zig_version", text(version)),
            ("build_status", text(status)),
            ("reason", text(reason)),
            ("builds", Value::Integer(builds)),
            ("cached", Value::Integer(cached)),
            ("last_at", Value::Integer(last_at)),
        ];
        columns
            .map(|(name, value)| (name.to_string(), value))
            .into()
    })
}

/// The rows of a database of version 1 with the columns of later ones.
pub fn extended(mut tables: BTreeMap<String, Rows>) -> BTreeMap<String, Rows> {
    for (table, column, value) in &ADDED_COLUMNS {
        for row in tables.get_mut(*table).unwrap() {
            let known = row.insert(column.to_string(), value.clone());
            assert_eq!(known, None, "{table}.{column} is new");
        }
    }
    for table in ADDED_TABLES {
        let known = tables.insert(table.to_string(), Vec::new());
        assert_eq!(known, None, "{table} is new");
    }
    tables.insert("waiting".to_string(), waiting(&tables["queue"]));
    let row = |columns: &[(&str, Value)]| {
        let columns = columns.iter().cloned();
        columns
            .map(|(name, value)| (name.to_string(), value))
            .collect()
    };
    let numbers = |columns: &[(&str, i64)]| {
        let columns = columns
            .iter()
            .map(|(name, value)| (*name, Value::Integer(*value)));
        row(&columns.collect::<Vec<_>>())
    };
    // Two that ran, and one from the cache.
    let builds = [
        ("day", 0),
        ("builds", 3),
        ("cached", 1),
        ("errors", 0),
        ("started", 2),
        ("waited_ms", 20),
    ];
    let builds = [&builds[..], &[("longest_wait_ms", 10)]].concat();
    tables.insert("build_days".to_string(), vec![numbers(&builds)]);
    tables.insert("build_counts".to_string(), counts().into());
    let all =
        [("id", 0), ("day", 0), ("packages", 0)].map(|(name, value)| (name, Value::Integer(value)));
    let all = [&all[..], &[("last_package", Value::Null)]].concat();
    let first = [("id", 1), ("day", 0), ("packages", 3), ("last_package", 3)];
    tables.insert("share_sets".to_string(), vec![row(&all), numbers(&first)]);
    for row in tables.get_mut("packages").unwrap() {
        // Its only check has no source.
        if row["name"] == Value::Text("known-folders".to_string()) {
            row.insert("fetched".to_string(), Value::Integer(0));
        }
    }
    for row in tables.get_mut("build_results").unwrap() {
        let newest = match row["id"] {
            Value::Integer(1) => 7,
            // Cancelled, and newer than the shown verdict.
            Value::Integer(2) => 8,
            Value::Integer(3) => 5,
            _ => 6,
        };
        row.insert("newest_build".to_string(), Value::Integer(newest));
    }
    for rows in tables.values_mut() {
        rows.sort_by_key(|row| format!("{row:?}"));
    }
    tables
}
