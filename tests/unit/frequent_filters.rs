//! Filters that more packages pass than are read at once: the pages of such a list hold what SQL over all rows finds.

use crate::common::rows::{Place, page};
use rusqlite::Connection;
use zigcheck::app::domain::verdict::BuildStatus;
use zigcheck::app::store::limits::{COUNTED_LIMIT_ROWS, SOURCE_LIMIT_ROWS};
use zigcheck::app::store::list::Sort;
use zigcheck::app::store::package_list::{self, PackageFilter};
use zigcheck::app::store::store::Store;

/// Twice as many as make a filter frequent pass the rarest of these filters.
const PACKAGES: usize = SOURCE_LIMIT_ROWS * 8;

fn filled(place: &Place) -> (Store, Connection) {
    let store = place.open();
    let db = Connection::open(place.path()).unwrap();
    let fill = include_str!("fixtures/catalogue.sql").replace("PACKAGES", &PACKAGES.to_string());
    db.execute_batch(&fill).unwrap();
    // Versions that few packages have, and that many wait for.
    db.execute_batch(
        "INSERT INTO build_results (package_id, zig_version, build_status) \
         SELECT id, '0.9.0', 'failed' FROM packages WHERE id % 700 = 0 \
         UNION ALL SELECT id, '0.9.1', 'pending' FROM packages WHERE id % 2 = 0;",
    )
    .unwrap();
    (store, db)
}

/// The ids of a list, page by page behind the last row.
fn listed(store: &Store, filter: &PackageFilter, sort: Sort) -> Vec<i64> {
    let mut paging = page(1, 20);
    let mut ids = Vec::new();
    loop {
        let found = package_list::page(store, filter, sort, &paging);
        let found = found.unwrap().unwrap();
        ids.extend(found.rows.iter().map(|row| row.id.get()));
        match found.next {
            None => return ids,
            after => paging.after = after,
        }
    }
}

fn naive(db: &Connection, condition: &str, sort: Sort) -> Vec<i64> {
    let (column, direction) = (sort.column, if sort.down { "DESC" } else { "ASC" });
    let sql = format!(
        "SELECT id FROM packages p WHERE {condition} ORDER BY {column} {direction}, id {direction}"
    );
    let mut statement = db.prepare(&sql).unwrap();
    let ids = statement.query_map([], |row| row.get(0)).unwrap();
    ids.map(Result::unwrap).collect()
}

#[test]
fn the_pages_of_a_frequent_filter_hold_each_of_its_packages_once() {
    let place = Place::on_disk("frequent filters");
    let (store, db) = filled(&place);
    let all = PackageFilter::default;
    let text = |text: &str| Some(text.to_string());
    let search = |words: &str| PackageFilter {
        search: text(words),
        ..all()
    };
    let status = |status, version: Option<&str>| PackageFilter {
        status: Some(status),
        zig_version: version.map(str::to_string),
        ..all()
    };
    let cell = "EXISTS (SELECT 1 FROM build_results WHERE package_id = p.id AND";
    let cases = [
        (
            PackageFilter {
                license: text("MIT"),
                ..all()
            },
            "license = 'MIT'".to_string(),
        ),
        (
            status(BuildStatus::Failed, None),
            format!("{cell} build_status = 'failed')"),
        ),
        (
            status(BuildStatus::Failed, Some("0.17.1")),
            format!("{cell} build_status = 'failed' AND zig_version = '0.17.1')"),
        ),
        (
            status(BuildStatus::Failed, Some("0.9.0")),
            "id % 700 = 0".to_string(),
        ),
        (status(BuildStatus::Success, Some("0.9.0")), "0".to_string()),
        (status(BuildStatus::Pending, None), "id % 2 = 0".to_string()),
        (status(BuildStatus::Pending, Some("0.9.0")), "0".to_string()),
        (
            PackageFilter {
                license: text("BSD-3-Clause"),
                ..status(BuildStatus::Error, None)
            },
            format!("{cell} build_status = 'error') AND license = 'BSD-3-Clause'"),
        ),
        (search("json"), "name LIKE '%json%'".to_string()),
        (search("reads re"), "description LIKE '%reads%'".to_string()),
        (
            search("error:\"no member named 0.17\""),
            format!("{cell} error_log LIKE '%no member named 0.17%')"),
        ),
        (
            search("error:\"no member named rare\" license:mit"),
            format!("{cell} error_log LIKE '%no member named rare%') AND license = 'MIT'"),
        ),
    ];
    for (filter, condition) in cases {
        for (column, down) in [
            ("last_updated", true),
            ("name", false),
            ("popularity_score", true),
        ] {
            let sort = Sort { column, down };
            let found = listed(&store, &filter, sort);
            assert_eq!(
                found,
                naive(&db, &condition, sort),
                "{filter:?} by {column}"
            );
        }
    }
}

#[test]
fn a_full_page_of_a_frequent_filter_counts_no_more_packages_than_it_must() {
    let place = Place::on_disk("counted packages");
    let (store, _db) = filled(&place);
    let filter = PackageFilter {
        license: Some("MIT".to_string()),
        ..PackageFilter::default()
    };
    let sort = Sort {
        column: "name",
        down: false,
    };
    let found = package_list::page(&store, &filter, sort, &page(1, 20));
    let found = found.unwrap().unwrap();
    // Two of three packages.
    let counted = COUNTED_LIMIT_ROWS as u64 * 2 / 3;
    assert_eq!((found.rows.len(), found.is_bounded), (20, true));
    assert!(found.total.abs_diff(counted) <= 1, "{}", found.total);
}
