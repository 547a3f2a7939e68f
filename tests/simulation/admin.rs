//! What an admin asks of the server, and who would like to be one.

use serde_json::{Value, json};
use zigcheck::app::domain::task::Priority;
use zigcheck::interface::message::Head;

use crate::people::Asked;
use crate::rules::number;
use crate::world::World;

pub const TOKEN: &str = "the-word-of-the-admin";

impl World {
    pub fn ask_as_admin(&mut self) {
        match self.seed.below(13) {
            0..=4 => {
                let build = self.some_build();
                self.cancel(build);
            }
            5..=6 => self.cancel_check(),
            7 => self.cancel_without_right(),
            8..=9 => self.trigger(),
            10 => self.look_at_all(),
            11 => self.check_all_under_one(),
            _ => self.ask_for_status(),
        }
    }

    /// One of the newest builds, or one that there is not.
    fn some_build(&mut self) -> i64 {
        let newest = number(&self.keeper, "SELECT coalesce(max(id), 0) FROM builds");
        (newest + 2 - self.seed.below(16) as i64).max(1)
    }

    fn admin_call(&mut self, method: &str, path: &str, body: Value, asked: Asked) {
        let word = format!("Bearer {TOKEN}");
        self.call_with(Some(word), (method, path), body, asked);
    }

    fn call_with(
        &mut self,
        word: Option<String>,
        (method, path): (&str, &str),
        body: Value,
        asked: Asked,
    ) {
        let word = word.map(|word| ("authorization".to_string(), word));
        let head = Head {
            method: method.to_string(),
            path: path.to_string(),
            query: String::new(),
            headers: word.into_iter().collect(),
            http10: false,
        };
        self.ask(head, body, None, asked);
    }

    fn cancel(&mut self, build: i64) {
        let before = self.committed(build);
        self.books.unwanted.insert(build);
        let path = format!("/api/builds/{build}");
        self.admin_call("DELETE", &path, Value::Null, Asked::Cancel(build, before));
    }

    /// All builds of a check, one after the other: then nobody needs its source any more.
    fn cancel_check(&mut self) {
        self.tally.met("checks cancelled");
        let build = self.some_build();
        let sql = format!(
            "SELECT id FROM builds WHERE check_id = (SELECT check_id FROM builds WHERE id = {build})"
        );
        for build in self.numbers(&sql) {
            self.cancel(build);
        }
    }

    fn cancel_without_right(&mut self) {
        let build = self.some_build();
        let (word, status) = match self.seed.once_in(2) {
            true => (None, 401),
            false => (Some("Bearer of-a-wrong-word".to_string()), 403),
        };
        let call = ("DELETE", format!("/api/builds/{build}"));
        let asked = Asked::Forbidden(status, build);
        self.call_with(word, (call.0, &call.1), Value::Null, asked);
    }

    fn trigger(&mut self) {
        let package = self.some_package();
        let body = match self.seed.once_in(2) {
            true => json!({"package_name": format!("p{package}")}),
            false => json!({"package_id": package}),
        };
        let asked = Asked::Check(Priority::Admin, None);
        self.admin_call("POST", "/admin/trigger-build", body, asked);
    }

    fn look_at_all(&mut self) {
        self.admin_call("POST", "/admin/check-builds", Value::Null, Asked::Looks);
    }

    /// All packages are to be checked under one toolchain.
    fn check_all_under_one(&mut self) {
        let version = self.some_version();
        self.days.catalogue.insert(version.clone());
        let body = json!({"zig_version": version});
        self.admin_call("POST", "/admin/check-all", body, Asked::CheckAll);
    }

    pub fn ask_for_status(&mut self) {
        self.admin_call("GET", "/admin/status", Value::Null, Asked::Status);
    }
}
