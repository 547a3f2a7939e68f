//! The service under a real systemd, which is the first process of a container: see `tests/real/service/`.

use std::path::Path;

use super::machine::Machine;
use crate::exclusive::shared;

const UNITS: &str = "/etc/systemd/system/zigcheck.service /etc/systemd/system/zigcheck.socket \
    /etc/systemd/system/zigcheck-network.service /etc/systemd/system/zigcheck-images.service \
    /etc/systemd/system/zigcheck-backup.service /etc/systemd/system/zigcheck-backup.timer \
    /etc/systemd/system/zigcheck-notify.service";
pub const ONE: &str = "ZIGCHECK_ZIG_VERSIONS=0.16.0";

fn exists(machine: &Machine, path: &str) -> bool {
    machine.sh(&format!("test -e {path} && echo yes || echo no")) == "yes"
}

#[test]
fn it_is_installed_starts_says_how_it_stands_and_is_removed() {
    let _machine = shared();
    let machine = Machine::serving(ONE);
    let verify = format!("systemd-analyze verify {UNITS} 2>&1");
    assert_eq!(machine.sh(&verify), "");

    assert_eq!(machine.show("ActiveState"), "active");
    assert_eq!(machine.show("StatusText"), "0 builds run, 0 wait");
    assert_eq!(machine.get("/api/health")["status"], "healthy");
    let pid = machine.show("MainPID");
    let owner = machine.sh(&format!("stat -c %U /proc/{pid} /var/lib/zigcheck"));
    assert_eq!(owner, "zigcheck\nzigcheck");

    // Root needs no token, behind all that the unit hides from the server.
    machine.sh("zigcheck admin check-remotes");
    let audit = machine.sh("zigcheck admin audit");
    assert!(audit.contains(r#""who": "root""#), "{audit}");
    let mode = machine.sh("stat -c '%a %U' /run/zigcheck /run/zigcheck/admin.sock");
    assert_eq!(mode, "700 zigcheck\n600 zigcheck");

    let tables = "nft list tables";
    assert_eq!(machine.sh(tables), "table inet zigcheck");
    let unit = "systemctl is-active zigcheck-network.service";
    assert_eq!(machine.sh(unit), "active");
    // Lost with all rules of the machine, and made again as the README says.
    machine.sh("nft flush ruleset && systemctl restart zigcheck-network.service");
    assert!(machine.sh("nft list ruleset").contains("169.254.0.0/16"));

    // The stand-in for the engine makes no image, and nothing waits for one.
    let images = "systemctl show --value -p Result zigcheck-images.service";
    machine.wait(images, "exit-code");

    // Again, and again: settings that were edited stay.
    let settings = "cat /etc/zigcheck/zigcheck.env";
    let before = machine.sh(settings);
    assert!(machine.install().contains("systemctl restart zigcheck"));
    assert_eq!(machine.sh(settings), before);

    let lines = machine.sh("journalctl -u zigcheck -o cat _SYSTEMD_UNIT=zigcheck.service");
    assert!(
        lines.contains(" listens on the socket handed over;"),
        "{lines}"
    );
    let year = machine.sh("date +%Y");
    let plain = |line: &str| !line.starts_with(&year) && !line.starts_with('<');
    assert!(lines.lines().all(plain), "{lines}");
    let priority = "journalctl -o cat -p 6..6 _SYSTEMD_UNIT=zigcheck.service";
    assert!(machine.sh(priority).contains(" listens on "));

    machine.sh("/opt/zigcheck/systemd/uninstall 2>&1");
    for gone in [
        "/usr/local/bin/zigcheck",
        "/usr/local/bin/zigcheck-notify",
        "/usr/local/lib/zigcheck",
        "/usr/local/lib/sysusers.d/zigcheck.conf",
        UNITS,
    ] {
        assert!(
            gone.split(' ').all(|path| !exists(&machine, path)),
            "{gone}"
        );
    }
    assert_eq!(machine.sh(tables), "");
    for kept in [
        "/var/lib/zigcheck/zigcheck.db",
        "/etc/zigcheck/zigcheck.env",
    ] {
        assert!(exists(&machine, kept), "{kept}");
    }
    let answers = "curl -s 127.0.0.1:3000/api/health && echo yes || echo no";
    assert_eq!(machine.sh(answers), "no");
    machine.sh("/opt/zigcheck/systemd/uninstall 2>&1");
}

#[test]
fn a_backup_is_made_beside_the_server_and_restored() {
    let _machine = shared();
    let machine = Machine::serving(ONE);
    let upload =
        "curl -sS --fail --data-binary @/opt/tree.tar.gz '127.0.0.1:3000/api/check?name=good'";
    machine.sh(upload);
    let state = "curl -s 127.0.0.1:3000/api/builds/1 | grep -o '\"state\":\"[a-z]*\"'";
    machine.wait(state, "\"state\":\"finished\"");
    let build = machine.get("/api/builds/1");
    machine.sh("systemctl start zigcheck-backup.service");
    let backup = machine.sh("echo /var/lib/zigcheck/backups/zigcheck-*");
    assert_eq!(
        machine.sh(&format!("stat -c %U {backup}/zigcheck.db")),
        "zigcheck"
    );
    let links = machine.sh(&format!("stat -c %h {backup}/logs/1.log"));
    assert_eq!(links, "2", "the log is not copied");

    // By root, over a database that is gone.
    machine.sh("systemctl stop zigcheck.socket zigcheck.service; rm /var/lib/zigcheck/zigcheck.db");
    machine.sh(&format!(
        "zigcheck restore {backup} --data /var/lib/zigcheck"
    ));
    machine.sh("systemctl start zigcheck.socket zigcheck.service");
    assert_eq!(machine.get("/api/builds/1"), build);
    assert_eq!(machine.show("ActiveState"), "active");
}

#[test]
fn the_unit_says_its_own_score() {
    let _machine = shared();
    let unit = Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd/zigcheck.service");
    let text = std::fs::read_to_string(unit).expect("the unit");
    let said = text.split("gives this unit ").nth(1).expect("a score");
    let said = said.split(' ').next().expect("a number");
    let machine = Machine::boot();
    let security =
        "systemd-analyze security --no-pager --offline=true /opt/zigcheck/systemd/zigcheck.service";
    let lines = machine.sh(security);
    let is = format!("Overall exposure level for zigcheck.service: {said} ");
    assert!(lines.contains(&is), "{is}: {lines}");
}

#[test]
fn nobody_is_refused_while_it_restarts() {
    let _machine = shared();
    let machine = Machine::serving(ONE);
    let load = "for i in 1 2 3 4; do
            while [ ! -e /tmp/over ]; do
                curl -s -o /dev/null --max-time 20 -w '%{http_code}\\n' 127.0.0.1:3000/api/builds
            done >/tmp/codes.$i &
        done
        count() { cat /tmp/codes.* | wc -l; }
        more() { to=$(($(count) + 25)); until [ $(count) -ge $to ]; do sleep 0.05; done; }
        for i in 1 2 3 4 5; do more; systemctl restart zigcheck || exit 1; done
        more; touch /tmp/over; wait; sort /tmp/codes.* | uniq -c";
    let counts = machine.sh(load);
    println!("answers during five restarts: {}", counts.trim());
    let words: Vec<&str> = counts.split_whitespace().collect();
    assert_eq!(words[1..], ["200"], "{counts}");
    assert!(
        words[0].parse::<u32>().expect("a number") >= 150,
        "{counts}"
    );
    let ends = machine.sh("journalctl -o cat -p warning _COMM=zigcheck");
    assert_eq!(ends, "");
}

#[test]
fn a_loop_that_hangs_is_ended_and_started_again() {
    let _machine = shared();
    let machine = Machine::serving(ONE);
    let drop_in = "mkdir /run/systemd/system/zigcheck.service.d
        printf '[Service]\\nWatchdogSec=5\\n' >/run/systemd/system/zigcheck.service.d/short.conf
        systemctl daemon-reload; systemctl restart zigcheck";
    machine.sh(drop_in);
    // Fed all the while.
    machine.sh("sleep 6");
    assert_eq!(machine.show("NRestarts"), "0");
    machine.sh("systemctl kill --signal=USR2 --kill-who=main zigcheck");
    machine.wait("systemctl show --value -p NRestarts zigcheck", "1");
    assert_eq!(machine.get("/api/health")["status"], "healthy");
    let log = machine.sh("journalctl -o cat -u zigcheck");
    assert!(log.contains("Watchdog timeout"), "{log}");
    assert_eq!(machine.show("ActiveState"), "active");
}

/// Uploads a package whose build goes on until `let_go`, and waits until it runs and needs no server any more.
fn runs_slowly(machine: &Machine) {
    machine.sh(
        "curl -sS --fail --data-binary @/opt/tree.tar.gz '127.0.0.1:3000/api/check?name=slowly'",
    );
    let state = "curl -s 127.0.0.1:3000/api/builds/1 | grep -o '\"state\":\"[a-z]*\"'";
    machine.wait(state, "\"state\":\"building\"");
    let whole = "grep -c '^whole zigcheck-.*-1-1$' /var/lib/engine/state.calls";
    machine.wait(whole, "1");
}

fn let_go(machine: &Machine) {
    machine.sh("touch /var/lib/engine/state.go");
}

#[test]
fn an_upgrade_while_a_build_runs_loses_nothing() {
    let _machine = shared();
    let machine = Machine::serving(ONE);
    runs_slowly(&machine);
    let status = "curl -s 127.0.0.1:3000/api/health >/dev/null; systemctl show --value -p StatusText zigcheck";
    machine.wait(status, "1 build runs, 0 wait");
    let container = machine.sh("cat /var/lib/engine/state/zigcheck-*-1-1/pid");
    let before = machine.show("MainPID");
    machine.install();
    machine.sh("systemctl restart zigcheck");
    assert_ne!(machine.show("MainPID"), before);
    machine.sh(&format!("kill -0 {container}"));
    assert_eq!(machine.get("/api/builds/1")["state"], "building");
    let_go(&machine);
    let state = "curl -s 127.0.0.1:3000/api/builds/1 | grep -o '\"state\":\"[a-z]*\"'";
    machine.wait(state, "\"state\":\"finished\"");
    let build = machine.get("/api/builds/1");
    assert_eq!(build["build_status"], "success", "{build}");
    assert_eq!(build["attempt"], 1, "{build}");
    assert_eq!(machine.get("/api/builds")["total"], 1);
    // What the package compiles for is analysed by a container of another name, behind the build.
    let runs = machine.sh("grep -c '^run zigcheck-[0-9a-f]*-1-1$' /var/lib/engine/state.calls");
    assert_eq!(runs, "1");
    machine.wait("ls /var/lib/engine/state | wc -l", "0");
}

#[test]
fn a_drain_waits_for_what_runs_and_the_next_client_starts_it_again() {
    let _machine = shared();
    let machine = Machine::serving(ONE);
    runs_slowly(&machine);
    machine.sh("systemctl kill --signal=USR1 --kill-who=main zigcheck; sleep 0.5");
    assert_eq!(machine.get("/api/builds/1")["state"], "building");
    let_go(&machine);
    let state = "systemctl show --value -p ActiveState -p Result zigcheck | xargs";
    machine.wait(state, "success inactive");
    assert_eq!(machine.get("/api/builds/1")["build_status"], "success");
    assert_eq!(machine.show("ActiveState"), "active");
}
