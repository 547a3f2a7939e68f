//! What holds a package back under a Zig version: the rule, the tree, and the answers.

use serde_json::{Value, json};
use zigcheck::app::domain::declared::Declared;
use zigcheck::app::domain::ids::PackageId;
use zigcheck::app::domain::limits::{
    UPGRADE_DEPTH_LIMIT, UPGRADE_EDGES_LIMIT, UPGRADE_PACKAGES_LIMIT,
};
use zigcheck::app::domain::upgrade::{Tree, UpgradeState, Working, holds_back, state};
use zigcheck::app::domain::verdict::{BuildStatus, ImportStatus, Reason, Statuses, TestStatus};
use zigcheck::app::domain::verdict::{Grade, Verdict};
use zigcheck::app::store::store::Store;
use zigcheck::app::store::{declared, uses};

use crate::common::core::Inside;
use crate::comparisons::data::{Data, FIRST, OF_ZUL, OWN, SECOND, fails, works};

fn statuses(build: BuildStatus) -> Statuses {
    Statuses {
        build,
        test: None,
        import: None,
        compiled: Some(2),
    }
}

#[test]
fn the_state_follows_from_the_latest_verdict_and_the_commit_that_works() {
    let green = statuses(BuildStatus::Success);
    let amber = Statuses {
        import: Some(ImportStatus::Partial),
        ..green
    };
    let red = statuses(BuildStatus::Failed);
    let tests_fail = Statuses {
        test: Some(TestStatus::Failed),
        ..green
    };
    let import_fails = Statuses {
        import: Some(ImportStatus::Failed),
        ..green
    };
    let error = statuses(BuildStatus::Error);
    let pending = statuses(BuildStatus::Pending);
    use UpgradeState::{Fails, Unknown, Works, WorksFrom};
    // By the commit that works: none, an older one, the latest.
    let cases = [
        (Some(green), [Works, Works, Works]),
        (Some(amber), [Works, Works, Works]),
        (Some(red), [Fails, WorksFrom, Works]),
        (Some(tests_fail), [Fails, WorksFrom, Works]),
        (Some(import_fails), [Fails, WorksFrom, Works]),
        (Some(error), [Unknown, WorksFrom, Works]),
        (Some(pending), [Unknown, WorksFrom, Works]),
        (None, [Unknown, WorksFrom, Works]),
    ];
    let commits = [None, Some(Working::Older), Some(Working::Latest)];
    for (latest, expected) in cases {
        for (works, expected) in commits.into_iter().zip(expected) {
            assert_eq!(state(latest, works), expected, "{latest:?} {works:?}");
        }
    }
    let grades = [green, amber, red, error].map(Statuses::grade);
    let all = [Grade::Green, Grade::Amber, Grade::Red, Grade::Grey];
    assert_eq!(grades, all, "every grade is a case");
}

#[test]
fn only_what_fails_and_is_always_fetched_holds_back() {
    for state in UpgradeState::ALL {
        for is_lazy in [false, true] {
            let expected = *state == UpgradeState::Fails && !is_lazy;
            assert_eq!(holds_back(*state, is_lazy), expected, "{state:?} {is_lazy}");
        }
    }
}

fn url(name: &str) -> String {
    format!("https://github.com/x/{name}")
}

fn declared(name: &str, lazy: bool) -> Declared {
    Declared {
        name: name.to_string(),
        url: format!("git+{}#v1", url(name)),
        hash: None,
        lazy,
    }
}

/// The tree of package 0 where `edges` says what each declares: its number, and whether it is lazy.
fn tree(edges: &dyn Fn(i64) -> Vec<(i64, bool)>) -> Tree {
    let mut tree = Tree::new(PackageId(0), &url("p0"));
    while let Some((place, package)) = tree.next_package() {
        for (to, lazy) in edges(package.get()) {
            tree.add(
                place,
                declared(&format!("p{to}"), lazy),
                Some(PackageId(to)),
            );
        }
    }
    tree
}

/// Number, depth and whether it is lazy.
fn shape(tree: &Tree) -> Vec<(i64, usize, bool)> {
    let nodes = tree.nodes.iter().zip(tree.lazy());
    let shape = nodes.map(|(node, lazy)| (node.package.unwrap().get(), node.depth, lazy));
    shape.collect()
}

#[test]
fn a_tree_is_breadth_first_and_has_each_package_once() {
    // 0 needs 1 and 2, both need 3, which needs 0 and itself; 2 needs 1.
    let found = tree(&|from| match from {
        0 => vec![(1, false), (2, false)],
        1 => vec![(3, false)],
        2 => vec![(3, false), (1, false)],
        _ => vec![(0, false), (3, false)],
    });
    let expected = [(0, 0, false), (1, 1, false), (2, 1, false), (3, 2, false)];
    assert_eq!(shape(&found), expected);
    assert!(!found.is_cut);
    assert_eq!(found.nodes[3].parent, 1);
}

#[test]
fn a_dependency_is_lazy_where_no_way_without_a_lazy_one_leads_to_it() {
    // 1 is lazy and needs 2 and 4; 3 needs 2 a step later, and 2 needs 5.
    let found = tree(&|from| match from {
        0 => vec![(1, true), (3, false)],
        1 => vec![(2, false), (4, false)],
        3 => vec![(6, false)],
        6 => vec![(2, false)],
        2 => vec![(5, false)],
        _ => vec![],
    });
    let lazy = shape(&found).into_iter().filter(|row| row.2);
    assert_eq!(lazy.map(|row| row.0).collect::<Vec<i64>>(), [1, 4]);
}

#[test]
fn a_tree_ends_at_its_limits_and_says_so() {
    let chain = |length: i64| {
        tree(&move |from| {
            (from < length)
                .then_some((from + 1, false))
                .into_iter()
                .collect()
        })
    };
    let depth = UPGRADE_DEPTH_LIMIT;
    assert!(!chain(depth as i64).is_cut);
    assert_eq!(chain(depth as i64).nodes.len(), depth + 1);
    let long = chain(depth as i64 + 1);
    assert!(long.is_cut);
    assert_eq!(long.nodes.len(), depth + 1);

    let wide = |width: usize| {
        tree(&move |from| match from {
            0 => (1..=width as i64).map(|to| (to, false)).collect(),
            _ => vec![],
        })
    };
    assert!(!wide(UPGRADE_PACKAGES_LIMIT).is_cut);
    let widest = wide(UPGRADE_PACKAGES_LIMIT + 1);
    assert!(widest.is_cut);
    assert_eq!(widest.nodes.len(), UPGRADE_PACKAGES_LIMIT + 1);

    // Each of forty needs all of them.
    let mut added = 0;
    let mut dense = Tree::new(PackageId(0), &url("p0"));
    while let Some((place, _)) = dense.next_package() {
        for to in 1..=40 {
            dense.add(
                place,
                declared(&format!("p{to}"), false),
                Some(PackageId(to)),
            );
            added += 1;
        }
    }
    assert!(dense.is_cut);
    assert!(added < UPGRADE_EDGES_LIMIT + 40, "{added}");
}

fn declares(store: &mut Store, package: PackageId, names: &[(&str, bool)]) {
    let all: Vec<Declared> = names
        .iter()
        .map(|(name, lazy)| declared(name, *lazy))
        .collect();
    declared::set(store, package, &all).unwrap();
    let urls: Vec<String> = all.into_iter().map(|one| one.url).collect();
    uses::set(store, package, &urls).unwrap();
}

/// An application with nine dependencies, two of which hold it back.
fn catalogue() -> Store {
    let mut data = Data::new();
    let new = |data: &mut Data, name: &str, verdict: Verdict| data.both(name, 0, works(), verdict);
    let app = new(&mut data, "app", fails(OF_ZUL));
    let zul = new(&mut data, "zul", fails(OWN));
    let deep = new(&mut data, "deep", Verdict::failed(Reason::Timeout, ""));
    for name in ["fine", "also"] {
        new(&mut data, name, works());
    }
    new(&mut data, "rare", fails(OWN));
    new(&mut data, "unlucky", Verdict::error(Reason::Lost, ""));
    let log = data.package("log", 0);
    data.check(log, FIRST, &[("0.16.0", works())]);
    data.check(log, SECOND, &[("0.16.0", fails(OWN))]);
    data.package("untried", 0);
    let store = &mut data.store;
    let of_app = [
        ("also", false),
        ("log", false),
        ("nobody", false),
        ("rare", true),
        ("zul", false),
    ];
    declares(store, app, &of_app);
    declares(
        store,
        zul,
        &[("deep", false), ("fine", false), ("untried", false)],
    );
    declares(
        store,
        deep,
        &[("app", false), ("unlucky", false), ("zul", false)],
    );
    store.commit().unwrap();
    data.store
}

#[test]
fn each_dependency_says_whether_it_works_and_what_to_do_if_it_is_unknown() {
    let mut inside = Inside::open("upgrade", catalogue(), 1);
    let found = inside.json("/api/packages/app/upgrade/0.16.0");
    let rows = found["dependencies"].as_array().unwrap();
    let row = |row: &Value| {
        let text = |name: &str| row[name].as_str().unwrap_or("-").to_string();
        let held = if row["holds_back"] == true { "!" } else { "" };
        let (depth, lazy) = (&row["depth"], &row["lazy"]);
        format!(
            "{depth} {} of {}: {}{held} lazy {lazy}",
            text("name"),
            text("needed_by"),
            text("state")
        )
    };
    let expected = [
        "1 also of app: works lazy false",
        "1 log of app: works_from lazy false",
        "1 nobody of app: unknown lazy false",
        "1 rare of app: fails lazy true",
        "1 zul of app: fails! lazy false",
        "2 deep of zul: fails! lazy false",
        "2 fine of zul: works lazy false",
        "2 untried of zul: unknown lazy false",
        "3 unlucky of deep: unknown lazy false",
    ];
    assert_eq!(rows.iter().map(row).collect::<Vec<String>>(), expected);
    assert_eq!(
        (&found["holding_back"], &found["total"]),
        (&json!(2), &json!(9))
    );
    assert_eq!(found["total_is_bounded"], false);
    assert_eq!(found["own"]["state"], "fails");
    assert_eq!(found["own"]["where"], "dependency:zul");

    let by_name = |name: &str| rows.iter().find(|row| row["name"] == name).unwrap();
    let (log, zul, nobody) = (by_name("log"), by_name("zul"), by_name("nobody"));
    assert_eq!(log["commit"], FIRST, "the older one works");
    assert_eq!(log["error_key"], zul["error_key"], "the latest one fails");
    assert_eq!(zul["commit"], FIRST);
    assert_eq!(zul["error_key"], "struct 'std' has no member named 'lang'");
    assert_eq!(zul["where"], "package");
    assert_eq!(by_name("deep")["reason"], "timeout");
    assert_eq!(by_name("also")["error_key"], Value::Null);
    assert_eq!(
        (&nobody["package"], &nobody["commit"]),
        (&Value::Null, &Value::Null)
    );
    let form = nobody["submit"].as_str().unwrap();
    let page = inside.request("GET", form, &[("accept", "text/html")], b"");
    let page = String::from_utf8(page.body).unwrap();
    assert!(
        page.contains("value=\"git+https://github.com/x/nobody#v1\""),
        "{page}"
    );
    assert_eq!(by_name("untried")["submit"], Value::Null, "it is known");
    let keys = |row: &Value| {
        let mut keys: Vec<String> = row.as_object().unwrap().keys().cloned().collect();
        keys.sort();
        keys
    };
    assert_eq!(keys(nobody), keys(zul));

    let older = inside.json("/api/packages/app/upgrade/0.15.2");
    assert_eq!(older["holding_back"], 0);
    let alone = inside.json("/api/packages/fine/upgrade/0.16.0");
    assert_eq!(
        (&alone["own"]["state"], &alone["total"]),
        (&json!("works"), &json!(0))
    );
}

#[test]
fn what_holds_back_most_comes_first() {
    let mut inside = Inside::open("blockers", catalogue(), 1);
    let found = inside.json("/api/upgrade/0.16.0");
    let rows = found["blockers"].as_array().unwrap();
    let row = |row: &Value| {
        let name = row["package"].as_str().unwrap().to_string();
        (
            name,
            row["dependents"].as_i64().unwrap(),
            row["state"].as_str().unwrap().to_string(),
        )
    };
    let expected = [
        ("zul", 2, "fails"),
        ("log", 1, "works_from"),
        ("rare", 1, "fails"),
        ("deep", 1, "fails"),
        ("app", 1, "fails"),
    ];
    let expected =
        expected.map(|(name, users, state)| (name.to_string(), users, state.to_string()));
    assert_eq!(rows.iter().map(row).collect::<Vec<_>>(), expected);
    assert_eq!(
        (&found["total"], &found["total_is_bounded"]),
        (&json!(5), &json!(false))
    );
    let second = inside.json("/api/upgrade/0.16.0?limit=2&page=2");
    assert_eq!(
        (&second["blockers"][0], &second["total"]),
        (&rows[2], &json!(5))
    );
    assert_eq!(second["blockers"].as_array().unwrap().len(), 2);
    assert_eq!(inside.json("/api/upgrade/0.15.2")["blockers"], json!([]));
}

#[test]
fn the_page_is_the_same_for_curl_and_for_a_browser() {
    let mut inside = Inside::open("upgrade-page", catalogue(), 1);
    let wanted = "\
app under Zig 0.16.0: fails, zul: struct 'std' has no member named 'lang'

DEPENDENCY   NEEDED BY  VERDICT                   COMMIT        TAG  BECAUSE
also         app        works                     0123456789ab
log          app        works at an older commit  0123456789ab       the latest: struct 'std' has no member named 'lang'
nobody       app        unknown                                      not known here
    submit it: zig.example.org/submit?url=git%2Bhttps%3A%2F%2Fgithub.com%2Fx%2Fnobody%23v1
rare (lazy)  app        fails                     0123456789ab       struct 'std' has no member named 'lang'
zul          app        fails                     0123456789ab       struct 'std' has no member named 'lang'
deep         zul        fails                     0123456789ab       timeout
fine         zul        works                     0123456789ab
untried      zul        no verdict
unlucky      deep       no verdict                0123456789ab       lost

2 of 9 hold it back; 1 that is lazy fails as well
";
    assert_eq!(inside.curl("/packages/app/upgrade/0.16.0"), wanted);
    let html = [("accept", "text/html")];
    let mut page = |target: &str| {
        let response = inside.request("GET", target, &html, b"");
        assert_eq!(response.status, 200, "{target}");
        String::from_utf8(response.body).unwrap()
    };
    let tree = page("/packages/app/upgrade/0.16.0");
    for part in [
        "<title>app under Zig 0.16.0: 2 of 9 hold it back",
        "href=\"/packages/zul\"",
        "struct 'std' has no member named 'lang'",
        "href=\"/submit?url=git%2Bhttps%3A%2F%2Fgithub.com%2Fx%2Fnobody%23v1\"",
        "<strong>2 of 9 hold it back; 1 that is lazy fails as well</strong>",
        "href=\"/upgrade/0.16.0\"",
    ] {
        assert!(tree.contains(part), "{part}: {tree}");
    }
    assert!(page("/packages/app").contains("href=\"/packages/app/upgrade/0.16.0\""));
    let list = page("/upgrade/0.16.0?limit=2&page=2");
    for part in [
        "rare",
        "deep",
        "href=\"/upgrade/0.16.0?limit=2&amp;page=3\"",
        "href=\"/packages/deep/upgrade/0.16.0\"",
    ] {
        assert!(list.contains(part), "{part}: {list}");
    }
    assert!(!list.contains(">zul<"));
    let wanted = "\
What holds back most packages under Zig 0.16.0

PACKAGE  USED BY  VERDICT                   COMMIT        TAG  BECAUSE
zul            2  fails                     0123456789ab       struct 'std' has no member named 'lang'
log            1  works at an older commit  0123456789ab       the latest: struct 'std' has no member named 'lang'
";
    let text = inside.curl("/upgrade/0.16.0?limit=2");
    assert!(text.starts_with(wanted), "{text}");
    let end = "\
5 packages that others depend on fail at the latest commit
Next page: curl 'zig.example.org/upgrade/0.16.0?limit=2&page=2'
";
    assert!(text.ends_with(end), "{text}");
}

#[test]
fn what_is_unknown_is_said_in_one_line() {
    let mut inside = Inside::open("upgrade-unknown", catalogue(), 1);
    let mut said = |target: &str| {
        let response = inside.request("GET", target, &[], b"");
        let body: Value = serde_json::from_slice(&response.body).unwrap();
        (response.status, body["error"].as_str().unwrap().to_string())
    };
    let no_package = (404, "there is no such package".to_string());
    assert_eq!(said("/api/packages/nobody/upgrade/0.16.0"), no_package);
    for target in ["/api/packages/app/upgrade/0.99.0", "/api/upgrade/0.99.0"] {
        let (status, sentence) = said(target);
        assert_eq!(status, 404);
        assert!(
            sentence.starts_with("unknown Zig version 0.99.0; available: "),
            "{sentence}"
        );
    }
    assert_eq!(said("/api/packages/a%2Fb/upgrade/0.16.0").0, 400);
    let plain = inside.request("GET", "/upgrade/0.99.0", &[], b"");
    let text = String::from_utf8(plain.body).unwrap();
    assert_eq!(
        (
            plain.status,
            text.starts_with("unknown Zig version 0.99.0; ")
        ),
        (404, true),
        "{text}"
    );
    for target in [
        "/packages/nobody/upgrade/0.16.0",
        "/packages/app/upgrade/0.99.0",
        "/upgrade/0.99.0",
    ] {
        let response = inside.request("GET", target, &[("accept", "text/html")], b"");
        let text = String::from_utf8(response.body).unwrap();
        assert_eq!(
            (response.status, text.starts_with("<!DOCTYPE html>")),
            (404, true),
            "{target}"
        );
    }
}

#[test]
fn a_package_is_found_by_its_repository_as_well() {
    let mut inside = Inside::open("upgrade-repository", catalogue(), 1);
    for (by_name, by_repository) in [
        (
            "/api/packages/app/upgrade/0.16.0",
            "/api/packages/x/app/upgrade/0.16.0",
        ),
        (
            "/packages/app/upgrade/0.16.0",
            "/packages/github.com/x/app/upgrade/0.16.0",
        ),
        ("/api/packages/app/compat", "/api/packages/x/app/compat"),
    ] {
        let page = inside.curl(by_name);
        assert!(page.contains("app"), "{page}");
        assert_eq!(inside.curl(by_repository), page, "{by_repository}");
    }
    let searched = inside.request("POST", "/api/packages/x/app/compat", &[], b"");
    assert_eq!(searched.status, 202);
    for target in [
        "/api/packages/x/nobody/compat",
        "/api/packages/x/nobody/upgrade/0.16.0",
    ] {
        assert_eq!(
            inside.request("GET", target, &[], b"").status,
            404,
            "{target}"
        );
    }
}
