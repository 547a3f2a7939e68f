//! docs/runbook.md as it is written: its commands are run by root, each where it is said to help.

use std::path::Path;

use super::machine::Machine;
use super::unit::ONE;
use crate::exclusive::shared;

fn section(title: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/runbook.md");
    let page = std::fs::read_to_string(path).expect("the page");
    let (_, section) = page.split_once(&format!("## {title}\n")).expect(title);
    let section = section.split("\n## ").next().unwrap_or_default();
    section.to_string()
}

/// Runs the commands of a text, and gives what they print.
fn commands(machine: &Machine, text: &str) -> String {
    let commands = text.lines().filter_map(|line| line.strip_prefix("    "));
    let mut said = String::new();
    for command in commands {
        // It says by its exit code that a unit does not run.
        let script = match command.starts_with("systemctl status") {
            true => format!("{command} || true"),
            false => command.to_string(),
        };
        said += &machine.sh(&script);
        said.push('\n');
    }
    assert!(!said.is_empty(), "no command in {text}");
    said
}

fn submit(machine: &Machine, name: &str) -> String {
    machine.sh(&format!(
        "curl -s -o /dev/null -w '%{{http_code}}' --data-binary @/opt/tree.tar.gz '127.0.0.1:3000/api/check?name={name}'"
    ))
}

fn health_has(machine: &Machine, word: &str) {
    machine.wait(
        &format!("curl -s 127.0.0.1:3000/api/health | grep -o '{word}' | head -n 1"),
        word,
    );
}

const ENDED: &str = "curl -s 127.0.0.1:3000/api/builds/1 | grep -o '\"state\":\"finished\"'";

#[test]
#[ignore = "make test-all"]
fn a_full_disk_a_dead_engine_and_lost_rules_are_mended_as_the_runbook_says() {
    let _machine = shared();
    let machine = Machine::boot();
    machine.sh("ln -s engine.service /etc/systemd/system/docker.service; systemctl daemon-reload");
    machine.sh("mkdir -p /var/lib/zigcheck && mount -t tmpfs -o size=256m tmpfs /var/lib/zigcheck");
    machine.install();
    machine.sh(&format!(
        "printf '%s\\n' '{ONE}' ZIGCHECK_DISK_FLOOR=64m >>/etc/zigcheck/zigcheck.env"
    ));
    machine.sh("systemctl enable --now zigcheck.socket zigcheck.service 2>&1");
    assert_eq!(submit(&machine, "good"), "202");
    machine.wait(ENDED, "\"state\":\"finished\"");

    // Another program fills the disk, and is what gives way.
    machine.sh("fallocate -l 230M /var/lib/zigcheck/other");
    machine.wait("curl -s -o /dev/null -w '%{http_code}' --data-binary @/opt/tree.tar.gz '127.0.0.1:3000/api/check?name=p'", "507");
    health_has(&machine, "\"disk\":\"low\"");
    let said = commands(&machine, &section("Disk full"));
    assert!(said.contains("230M\t/var/lib/zigcheck/other"), "{said}");
    machine.sh("rm /var/lib/zigcheck/other");
    health_has(&machine, "\"disk\":\"ok\"");
    assert_eq!(submit(&machine, "good"), "202");

    machine.sh("systemctl stop engine");
    submit(&machine, "better");
    health_has(&machine, "\"docker\":\"unavailable\"");
    let said = commands(&machine, &section("Engine gone"));
    assert!(said.contains("inactive (dead)"), "{said}");
    health_has(&machine, "\"docker\":\"ok\"");

    machine.sh("nft flush ruleset");
    let said = commands(&machine, &section("Network rules lost"));
    assert!(said.contains("169.254.0.0/16"), "{said}");
}

#[test]
#[ignore = "make test-all"]
fn a_server_moves_to_another_machine_as_the_runbook_says() {
    let _machine = shared();
    let old = Machine::serving(ONE);
    assert_eq!(submit(&old, "good"), "202");
    old.wait(ENDED, "\"state\":\"finished\"");
    let build = old.get("/api/builds/1");
    let section = section("Another machine");
    let (on_old, on_new) = section.split_once(", copy ").expect("what is copied");
    commands(&old, on_old);
    let new = Machine::boot();
    new.install();
    old.copy_to(&new, "/var/backups");
    old.copy_to(&new, "/etc/zigcheck");
    commands(&new, on_new);
    assert_eq!(new.get("/api/builds/1"), build);
}

#[test]
#[ignore = "make test-all"]
fn a_stolen_token_and_a_flood_end_as_the_runbook_says() {
    let _machine = shared();
    let token = "ZIGCHECK_ADMIN_TOKEN_FILE=/etc/zigcheck/admin-token";
    let machine = Machine::boot();
    machine.install();
    machine.sh(&format!(
        "printf '%s\\n' '{ONE}' {token} >>/etc/zigcheck/zigcheck.env"
    ));
    machine.sh("echo 0123456789abcdef-stolen | install -m 640 -g zigcheck /dev/stdin /etc/zigcheck/admin-token");
    machine.sh("systemctl enable --now zigcheck.socket zigcheck.service 2>&1");
    let by_thief = "curl -s -o /dev/null -w '%{http_code}' -X POST -H 'Authorization: Bearer 0123456789abcdef-stolen' \
        127.0.0.1:3000/admin/check-builds";
    assert_eq!(machine.sh(by_thief), "202");
    machine.sh("zigcheck admin make-token laptop admin");
    let said = commands(&machine, &section("A stolen token"));
    assert!(said.contains("POST /admin/check-builds"), "{said}");
    assert_eq!(machine.sh(by_thief), "403");

    machine.sh("ip addr add 192.0.2.7/32 dev lo");
    machine.sh("ip addr add 192.0.2.8/32 dev lo");
    let by = |address: &str| {
        let script = format!(
            "curl -s -m 3 -o /dev/null -w '%{{http_code}}' --interface {address} 127.0.0.1:3000/api/health || true"
        );
        machine.sh(&script)
    };
    machine.sh("curl -sN --max-time 60 --interface 192.0.2.7 127.0.0.1:3000/api/events >/dev/null 2>&1 & sleep 1");
    let section = section("A flood");
    let (shut, open) = section.split_once("let it in again").expect("its end");
    let said = commands(&machine, shut);
    assert!(
        said.contains("1 192.0.2.7") || said.contains("1 [::ffff:192.0.2.7]"),
        "{said}"
    );
    assert_eq!((&*by("192.0.2.7"), &*by("192.0.2.8")), ("000", "200"));
    commands(&machine, open);
    assert_eq!(by("192.0.2.7"), "200");
}
