//! What the server answers, held against what is written down.

use serde_json::{Value, json};
use zigcheck::app::domain::task::Priority;
use zigcheck::base::slab::Key;
use zigcheck::interface::message::Response;

use crate::people::Asked;
use crate::rules::{Row, number, rows};
use crate::world::World;

impl World {
    pub fn hear(&mut self, conn: Key, response: &Response) {
        let asked = self.asked.remove(&conn);
        let asked = asked.expect("an answer nobody asked for");
        let body: Value = serde_json::from_slice(&response.body).unwrap_or(Value::Null);
        match (asked, response.status) {
            (Asked::Check(priority, tenant), 201 | 202) => {
                assert!(!self.low, "there is no room: {body}");
                self.check_promise(priority, tenant.as_deref(), &body);
            }
            (Asked::Cancel(build, before), status) => {
                self.check_cancelled(build, before.as_ref(), status, &body);
            }
            (Asked::Forbidden(right, build), status) => {
                assert_eq!(status, right, "{body}");
                let cancelled = self.committed(build).is_some_and(|row| row.is_cancelled());
                let wanted = self.books.unwanted.contains(&build);
                assert!(
                    !cancelled || wanted,
                    "build {build} was cancelled by anybody"
                );
                self.tally.met(&format!("admin calls answered {status}"));
            }
            (Asked::Looks, 202) => self.check_looks(&body),
            (Asked::CheckAll, 200 | 202) => self.tally.met("checks of all packages"),
            (Asked::Status, 200) => self.check_status(&body),
            (Asked::Check(..) | Asked::CheckAll, 503) => {
                self.tally.met("refused without an engine")
            }
            (Asked::Check(..) | Asked::CheckAll, 507) => {
                assert!(self.low, "there is room: {body}");
                self.tally.met("refused without room");
            }
            (Asked::Check(..), 400) => self.tally.met("trees refused"),
            (Asked::Check(..), 404 | 409 | 429) => {}
            (Asked::Plain, 200 | 503 | 404) | (Asked::Watch(_), 200 | 204 | 404) => {}
            (asked, other) => panic!("{asked:?}: {other}: {body}"),
        }
    }

    /// Builds were promised: they are there before the answer, with the right of who asked.
    fn check_promise(&mut self, priority: Priority, tenant: Option<&str>, body: &Value) {
        let builds = body["builds"].as_array().expect("builds");
        let check = body["check"].as_i64().expect("an id");
        for build in builds {
            let id = build["id"].as_i64().expect("an id");
            self.committed(id)
                .expect("the row is there before the answer");
            assert_eq!(build["check"], check);
            self.books.promised.insert(id);
            self.tally.met("builds");
        }
        let sql = format!("SELECT count(*) FROM builds WHERE check_id = {check}");
        assert_eq!(number(&self.keeper, &sql), builds.len() as i64);
        let (said, whose) = self.right_of(check);
        assert_eq!(said, priority.number(), "check {check}");
        match tenant {
            Some(tenant) => assert_eq!(whose, tenant, "check {check}"),
            None => {
                let versions = self.settings.zig_versions.len();
                assert_eq!(builds.len(), versions, "check {check}");
                assert!(whose.starts_with("github.com/"), "check {check} of {whose}");
                self.tally.met("checks triggered");
            }
        }
    }

    /// The class and the party of a check.
    pub fn right_of(&self, check: i64) -> (i64, String) {
        let sql = "SELECT priority, tenant FROM checks WHERE id = ?1";
        let mut found = rows(&self.keeper, sql, [check], |row| {
            Ok((row.get(0)?, row.get(1)?))
        });
        found.pop().expect("a check")
    }

    /// Whether a build can be cancelled hangs on its state alone; what was answered is so.
    fn check_cancelled(&mut self, build: i64, before: Option<&Row>, status: u16, body: &Value) {
        let right = match before {
            None => 404,
            Some(row) if row.is_final() => 409,
            Some(_) => 200,
        };
        assert_eq!(status, right, "cancelling {before:?}: {body}");
        let row = self.committed(build);
        if status != 200 {
            assert_eq!(
                row.as_ref(),
                before,
                "an answer of {status} changes nothing"
            );
            return self.tally.met(&format!("cancels answered {status}"));
        }
        let (row, before) = (row.expect("a row"), before.expect("a row"));
        assert!(row.is_cancelled(), "{row:?}");
        assert_eq!(row.finished_at, Some(self.now().unix_ms), "{row:?}");
        let shown = json!([body["id"], body["state"], body["reason"]]);
        assert_eq!(shown, json!([build, "cancelled", "cancelled"]));
        self.books.cancelled.insert(build);
        self.tally.met(&format!("cancelled while {}", before.state));
    }

    /// All remotes are looked at: each will be due.
    fn check_looks(&mut self, body: &Value) {
        let count = |of: &str| {
            number(
                &self.keeper,
                &format!("SELECT count(*) FROM packages WHERE {of}"),
            )
        };
        assert_eq!(body["packages"], count("removal IS NULL"));
        let all = count("removal IS NULL AND id < (SELECT recheck_before FROM server)");
        assert_eq!(body["packages"], all, "a package will not be due");
        self.days.want_looks(&self.keeper);
        self.tally.met("looks at all remotes");
    }

    fn check_status(&mut self, body: &Value) {
        let count = |of: &str| number(&self.keeper, &format!("SELECT {of}"));
        let app = self.app.as_ref().expect("it answered");
        let slots = body["slots"].as_u64().expect("a number");
        let most = self.settings.max_builds as u64;
        match &self.engine.slurm {
            None => assert_eq!(slots, most),
            Some(_) => assert!((1..=most).contains(&slots), "{slots}"),
        }
        assert_eq!(body["running"], app.running());
        assert_eq!(body["draining"], self.draining);
        let final_ = "state IN ('finished', 'cancelled')";
        let kept = count(&format!("count(*) FROM builds WHERE {final_}"));
        assert_eq!(body["builds_kept"], kept);
        assert_eq!(body["builds"], count("coalesce(max(id), 0) FROM builds"));
        assert_eq!(
            body["packages"],
            count("coalesce(max(id), 0) FROM packages")
        );
        // What has a slot is a build, a source that stands for one, or a look at a remote.
        let open = count(&format!("count(*) FROM builds WHERE NOT {final_}"));
        let waiting = body["waiting"].as_i64().expect("a number");
        let least = open - app.running() as i64;
        assert!(
            (least..=open).contains(&waiting),
            "{waiting} of {open} wait"
        );
        self.tally.met("status told");
    }
}
