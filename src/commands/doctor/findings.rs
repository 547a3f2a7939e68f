//! The judgement of the doctor: facts become findings. Nothing here asks anybody.

use std::net::IpAddr;

use crate::app::engine::capabilities::list_missing;
use crate::app::engine::docker::CLOSED;
use crate::app::engine::engine::MAKE_IMAGES;
use crate::app::engine::kind::EngineKind;
use crate::commands::doctor::facts::{DatabaseFacts, Facts, ImageFacts};
use crate::config::settings::Listen;

/// An image is older than the fixes of its system then.
pub const IMAGE_OLD_DAYS: i64 = 180;
/// The timer makes a backup each night: one that is older than two nights was missed.
pub const BACKUP_OLD_HOURS: i64 = 48;
/// Fewer open files leave fewer connections than one busy page of watchers takes.
pub const OPEN_FILES_FEW: u64 = 4_096;
/// A clock may be behind the one that wrote a row by so much.
pub const CLOCK_BEHIND_MS: i64 = 60_000;
/// Part of all files of a file system that should be free, in percent.
pub const FREE_FILES_PERCENT: u64 = 5;

const HOUR_MS: i64 = 3_600_000;

/// How bad a finding is, the worst last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Ok,
    Warning,
    Fault,
}

impl Level {
    pub fn as_str(self) -> &'static str {
        match self {
            Level::Ok => "ok",
            Level::Warning => "warning",
            Level::Fault => "fault",
        }
    }
}

/// What one check came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub check: String,
    pub level: Level,
    pub text: String,
    /// What to do; empty where nothing is to do.
    pub advice: String,
}

fn finding(check: &str, level: Level, text: impl Into<String>, advice: &str) -> Finding {
    Finding {
        check: check.to_string(),
        level,
        text: text.into(),
        advice: advice.to_string(),
    }
}

fn ok(check: &str, text: impl Into<String>) -> Finding {
    finding(check, Level::Ok, text, "")
}

fn warning(check: &str, text: impl Into<String>, advice: &str) -> Finding {
    finding(check, Level::Warning, text, advice)
}

fn fault(check: &str, text: impl Into<String>, advice: &str) -> Finding {
    finding(check, Level::Fault, text, advice)
}

/// The findings, in the order of the report. What could not be examined because something before it is at fault has
/// none.
pub fn findings(facts: &Facts) -> Vec<Finding> {
    let mut found = vec![server(facts), engine(facts)];
    found.extend(facts.images.iter().map(|image| image_of(image, facts)));
    found.extend(network(facts));
    found.extend([disk(facts), clock(facts), files(facts), address(facts)]);
    found.extend(proxy(facts));
    found.push(database(facts));
    found.push(backup(facts));
    found.extend(facts.builds.iter().map(|build| {
        let check = format!("build {}", build.zig_version);
        match &build.result {
            Ok(ms) => ok(
                &check,
                format!("a small package, in {:.1} s", *ms as f64 / 1e3),
            ),
            Err(why) => fault(
                &check,
                why,
                "make the image again (of the service: systemctl restart zigcheck-images); \
                docs/container.md has what it needs",
            ),
        }
    }));
    found
}

fn server(facts: &Facts) -> Finding {
    let own = env!("CARGO_PKG_VERSION");
    match &facts.server {
        Err(why) => warning(
            "server",
            format!("no answer: {why}"),
            "start it (systemctl start zigcheck), or name its address with --listen",
        ),
        Ok(health) if !health.is_healthy => {
            let why = health.error.as_deref().unwrap_or("its database is gone");
            fault(
                "server",
                format!("it answers, but cannot work: {why}"),
                "the lines below and its log (journalctl -u zigcheck) say more",
            )
        }
        Ok(health) if health.version != own => warning(
            "server",
            format!("version {} runs, this program is {own}", health.version),
            "restart it: systemctl restart zigcheck",
        ),
        Ok(health) => ok("server", format!("version {} answers", health.version)),
    }
}

fn engine(facts: &Facts) -> Finding {
    let engine = match &facts.engine {
        Ok(engine) => engine,
        Err(why) => {
            let advice =
                "start it (systemctl start docker); its group (docker) may use it, and root";
            return fault("engine", why, advice);
        }
    };
    let (missing, recommended) = (
        &engine.capabilities.missing,
        &engine.capabilities.recommended,
    );
    let kind = match engine.capabilities.kind {
        EngineKind::Docker => "docker",
        EngineKind::Podman => "podman",
    };
    let name = format!("{kind} {}", engine.version);
    if !missing.is_empty() {
        return fault(
            "engine",
            format!("{name} has {}", list_missing(missing)),
            "a server refuses it: a kernel and an engine that have these are needed",
        );
    }
    if !recommended.is_empty() {
        return warning(
            "engine",
            format!("{name} has {}", list_missing(recommended)),
            "builds run, less safely: SECURITY.md says how to have these",
        );
    }
    ok("engine", name)
}

fn image_of(image: &ImageFacts, facts: &Facts) -> Finding {
    let check = format!("image {}", image.zig_version);
    if image.id.is_none() {
        let text = format!("there is no image zigcheck:{}", image.zig_version);
        let advice = format!("{MAKE_IMAGES}; or take the version out of --zig-versions");
        return fault(&check, text, &advice);
    }
    let days = image
        .made_unix_ms
        .map(|made| (facts.now_unix_ms - made) / (24 * HOUR_MS));
    match days {
        None => ok(&check, "there"),
        Some(days) if days > IMAGE_OLD_DAYS => warning(
            &check,
            format!("made {days} days ago"),
            "make it again for the fixes of its system: docker rmi -f its id and zigcheck-base, then make docker-build \
            (of the service: systemctl restart zigcheck-images)",
        ),
        Some(..=0) => ok(&check, "made today"),
        Some(1) => ok(&check, "made yesterday"),
        Some(days) => ok(&check, format!("made {days} days ago")),
    }
}

fn network(facts: &Facts) -> Option<Finding> {
    let name = &facts.settings.fetch_network;
    let advice =
        "run as root: make fetch-network (of the service: systemctl restart zigcheck-network)";
    if !facts.settings.guards_fetches() {
        let text = format!("{name} reaches private addresses, and so do fetches");
        let advice = "leave --fetch-network as it is, and run as root: make fetch-network \
            (of the service: systemctl restart zigcheck-network)";
        return Some(warning("network", text, advice));
    }
    Some(match facts.network.as_ref()? {
        Ok(text) if text.trim() == CLOSED => {
            ok("network", format!("{name} reaches public addresses only"))
        }
        Ok(text) => fault("network", format!("{name}: {}", text.trim()), advice),
        Err(why) => fault("network", format!("{name}: {why}"), advice),
    })
}

fn disk(facts: &Facts) -> Finding {
    let disk = match &facts.disk {
        Ok(disk) => disk,
        Err(why) => return fault("disk", why, "name the directory of the data with --data"),
    };
    let (free, floor) = (disk.free_bytes >> 20, disk.floor_bytes >> 20);
    let text = format!("{free} MiB are free; nothing new starts below {floor} MiB");
    let files_wanted = disk.all_files / 100 * FREE_FILES_PERCENT;
    let advice = "free some space, or lower --disk-floor";
    match disk.free_bytes {
        0 => fault("disk", text, advice),
        free if free < disk.floor_bytes => fault("disk", text, advice),
        free if free < disk.floor_bytes.saturating_mul(2) => warning("disk", text, advice),
        _ if disk.free_files < files_wanted => warning(
            "disk",
            format!("{} more files can be made", disk.free_files),
            "remove files: the file system has a limit on them",
        ),
        _ => ok("disk", text),
    }
}

fn clock(facts: &Facts) -> Finding {
    let advice = "have it set by others: timedatectl set-ntp true";
    if let DatabaseFacts::Whole {
        newest_unix_ms: Some(newest),
    } = facts.database
        && newest > facts.now_unix_ms.saturating_add(CLOCK_BEHIND_MS)
    {
        let minutes = (newest - facts.now_unix_ms) / 60_000;
        let text = format!("{minutes} minutes behind the newest row of the database");
        return fault("clock", text, advice);
    }
    match facts.is_synchronised {
        Some(true) => ok("clock", "synchronised"),
        Some(false) => warning("clock", "not synchronised", advice),
        None => ok(
            "clock",
            "the system does not say whether it is synchronised",
        ),
    }
}

fn files(facts: &Facts) -> Finding {
    let text = format!(
        "a server started from here may open {} files",
        facts.open_files
    );
    match facts.open_files {
        few if few < OPEN_FILES_FEW => warning(
            "files",
            text,
            "each client takes one: raise the hard limit (ulimit -Hn; the service has LimitNOFILE=32768)",
        ),
        _ => ok("files", text),
    }
}

fn address(facts: &Facts) -> Finding {
    let has_token = facts.settings.admin_token_file.is_some();
    let address = match &facts.settings.listen {
        Listen::Unix(path) => {
            let text = format!("unix:{}: programs here that may open it", path.display());
            return ok("address", text);
        }
        Listen::Tcp(address) => *address,
    };
    let who = match address.ip().to_canonical() {
        ip if ip.is_loopback() => {
            let text = format!("{address}: this machine only, and whom a proxy on it lets in");
            return ok("address", text);
        }
        ip if ip.is_unspecified() => "whoever reaches this machine",
        IpAddr::V4(v4) if v4.is_private() || v4.is_link_local() => "its local network",
        IpAddr::V6(v6) if v6.is_unique_local() || v6.is_unicast_link_local() => "its local network",
        _ => "whoever reaches that address",
    };
    match has_token {
        false => ok("address", format!("{address}: {who}, without TLS")),
        true => warning(
            "address",
            format!("{address}: {who}; the admin token crosses the wire as it is"),
            "listen on 127.0.0.1, and put a proxy with TLS before it (docs/operations.md)",
        ),
    }
}

/// What only a running server knows.
fn proxy(facts: &Facts) -> Option<Finding> {
    let health = facts.server.as_ref().ok()?;
    Some(match health.proxy_headers.as_str() {
        "untrusted" => warning(
            "proxy",
            "a proxy that is not trusted forwards requests: its clients count as one, or have no limits",
            "name it: --trusted-proxies loopback, or its address",
        ),
        "trusted" => ok("proxy", "a trusted proxy names its clients"),
        _ => ok("proxy", "no request came through one"),
    })
}

fn database(facts: &Facts) -> Finding {
    let data = facts.settings.data.display();
    match &facts.database {
        DatabaseFacts::Missing => warning(
            "database",
            format!("there is none in {data} yet"),
            "the first start of a server makes it; name another directory with --data",
        ),
        DatabaseFacts::Damaged(why) => fault(
            "database",
            why,
            "stop the server and restore a backup: zigcheck restore BACKUP",
        ),
        DatabaseFacts::Unexamined => warning(
            "database",
            "too large to be examined in a moment",
            "zigcheck restore examines all of a backup; or run SQLite's quick_check on one",
        ),
        DatabaseFacts::Whole { .. } => ok("database", "whole (quick_check)"),
    }
}

fn backup(facts: &Facts) -> Finding {
    let advice = "sudo systemctl enable --now zigcheck-backup.timer, or run zigcheck backup each night; \
        --backups names their directory";
    let place = &facts.backups;
    match facts.newest_backup_unix_ms {
        Err(ref why) => warning("backup", why, advice),
        Ok(None) => warning("backup", format!("there is none in {place}"), advice),
        Ok(Some(made)) => {
            let hours = (facts.now_unix_ms - made) / HOUR_MS;
            let text = format!("the newest in {place} is {hours} hours old");
            match hours > BACKUP_OLD_HOURS {
                true => warning("backup", text, advice),
                false => ok("backup", text),
            }
        }
    }
}
