//! Statuses and issues at forges that speak their API as it is documented.

use serde_json::{Value, json};

use super::World;
use super::receiver::{Answer, Receiver, Request, json as answer};

/// A forge: its kind, a repository, and the paths of its API.
struct Forge {
    kind: &'static str,
    url: &'static str,
    repository: &'static str,
    project: &'static str,
    /// The header with the token, and its value.
    token: (&'static str, &'static str),
    /// The URL of the issue that it opens, and the field of an answer that has it.
    issue: (&'static str, &'static str),
    comments: &'static str,
    close: (&'static str, &'static str, &'static str),
    /// The words for a package that works and one that fails, and the field with the context.
    words: (&'static str, &'static str, &'static str),
}

const GITHUB: Forge = Forge {
    kind: "github",
    url: "https://github.com",
    repository: "https://github.com/x/turning",
    project: "/repos/x/turning",
    token: ("authorization", "Bearer forge-token"),
    issue: ("https://github.com/x/turning/issues/5", "html_url"),
    comments: "comments",
    close: ("PATCH", "state", "closed"),
    words: ("success", "failure", "context"),
};

/// The API of GitHub but for what stands here.
const FORGEJO: Forge = Forge {
    kind: "forgejo",
    url: "https://codeberg.org",
    repository: "https://codeberg.org/x/turning",
    token: ("authorization", "token forge-token"),
    issue: ("https://codeberg.org/x/turning/issues/5", "html_url"),
    ..GITHUB
};

const GITLAB: Forge = Forge {
    kind: "gitlab",
    url: "https://gitlab.com",
    repository: "https://gitlab.com/g/h/turning",
    project: "/projects/g%2Fh%2Fturning",
    token: ("private-token", "forge-token"),
    issue: ("https://gitlab.com/g/h/turning/-/issues/5", "web_url"),
    comments: "notes",
    close: ("PUT", "state_event", "close"),
    words: ("success", "failed", "name"),
};

impl Forge {
    /// What the real one answers to a request of the notifier; 404 to any other.
    fn answers(&self, request: &Request) -> Answer {
        if request.header(self.token.0) != self.token.1 {
            return answer(401, r#"{"message":"Bad credentials"}"#);
        }
        let Some(path) = request.path.strip_prefix(self.project) else {
            return answer(404, "{}");
        };
        let opened = json!({ "number": 5, "iid": 5, self.issue.1: self.issue.0 });
        let comments = format!("/issues/5/{}", self.comments);
        match (&request.method[..], path) {
            ("POST", path) if path.starts_with("/statuses/") => answer(201, "{}"),
            ("POST", "/issues") => answer(201, &opened.to_string()),
            ("POST", path) if path == comments => answer(201, "{}"),
            (method, "/issues/5" | "/issues/3") if method == self.close.0 => answer(200, "{}"),
            _ => answer(404, "{}"),
        }
    }

    fn is_post_of(&self, request: &Request, what: &str) -> bool {
        request
            .line()
            .starts_with(&format!("POST {}/{what}", self.project))
    }

    fn is_close(&self, request: &Request, number: u32) -> bool {
        request.line() == format!("{} {}/issues/{number}", self.close.0, self.project)
    }
}

pub fn row(asked: &[&str]) -> Value {
    json!([{ "package": "turning", "notify": asked }])
}

/// A package breaks and is mended: its commits get statuses, and an issue is opened once and closed.
fn breaks_and_is_mended(forge: &'static Forge) {
    let name = format!("notifier-{}", forge.kind);
    let mut world = World::start(&name);
    world.submit("turning", forge.repository);
    let receiver = Receiver::start(|request, _| forge.answers(request));
    let at = json!([{ "kind": forge.kind, "url": forge.url, "api": receiver.url() }]);
    world.configure(&json!({ "forges": at, "packages": row(&["status", "issue"]) }));
    world.notify();

    let broken = world.check("turning", "second", false);
    let (works, fails, context) = forge.words;
    let of_state = |build: &Value, state: &'static str| {
        let path = format!("statuses/{}", build["commit"].as_str().expect("a commit"));
        move |request: &Request| {
            forge.is_post_of(request, &path) && request.json()["state"] == state
        }
    };
    receiver.wait_for(1, of_state(&broken, fails));
    let requests = receiver.wait_for(1, |request| forge.is_post_of(request, "issues"));
    let status = requests
        .iter()
        .find(|request| of_state(&broken, fails)(request));
    let status = status.expect("it came").json();
    assert_eq!(status[context], "zigcheck/0.16.0");
    let page = format!("https://zig.example.org/builds/{}", broken["id"]);
    assert_eq!(status["target_url"], page);
    assert!(
        status["description"]
            .as_str()
            .expect("a text")
            .starts_with("failed"),
        "{status}"
    );
    let issue = requests
        .iter()
        .find(|request| request.path.ends_with("/issues"));
    let issue = issue.expect("it came").json();
    assert_eq!(issue["title"], "turning fails under Zig 0.16.0");
    let text = issue["body"]
        .as_str()
        .or(issue["description"].as_str())
        .expect("a text");
    assert!(
        text.contains("    src/main.zig:3:5: error: nothing is known of turning\n"),
        "{text}"
    );
    assert!(text.contains(&page), "{text}");
    world.until(|world| !world.issues("turning").is_empty());
    let known = &world.issues("turning")[0];
    assert_eq!(
        (&known["issue_url"], &known["issue_status"]),
        (&json!(forge.issue.0), &json!("open"))
    );

    let mended = world.check("turning", "third", true);
    receiver.wait_for(1, of_state(&mended, works));
    let requests = receiver.wait_for(1, |request| forge.is_post_of(request, "issues/5/"));
    let close = requests
        .iter()
        .find(|request| forge.is_close(request, 5))
        .expect("it was closed");
    assert_eq!(close.json(), json!({ forge.close.1: forge.close.2 }));
    let comment = requests.last().expect("it came").json();
    assert!(
        comment["body"]
            .as_str()
            .expect("a text")
            .contains("works under Zig 0.16.0 again")
    );
    world.until(|world| !world.issues("turning")[0]["resolved_at"].is_null());
    assert_eq!(world.issues("turning").len(), 1);

    world.stop();
    let mut all: Vec<String> = receiver
        .all()
        .iter()
        .map(|request| request.line() + &request.body)
        .collect();
    let count = all.len();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), count, "nothing was said twice");
    let agent = receiver
        .all()
        .iter()
        .all(|request| request.header("user-agent").starts_with("curl/"));
    assert!(agent, "forges want to know who asks");
}

#[test]
fn a_package_that_breaks_and_is_mended_is_reported_to_github() {
    breaks_and_is_mended(&GITHUB);
}

#[test]
fn a_package_that_breaks_and_is_mended_is_reported_to_forgejo() {
    breaks_and_is_mended(&FORGEJO);
}

#[test]
fn a_package_that_breaks_and_is_mended_is_reported_to_gitlab() {
    breaks_and_is_mended(&GITLAB);
}

#[test]
fn an_issue_of_the_system_before_is_not_opened_again_and_is_closed() {
    let mut world = World::start("notifier-imported");
    world.submit("turning", GITHUB.repository);
    let receiver = Receiver::start(|request, _| GITHUB.answers(request));
    let at = json!([{ "kind": "github", "url": "https://github.com", "api": receiver.url() }]);
    world.configure(&json!({ "forges": at, "packages": row(&["issue"]) }));
    let old = json!({
        "package": "turning",
        "zig_version": "0.16.0",
        "issue_url": "https://github.com/x/turning/issues/3",
        "issue_status": "open",
    });
    let bearer = format!("Authorization: Bearer {}", super::TOKEN);
    let put = world.server.curl(
        &["-X", "PUT", "-H", &bearer, "-d", &old.to_string()],
        "/admin/issues",
    );
    assert_eq!(put.status, 200, "{}", put.body);
    world.notify();
    world.check("turning", "second", false);
    world.check("turning", "third", true);
    let requests = receiver.wait_for(1, |request| GITHUB.is_close(request, 3));
    assert!(
        !requests
            .iter()
            .any(|request| request.line().ends_with("/issues")),
        "{requests:?}"
    );
    world.until(|world| !world.issues("turning")[0]["resolved_at"].is_null());
    assert_eq!(world.issues("turning").len(), 1);
}

#[test]
fn an_owner_asks_by_a_file_in_the_repository_and_nobody_else_is_answered() {
    let mut world = World::start("notifier-owner");
    world.submit("turning", GITHUB.repository);
    world.submit("good", "https://github.com/x/good");
    let receiver = Receiver::start(|request, _| match &request.line()[..] {
        "GET /repos/x/turning/contents/.zigcheck.json" => answer(200, r#"{"notify":["issue"]}"#),
        _ => GITHUB.answers(request),
    });
    let at = json!([{
        "kind": "github",
        "url": "https://github.com",
        "api": receiver.url(),
        "owners": true,
    }]);
    world.configure(&json!({ "forges": at }));
    world.notify();
    let answer = world
        .server
        .curl(&["-X", "POST"], "/api/packages/good/builds?fresh");
    assert!(answer.status < 300, "{}", answer.body);
    world.check("turning", "second", false);
    let is_issue = |request: &Request| request.line() == "POST /repos/x/turning/issues";
    receiver.wait_for(1, is_issue);
    world.until(|world| !world.issues("turning").is_empty());
    receiver.wait_for(1, |request| {
        request.path == "/repos/x/good/contents/.zigcheck.json"
    });
    for request in receiver.all() {
        let is_question = request.line().ends_with("/contents/.zigcheck.json");
        assert!(
            is_question || is_issue(&request),
            "nobody asked for {request:?}"
        );
    }
    let accept = receiver.all()[0].header("accept").to_string();
    assert_eq!(accept, "application/vnd.github.raw+json");
}
