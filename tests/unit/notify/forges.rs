//! The requests of each forge, as it documents them.

use serde_json::{Value, json};
use zigcheck::notify::forge::{self, Status};
use zigcheck::shell::curl::Call;

use super::config;

fn header<'a>(call: &'a Call, name: &str) -> Option<&'a str> {
    let found = call.headers.iter().find(|(known, _)| *known == name);
    found.map(|(_, value)| &value[..])
}

fn body(call: &Call) -> Value {
    serde_json::from_str(call.body.as_ref().unwrap()).unwrap()
}

const STATUS: Status = Status {
    sha: "c0ffee",
    state: "failure",
    context: "zigcheck/0.16.0",
    description: "failed",
    target_url: "https://zig.example.org/builds/7",
};

#[test]
fn a_repository_belongs_to_the_forge_of_its_host() {
    let config = config();
    let of = |url: &str| {
        let (forge, project) = config.forge_of(url)?;
        Some(format!("{} {project}", forge.url))
    };
    let github = Some("https://github.com x/zeit".to_string());
    for url in [
        "https://github.com/x/zeit",
        "https://www.github.com/X/Zeit.git",
        "http://github.com:80/x/zeit",
        "git+https://github.com/x/zeit.git#abc",
    ] {
        assert_eq!(of(url), github, "{url}");
    }
    let gitlab = "https://gitlab.example.org/git";
    assert_eq!(
        of(&format!("{gitlab}/g/h/P")),
        Some(format!("{gitlab} g/h/P"))
    );
    for url in [
        "https://gitlab.example.org/g/h",
        "https://gitlab.example.org/gitty/g/h",
        "https://github.com.evil.example/x/zeit",
        "https://evil.example/github.com/x/zeit",
        "https://codeberg.org/x",
        "",
    ] {
        assert_eq!(of(url), None, "{url}");
    }
}

#[test]
fn a_status_is_posted_as_each_forge_has_it() {
    let config = config();
    let [github, forgejo, gitlab] = &config.forges[..] else {
        panic!()
    };
    let call = github.set_status("x/zeit", &STATUS);
    assert_eq!(
        (call.method, &call.url[..]),
        (
            "POST",
            "https://api.github.com/repos/x/zeit/statuses/c0ffee"
        )
    );
    assert_eq!(header(&call, "Authorization"), Some("Bearer github-secret"));
    assert_eq!(header(&call, "Accept"), Some("application/vnd.github+json"));
    assert_eq!(header(&call, "X-GitHub-Api-Version"), Some("2022-11-28"));
    let expected = json!({
        "state": "failure",
        "target_url": STATUS.target_url,
        "description": "failed",
        "context": "zigcheck/0.16.0",
    });
    assert_eq!(body(&call), expected);
    let call = forgejo.set_status("x/zeit", &STATUS);
    assert_eq!(
        call.url,
        "https://codeberg.org/api/v1/repos/x/zeit/statuses/c0ffee"
    );
    assert_eq!(header(&call, "Authorization"), Some("token forgejo-secret"));
    assert_eq!(body(&call), expected);
    let call = gitlab.set_status("g/h/P", &STATUS);
    let api = "https://gitlab.example.org/git/api/v4";
    assert_eq!(
        call.url,
        format!("{api}/projects/g%2Fh%2FP/statuses/c0ffee")
    );
    assert_eq!(header(&call, "PRIVATE-TOKEN"), Some("gitlab-secret"));
    assert_eq!(header(&call, "Authorization"), None);
    let expected = json!({
        "state": "failed",
        "target_url": STATUS.target_url,
        "description": "failed",
        "name": "zigcheck/0.16.0",
    });
    assert_eq!(body(&call), expected);
    for (state, at_github, at_gitlab) in [
        ("pending", "pending", "pending"),
        ("success", "success", "success"),
        ("error", "error", "failed"),
        ("cancelled", "error", "canceled"),
    ] {
        let status = Status { state, ..STATUS };
        assert_eq!(body(&github.set_status("x/y", &status))["state"], at_github);
        assert_eq!(
            body(&forgejo.set_status("x/y", &status))["state"],
            at_github
        );
        assert_eq!(body(&gitlab.set_status("x/y", &status))["state"], at_gitlab);
    }
}

#[test]
fn an_issue_is_opened_commented_and_closed_as_each_forge_has_it() {
    let config = config();
    let [github, forgejo, gitlab] = &config.forges[..] else {
        panic!()
    };
    let github_api = "https://api.github.com/repos/x/zeit";
    let forgejo_api = "https://codeberg.org/api/v1/repos/x/zeit";
    let gitlab_api = "https://gitlab.example.org/git/api/v4/projects/x%2Fzeit";
    for (forge, api, text, comments, close, list) in [
        (
            github,
            github_api,
            "body",
            "comments",
            ("PATCH", json!({ "state": "closed" })),
            "issues?state=open&per_page=50",
        ),
        (
            forgejo,
            forgejo_api,
            "body",
            "comments",
            ("PATCH", json!({ "state": "closed" })),
            "issues?state=open&type=issues&limit=50",
        ),
        (
            gitlab,
            gitlab_api,
            "description",
            "notes",
            ("PUT", json!({ "state_event": "close" })),
            "issues?state=opened&per_page=50",
        ),
    ] {
        let call = forge.open_issue("x/zeit", "title", "text");
        assert_eq!(
            (call.method, call.url.clone()),
            ("POST", format!("{api}/issues"))
        );
        assert_eq!(body(&call), json!({ "title": "title", text: "text" }));
        let call = forge.comment("x/zeit", "5", "mended");
        assert_eq!(
            (call.method, call.url.clone()),
            ("POST", format!("{api}/issues/5/{comments}"))
        );
        assert_eq!(body(&call), json!({ "body": "mended" }));
        let call = forge.close_issue("x/zeit", "5");
        assert_eq!(
            (call.method, call.url.clone()),
            (close.0, format!("{api}/issues/5"))
        );
        assert_eq!(body(&call), close.1);
        let call = forge.list_issues("x/zeit");
        assert_eq!(
            (call.method, call.url.clone()),
            ("GET", format!("{api}/{list}"))
        );
        assert_eq!(call.body, None);
    }
}

#[test]
fn the_file_of_an_owner_is_that_of_the_default_branch() {
    let config = config();
    let file = |nth: usize, project: &str| {
        let call = config.forges[nth].owners_file(project);
        let accept = header(&call, "Accept").unwrap().to_string();
        (call.method, call.url, accept)
    };
    let (method, url, accept) = file(0, "x/zeit");
    assert_eq!(
        (method, &url[..]),
        (
            "GET",
            "https://api.github.com/repos/x/zeit/contents/.zigcheck.json"
        )
    );
    assert_eq!(accept, "application/vnd.github.raw+json");
    assert_eq!(
        file(1, "x/zeit").1,
        "https://codeberg.org/api/v1/repos/x/zeit/raw/.zigcheck.json"
    );
    assert_eq!(
        file(2, "g/h/p").1,
        "https://gitlab.example.org/git/api/v4/projects/g%2Fh%2Fp/repository/files/.zigcheck.json/raw?ref=HEAD"
    );
}

#[test]
fn an_issue_is_known_by_its_url() {
    let config = config();
    let of = |nth: usize, url: &str| {
        let (project, number) = config.forges[nth].issue(url)?;
        Some(format!("{project} {number}"))
    };
    assert_eq!(
        of(0, "https://github.com/x/zeit/issues/5").as_deref(),
        Some("x/zeit 5")
    );
    assert_eq!(
        of(1, "https://codeberg.org/x/zeit/issues/12").as_deref(),
        Some("x/zeit 12")
    );
    let gitlab = "https://gitlab.example.org/git";
    for path in ["-/issues", "issues", "-/work_items"] {
        let url = format!("{gitlab}/g/h/p/{path}/9");
        assert_eq!(of(2, &url).as_deref(), Some("g/h/p 9"), "{url}");
    }
    for url in [
        "https://github.com/x/zeit/pull/5",
        "https://github.com/x/zeit/issues/5/../6",
        "https://github.com/x/zeit/issues/",
        "https://github.com/x/issues/5",
        "https://github.com/../user/issues/5",
        "https://github.com//user/issues/5",
        "https://evil.example/x/zeit/issues/5",
        "https://github.com.evil.example/x/zeit/issues/5",
    ] {
        assert_eq!(of(0, url), None, "{url}");
    }
}

#[test]
fn an_issue_is_found_again_by_title_and_mark() {
    let issue = |title: &str, body: &str, url: &str| json!({ "title": title, "body": body, "html_url": url });
    let list = json!([
        issue("t", "other text", "https://a/1"),
        issue("other", "mark", "https://a/2"),
        issue("t", "text mark", "https://a/3"),
    ]);
    assert_eq!(
        forge::find(&list.to_string(), "t", "mark").as_deref(),
        Some("https://a/3")
    );
    assert_eq!(forge::find("[]", "t", "mark"), None);
    assert_eq!(forge::find("{}", "t", "mark"), None);
    let gitlab = json!([{ "title": "t", "description": "mark", "web_url": "https://a/4" }]);
    assert_eq!(
        forge::find(&gitlab.to_string(), "t", "mark").as_deref(),
        Some("https://a/4")
    );
    assert_eq!(
        forge::opened(r#"{"html_url":"https://a/5"}"#).as_deref(),
        Some("https://a/5")
    );
    assert_eq!(
        forge::opened(r#"{"web_url":"https://a/6"}"#).as_deref(),
        Some("https://a/6")
    );
    assert_eq!(forge::opened(""), None);
}
