//! Every route, and every way a path or a query can be wrong.

use crate::ask::{VERSIONS, answer, refused, request};
use crate::common::rows;
use zigcheck::app::domain::ids::{BuildId, CheckId};
use zigcheck::app::domain::verdict::{BuildStatus, State};
use zigcheck::app::render::view::site::PageOptions;
use zigcheck::app::store::build_list::BuildFilter;
use zigcheck::app::store::list::Sort;
use zigcheck::app::store::package_list::PackageFilter;
use zigcheck::app::web::routes::pages::{PageCall, Target};
use zigcheck::app::web::routes::read::ReadCall;
use zigcheck::app::web::routes::submit::{SubmitCall, UploadOptions};
use zigcheck::app::web::routes::table::Call;
use zigcheck::app::web::routes::watch::WatchCall;

#[track_caller]
fn get(target: &str) -> Call {
    answer(&request("GET", target, b"")).unwrap()
}

#[track_caller]
fn get_is_refused(target: &str, words: &str) {
    let sentence = refused(400, &request("GET", target, b""));
    assert!(sentence.contains(words), "{target}: {sentence}");
}

#[test]
fn every_route_reads_its_call() {
    let page = || rows::page(1, 20);
    let sort = |column, down| Sort { column, down };
    let packages = Call::Read(ReadCall::Packages {
        filter: PackageFilter::default(),
        sort: sort("last_updated", true),
        page: page(),
    });
    let builds = Call::Read(ReadCall::Builds {
        filter: BuildFilter::default(),
        sort: sort("b.id", true),
        page: page(),
    });
    let name = "a.b_c-9".to_string();
    let id = BuildId(7);
    let check = |plain| ReadCall::Check {
        id: CheckId(5),
        plain,
    };
    let log = |tail| Call::Watch(WatchCall::Log { id, tail });
    let second = rows::page(2, 7);
    let front = PageCall {
        target: Target::Front {
            search: Some("a b".to_string()),
            page: page(),
        },
        options: plain_look(),
    };
    let package = PageCall {
        target: Target::Package {
            name: "x".to_string(),
        },
        options: PageOptions {
            color: true,
            ..plain_look()
        },
    };
    for (target, call) in [
        ("/api/health", Call::Health),
        ("/api/packages", packages),
        (
            "/api/packages/a.b_c-9",
            Call::Read(ReadCall::Package { name }),
        ),
        ("/api/checks/5", Call::Read(check(false))),
        ("/api/builds", builds),
        ("/api/builds/7", Call::Read(ReadCall::Build { id })),
        ("/api/builds/7/log", log(None)),
        ("/api/builds/7/log?tail=9", log(Some(9))),
        ("/api/queue", Call::Read(ReadCall::Queue { page: page() })),
        (
            "/api/queue?page=2&limit=7",
            Call::Read(ReadCall::Queue { page: second }),
        ),
        ("/?search=a+b", Call::Page(front)),
        ("/packages/x?color", Call::Page(package)),
    ] {
        assert_eq!(get(target), call, "{target}");
        assert_eq!(
            answer(&request("HEAD", target, b"")),
            Ok(call),
            "HEAD {target}"
        );
    }
    let mut plain = request("GET", "/api/checks/5", b"");
    plain.head.headers = vec![("accept".to_string(), "text/plain, */*".to_string())];
    assert_eq!(answer(&plain), Ok(Call::Read(check(true))));
    for (query, fresh) in [
        ("", false),
        ("?fresh", true),
        ("?fresh=1", true),
        ("?fresh=0", false),
    ] {
        let target = format!("/api/packages/x/builds{query}");
        let again = answer(&request("POST", &target, b""));
        let name = "x".to_string();
        assert_eq!(again, Ok(Call::Submit(SubmitCall::Rebuild { name, fresh })));
    }
    let all = VERSIONS.map(str::to_string).to_vec();
    let one = vec!["0.15.2".to_string()];
    let in_dir = "/api/check?name=x&zig_versions=0.15.2&dir=lib/a/&fresh";
    for (target, name, zig_versions, dir) in [
        (in_dir, "x", one, Some("lib/a".to_string())),
        ("/api/check", "upload", all, None),
    ] {
        let options = UploadOptions {
            name: name.to_string(),
            fresh: dir.is_some(),
            dir,
            zig_versions,
            watch: None,
        };
        assert_eq!(
            answer(&request("POST", target, b"")),
            Ok(Call::Upload(options))
        );
    }
}

fn plain_look() -> PageOptions {
    PageOptions {
        host: "HOST".to_string(),
        ..PageOptions::default()
    }
}

#[test]
fn what_is_no_route_is_nothing() {
    for path in [
        "",
        "/api",
        "/api/",
        "/api/nothing",
        "//",
        "x/api/queue",
        "/packages",
        "/packages/",
        "/packages/x/",
        "/index.html",
        "/api/packages/",
        "/api/packages/a/",
        "/api/packages//b",
        "/api/packages/a//b",
        "/API/health",
        "/api/health/",
        "//api/health",
        "/api/builds//log",
        "/api/builds/1/log/",
        "/api/check/1",
        "/admin",
        "/admin/",
        "/admin/builds",
        "/admin/status/",
        "/api/admin/status",
    ] {
        refused(404, &request("GET", path, b""));
    }
}

#[test]
fn every_part_of_a_path_is_decoded_and_a_hidden_slash_separates_nothing() {
    let queue = || {
        let page = rows::page(1, 20);
        Call::Read(ReadCall::Queue { page })
    };
    assert_eq!(get("/api/%71%75eue"), queue());
    assert_eq!(get("/%61pi/queue"), queue());
    assert!(matches!(
        get("/api/p%61ckages"),
        Call::Read(ReadCall::Packages { .. })
    ));
    let id = 7;
    assert_eq!(
        get("/api/builds/%37/%6cog"),
        Call::Watch(WatchCall::Log {
            id: BuildId(id),
            tail: None
        })
    );
    for path in [
        "/api%2Fqueue",
        "/api%2fqueue",
        "%2Fapi/queue",
        "/api/builds%2F1/log",
    ] {
        refused(404, &request("GET", path, b""));
    }
    for path in [
        "/api/%", "/api/%7", "/api/%7x", "/api/%x7", "/api/%+7", "/api/%ff", "/%C3/x",
    ] {
        get_is_refused(path, "UTF-8 in whole escapes");
    }
}

#[test]
fn a_part_of_the_path_is_decoded_and_then_checked() {
    let name = "a.b-c".to_string();
    assert_eq!(
        get("/api/packages/a%2Eb%2dc"),
        Call::Read(ReadCall::Package { name })
    );
    assert_eq!(
        get("/api/builds/%31"),
        Call::Read(ReadCall::Build { id: BuildId(1) })
    );
    let long = "x".repeat(101);
    for part in [
        "a%2Fb", "a+b", "a%20b", "a%00", "%2e%2E", ".", "a&b", "%C3%A9", "a%25", &long,
    ] {
        get_is_refused(&format!("/api/packages/{part}"), "name: must be 1 to 100");
    }
    get_is_refused("/api/packages/%ff", "UTF-8");
    for part in [
        "0",
        "-1",
        "x",
        "1.0",
        "1&x=2",
        "1%00",
        "9223372036854775808",
        "1%20",
    ] {
        for target in [
            format!("builds/{part}"),
            format!("checks/{part}"),
            format!("builds/{part}/log"),
        ] {
            get_is_refused(
                &format!("/api/{target}"),
                "id: must be a whole number from 1",
            );
        }
    }
}

#[test]
fn pages_and_limits_have_bounds() {
    let of = |query: &str| match get(&format!("/api/packages?{query}")) {
        Call::Read(ReadCall::Packages { page, .. }) => (page.page, page.limit),
        call => panic!("{call:?}"),
    };
    assert_eq!(of("page=1&limit=1"), (1, 1));
    assert_eq!(of("page=3&limit=100"), (3, 100));
    assert_eq!(of("page=&limit="), (1, 20));
    for list in ["packages", "builds", "queue"] {
        for value in ["0", "-1", "101", "x", "1.5", "99999999999999999999999"] {
            let target = format!("/api/{list}?limit={value}");
            get_is_refused(&target, "limit: must be a whole number from 1 to 100");
        }
        for value in ["0", "-1", "x", "99999999999999999999999"] {
            get_is_refused(
                &format!("/api/{list}?page={value}"),
                "page: must be a whole number",
            );
        }
    }
    for value in ["0", "x", "-5"] {
        get_is_refused(
            &format!("/api/builds/1/log?tail={value}"),
            "tail: must be a whole number",
        );
    }
}

#[test]
fn sorts_come_from_a_closed_list() {
    for (word, column) in [
        ("name", "name"),
        ("created_at", "id"),
        ("last_updated", "last_updated"),
        ("popularity_score", "popularity_score"),
        ("relevance", "relevance"),
    ] {
        for (minus, wanted) in [("", false), ("-", true)] {
            let call = get(&format!("/api/packages?sort={minus}{word}"));
            let Call::Read(ReadCall::Packages { sort, .. }) = call else {
                panic!("{call:?}")
            };
            assert_eq!((sort.column, sort.down), (column, wanted), "{minus}{word}");
        }
    }
    for (word, column) in [
        ("id", "b.id"),
        ("created_at", "b.id"),
        ("finished_at", "ifnull(b.finished_at, 0)"),
        ("zig_version", "b.zig_version"),
    ] {
        let call = get(&format!("/api/builds?sort=-{word}"));
        let Call::Read(ReadCall::Builds { sort, .. }) = call else {
            panic!("{call:?}")
        };
        assert_eq!((sort.column, sort.down), (column, true), "{word}");
    }
    for word in ["-", "--name", "url", "NAME", "name;", "b.id", "name%20desc"] {
        get_is_refused(
            &format!("/api/packages?sort={word}"),
            "sort: must be one of name,",
        );
    }
    get_is_refused("/api/builds?sort=name", "sort: must be one of id,");
}

#[test]
fn filters_are_read_and_their_words_checked() {
    let text = |text: &str| Some(text.to_string());
    let call =
        get("/api/packages?search=a%25+b&zig_version=0.16.0&status=failed&license=MIT&author=");
    let Call::Read(ReadCall::Packages { filter, .. }) = call else {
        panic!("{call:?}")
    };
    let wanted = PackageFilter {
        search: text("a% b"),
        zig_version: text("0.16.0"),
        status: Some(BuildStatus::Failed),
        license: text("MIT"),
        author: None,
    };
    assert_eq!(filter, wanted);
    let call = get("/api/builds?package=p&check=4&zig_version=1&status=error&state=testing");
    let Call::Read(ReadCall::Builds { filter, .. }) = call else {
        panic!("{call:?}")
    };
    let wanted = BuildFilter {
        package: text("p"),
        uploads: false,
        check: Some(CheckId(4)),
        zig_version: text("1"),
        status: Some(BuildStatus::Error),
        state: Some(State::Testing),
    };
    assert_eq!(filter, wanted);
    get_is_refused(
        "/api/packages?status=good",
        "status: must be one of pending, success",
    );
    get_is_refused(
        "/api/builds?state=running",
        "state: must be one of queued, fetching",
    );
    get_is_refused("/api/builds?check=0", "check: must be a whole number");
}

#[test]
fn a_package_is_asked_for_by_its_name_or_by_its_repository() {
    for name in [
        "zig-clap",
        "Hejsil/zig-clap",
        "~a/b",
        "github.com/a/b",
        "h:3000/g/h/P",
    ] {
        let name = name.to_string();
        let call = get(&format!("/api/packages/{name}"));
        assert_eq!(call, Call::Read(ReadCall::Package { name: name.clone() }));
        let Call::Page(PageCall { target, .. }) = get(&format!("/packages/{name}")) else {
            panic!("{name}")
        };
        assert_eq!(target, Target::Package { name });
    }
    for name in ["a/<b>", "a/b%20c", "a/%22"] {
        get_is_refused(
            &format!("/api/packages/{name}"),
            "name: must be a NAME, OWNER/REPO",
        );
    }
}
