//! `GET /api/compare/OLD..NEW`.

use serde_json::{Value, json};
use zigcheck::app::domain::comparison::Outcome;
use zigcheck::app::domain::ids::BuildId;
use zigcheck::app::store::builds;

use super::data::{Data, FIRST, OF_ZUL, OWN, SECOND, fails, some, unexercised, works};
use crate::common::core::Inside;

const PAIR: &str = "/api/compare/0.15.2..0.16.0";

fn names(group: &Value) -> Vec<&str> {
    let packages = group["packages"].as_array().unwrap();
    packages
        .iter()
        .map(|row| row["name"].as_str().unwrap())
        .collect()
}

#[test]
fn each_package_is_counted_once_and_what_was_tried_under_one_version_alone_is_said() {
    let mut inside = Inside::open("compare-counts", some(), 1);
    let found = inside.json(PAIR);
    let expected = json!({"still_working": 3, "newly_broken": 4, "newly_fixed": 1, "still_failing": 1,
        "not_exercised": 1, "not_its_doing": 1});
    assert_eq!(found["counts"], expected);
    assert_eq!(
        (&found["old"], &found["new"]),
        (&json!("0.15.2"), &json!("0.16.0"))
    );
    assert_eq!(found["packages"], 11);
    // All but the one that failed, the one that could not be tried and the one that is fixed.
    assert_eq!(found["built_under_old"], 8);
    assert_eq!(found["tried_under_one"], json!({"old": 1, "new": 1}));
    let sum: u64 = Outcome::ALL
        .iter()
        .map(|o| found["counts"][o.as_str()].as_u64().unwrap())
        .sum();
    assert_eq!(found["packages"], sum);
}

#[test]
fn packages_that_broke_are_grouped_by_error_and_place_and_the_most_used_come_first() {
    let mut inside = Inside::open("compare-groups", some(), 1);
    let found = inside.json(PAIR);
    let groups = found["groups"].as_array().unwrap();
    let key = "struct 'std' has no member named 'lang'";
    let said = |group: &Value| {
        let at = |name: &str| group[name].as_str().map(str::to_string);
        (
            at("error_key"),
            at("where"),
            at("reason"),
            group["count"].as_u64().unwrap(),
        )
    };
    let some = |text: &str| Some(text.to_string());
    assert_eq!(said(&groups[0]), (some(key), some("package"), None, 2));
    assert_eq!(names(&groups[0]), ["many", "few"]);
    let rest: Vec<_> = groups[1..].iter().map(said).collect();
    assert!(
        rest.contains(&(some(key), some("dependency:zul"), None, 1)),
        "{rest:?}"
    );
    assert!(rest.contains(&(None, None, some("timeout"), 1)), "{rest:?}");
    assert_eq!(found["total"], 3);
    let many = &groups[0]["packages"][0];
    let builds = [&many["old_build"], &many["new_build"]].map(|id| id.as_i64().unwrap());
    for (build, version) in builds.into_iter().zip(["0.15.2", "0.16.0"]) {
        let build = inside.json(&format!("/api/builds/{build}"));
        assert_eq!(
            (&build["package"], &build["zig_version"]),
            (&json!("many"), &json!(version))
        );
        assert_eq!(build["commit"], many["commit"]);
    }
    let page = inside.json(&format!("{PAIR}?limit=1&page=2"));
    assert_eq!(page["groups"].as_array().unwrap().len(), 1);
    assert_eq!(
        (&page["page"], &page["limit"], &page["total"]),
        (&json!(2), &json!(1), &json!(3))
    );
    assert_ne!(page["groups"][0], groups[0]);
}

#[test]
fn a_group_says_how_others_got_past_its_error() {
    let mut inside = Inside::open("compare-past", some(), 1);
    let found = inside.json(PAIR);
    let diff = format!("https://github.com/x/log/compare/{FIRST}...{SECOND}");
    let expected = json!([{"name": "log", "failing_commit": FIRST, "working_commit": SECOND, "diff_url": diff}]);
    assert_eq!(found["groups"][0]["got_past"], expected);
    assert_eq!(found["groups"][0]["got_past_count"], 1);
    // In the dependency nobody did.
    assert_eq!(found["groups"][1]["got_past"], json!([]));
}

#[test]
fn a_comparison_can_be_limited_to_packages_and_to_an_error() {
    let mut inside = Inside::open("compare-some", some(), 1);
    let found = inside.json(&format!("{PAIR}?packages=few,fixed,veteran,nobody,few"));
    assert_eq!(
        (&found["packages"], &found["not_found"]),
        (&json!(2), &json!(["nobody"]))
    );
    assert_eq!(found["tried_under_one"], json!({"old": 1, "new": 0}));
    assert_eq!(names(&found["groups"][0]), ["few"]);
    let found = inside.json(&format!("{PAIR}?packages=3"));
    assert_eq!(found["counts"]["newly_broken"], 2, "many, log and user");
    assert_eq!(found["packages"], 3);
    let groups = found["groups"].as_array().unwrap();
    assert_eq!(
        groups.iter().map(names).collect::<Vec<_>>(),
        [["many"], ["user"]]
    );
    let whole = inside.json(&format!("{PAIR}?packages=1000"));
    let mut all = inside.json(PAIR);
    // Groups of one size are in no order that could be relied on.
    let sorted = |found: &mut Value| {
        let mut groups = found["groups"].take().as_array().unwrap().clone();
        groups.sort_by_key(|group| group.to_string());
        groups
    };
    let mut whole = whole;
    assert_eq!(sorted(&mut whole), sorted(&mut all));
    assert_eq!(whole, all, "the same counts by the rows as by the totals");
    let key = "error_key=struct+%27std%27+has+no+member+named+%27lang%27";
    let found = inside.json(&format!("{PAIR}?{key}"));
    assert_eq!(
        (&found["total"], &found["packages"]),
        (&json!(2), &json!(11))
    );
    let found = inside.json(&format!("{PAIR}?{key}&where=dependency:zul"));
    assert_eq!(names(&found["groups"][0]), ["user"]);
    assert_eq!(found["total"], 1);
    assert_eq!(
        inside.json(&format!("{PAIR}?{key}&packages=few"))["total"],
        1
    );
    assert_eq!(
        inside.json(&format!("{PAIR}?error_key=never+seen"))["groups"],
        json!([])
    );
}

#[test]
fn names_come_one_a_line_by_outcome_for_a_loop_of_a_shell() {
    let mut inside = Inside::open("compare-names", some(), 1);
    let mut lines = |query: &str| {
        let text = inside.curl(&format!("{PAIR}?format=names{query}"));
        let mut lines: Vec<String> = text.lines().map(str::to_string).collect();
        lines.sort();
        lines.join(" ")
    };
    assert_eq!(lines(""), "few many slow user");
    assert_eq!(lines("&outcome=newly_fixed"), "fixed");
    assert_eq!(lines("&outcome=not_its_doing"), "unlucky");
    assert_eq!(lines("&outcome=still_working"), "alive log still");
    assert_eq!(lines("&packages=few,fixed"), "few");
    assert_eq!(
        lines("&packages=many,few,slow&error_key=struct+'std'+has+no+member+named+'lang'"),
        "few many"
    );
    assert_eq!(
        lines("&error_key=struct+'std'+has+no+member+named+'lang'&where=package"),
        "few many"
    );
    assert_eq!(lines("&page=2"), "");
}

#[test]
fn versions_that_are_unknown_or_in_no_order_are_refused_with_a_line_that_helps() {
    let mut inside = Inside::open("compare-refused", some(), 1);
    for (target, status, said) in [
        (
            "0.15.2..0.18.0",
            404,
            "unknown Zig version 0.18.0; available: 0.16.0, 0.15.2",
        ),
        (
            "0.15.2",
            400,
            "the path must end in OLD..NEW, such as 0.16.0..0.17.1",
        ),
        (
            "0.15.2..",
            400,
            "the path must end in OLD..NEW, such as 0.16.0..0.17.1",
        ),
        (
            "0.15.2...0.16.0",
            400,
            "the path must end in OLD..NEW, such as 0.16.0..0.17.1",
        ),
        (
            "..%2f0.16.0",
            400,
            "the path must end in OLD..NEW, such as 0.16.0..0.17.1",
        ),
        (
            "0.16.0..0.15.2",
            400,
            "0.16.0 is not older than 0.15.2: the older version comes first",
        ),
        (
            "0.16.0..0.16.0",
            400,
            "0.16.0 is not older than 0.16.0: the older version comes first",
        ),
        (
            "0.15.2..0.16.0?packages=0",
            400,
            "packages: must be names separated by commas, or a number from 1 to 1000",
        ),
        (
            "0.15.2..0.16.0?packages=a%20b",
            400,
            "packages: must be 1 to 100 of A-Z a-z 0-9 . _ -, and not . or ..",
        ),
        (
            "0.15.2..0.16.0?where=package",
            400,
            "where: needs error_key",
        ),
        (
            "0.15.2..0.16.0?format=xml",
            400,
            "format: must be one of json, markdown, names",
        ),
        (
            "0.15.2..0.16.0?outcome=newly_fixed",
            400,
            "outcome: needs format=names",
        ),
    ] {
        let response = inside.request("GET", &format!("/api/compare/{target}"), &[], b"");
        let body: Value = serde_json::from_slice(&response.body).unwrap();
        assert_eq!(
            (response.status, &body["error"]),
            (status, &json!(said)),
            "{target}"
        );
    }
    // A version without a verdict so far.
    assert_eq!(
        inside.json("/api/compare/0.15.2..0.16.0?packages=newcomer")["packages"],
        0
    );
}

#[test]
fn a_version_that_the_server_no_longer_has_is_still_compared() {
    let mut data = Data::new();
    let id = data.package("p", 0);
    data.check(id, FIRST, &[("0.13.0", works()), ("0.16.0", fails(OWN))]);
    let mut inside = Inside::open("compare-retired", data.store, 1);
    let found = inside.json("/api/compare/0.13.0..0.16.0");
    assert_eq!(found["counts"]["newly_broken"], 1);
    assert_eq!(
        inside.json("/api/compare/0.13.0..0.15.2")["tried_under_one"]["old"],
        1
    );
}

#[test]
fn large_groups_show_their_most_used_packages_and_how_many_there_are() {
    let mut data = Data::new();
    for nth in 0..120 {
        let error = if nth % 10 == 0 { OF_ZUL } else { OWN };
        data.both(&format!("p{nth}"), nth, works(), fails(error));
    }
    for nth in 0..9 {
        data.both(&format!("q{nth}"), 0, unexercised(), works());
    }
    let mut inside = Inside::open("compare-large", data.store, 1);
    let found = inside.json(PAIR);
    let groups = found["groups"].as_array().unwrap();
    assert_eq!(
        (&groups[0]["count"], &groups[1]["count"]),
        (&json!(108), &json!(12))
    );
    let first = [
        "p119", "p118", "p117", "p116", "p115", "p114", "p113", "p112", "p111", "p109",
    ];
    assert_eq!(names(&groups[0]), first);
    assert_eq!(names(&groups[1]).len(), 10);
    assert_eq!(names(&groups[1])[..2], ["p110", "p100"]);
    let target =
        format!("{PAIR}?error_key=struct+'std'+has+no+member+named+'lang'&where=package&limit=1");
    let one = &inside.json(&target)["groups"][0];
    let shown = names(one);
    assert_eq!((shown.len(), shown[99]), (100, "p9"));
    let all = inside.curl(&format!("{PAIR}?format=names"));
    assert_eq!(all.lines().count(), 120);
}

#[test]
fn a_build_that_is_no_longer_kept_is_null() {
    let mut data = Data::new();
    let id = data.both("p", 0, works(), fails(OWN));
    data.check(id, SECOND, &[("0.15.2", works())]);
    data.check(id, "ab", &[("0.16.0", works())]);
    builds::delete(&mut data.store, BuildId(1)).unwrap();
    let mut inside = Inside::open("compare-deleted", data.store, 1);
    let expected = json!({"name": "p", "commit": FIRST, "old_build": null, "new_build": 2});
    assert_eq!(
        inside.json(PAIR)["groups"][0]["packages"],
        json!([expected])
    );
}
