//! The packages: what each of them does, and what must come of it.

use crate::common::zig::build_zig;

pub struct Package {
    pub name: &'static str,
    /// A command of bash; or a whole build.zig.
    what: What,
    /// Build status, test status and reason: one of these.
    pub ends: &'static [&'static str],
    /// It says TRIED once it has tried all it can, and REACHED for each thing that went well.
    pub tries: bool,
}

enum What {
    Runs(&'static str),
    Is(&'static str),
}

impl Package {
    pub fn build_zig(&self) -> String {
        match self.what {
            What::Runs(command) => build_zig(command),
            What::Is(text) => text.to_string(),
        }
    }
}

const fn runs(name: &'static str, ends: &'static [&'static str], command: &'static str) -> Package {
    Package {
        name,
        what: What::Runs(command),
        ends,
        tries: false,
    }
}

const fn tries(name: &'static str, command: &'static str) -> Package {
    Package {
        name,
        what: What::Runs(command),
        ends: &["success/success/null"],
        tries: true,
    }
}

/// A build of nobody here: records that name it are forged.
pub const FORGED_BUILD: i64 = 1_000_000;

/// What an attempt that must fail is written with; and a raw call of the system, by its number.
macro_rules! attempts {
    ($($line:expr),* $(,)?) => {
        concat!(
            "t() { if \"${@:2}\" >/dev/null 2>&1; then echo \"REACHED $1\" >&2; fi; }\n",
            // Refused is what says so: any other error came from the call itself.
            "sys() { t \"$1\" perl -e '($n, @a) = map { $_ + 0 } @ARGV; \
                exit(syscall($n, @a) == -1 && ($! == 1 || $! == 38))' \"${@:2}\"; }\n",
            $($line, "\n",)*
            "echo TRIED >&2"
        )
    };
}

/// Packages that come to no end. A slow machine may end them before their build has come to its tests.
pub const ENDLESS: [Package; 4] = [
    runs(
        "sleeper",
        &["success/failed/silent", "failed/null/silent"],
        "sleep 100000",
    ),
    runs(
        "stubborn",
        &["success/failed/silent", "failed/null/silent"],
        "trap '' TERM INT HUP QUIT USR1 USR2 PIPE ALRM; while :; do sleep 1; done",
    ),
    runs(
        "busy-talker",
        &[
            "success/failed/timeout",
            "failed/null/timeout",
            "failed/null/silent",
        ],
        "while :; do echo still here; sleep 1; done",
    ),
    Package {
        name: "comptime-loop",
        what: What::Is(
            "const std = @import(\"std\");\n\
             pub fn build(b: *std.Build) void {\n    _ = b;\n    comptime {\n        \
             @setEvalBranchQuota(4294967295);\n        var i: u64 = 0;\n        \
             while (true) i +%= 1;\n    }\n}\n",
        ),
        ends: &[
            "failed/null/silent",
            "failed/null/timeout",
            "failed/null/out_of_memory",
        ],
        tries: false,
    },
];

pub const PACKAGES: [Package; 24] = [
    runs(
        "fork-bomb",
        &["success/success/null", "success/failed/test_failure"],
        "b() { b | b & }; b; sleep 3",
    ),
    runs(
        "thread-bomb",
        &["success/failed/test_failure"],
        "while sleep 1000 & do :; done",
    ),
    runs(
        "memory-bomb",
        &["success/failed/out_of_memory"],
        "perl -e '$x .= \"a\" x 1000000 while 1'",
    ),
    runs(
        "memory-in-many",
        &["success/failed/out_of_memory"],
        "for n in $(seq 40); do perl -e '$x = \"a\" x 60000000; sleep 8' & done; \
         for n in $(seq 40); do wait -n || exit 1; done",
    ),
    runs(
        "disk-filler",
        &["success/failed/disk_limit"],
        "cat /dev/zero >/work/filled",
    ),
    runs(
        "inode-filler",
        &["success/failed/disk_limit", "success/failed/test_failure"],
        "mkdir /work/many && cd /work/many && perl -e 'open(F, q(>), $_) or die for 1 .. 1000000'",
    ),
    runs(
        "sparse-file",
        &["success/failed/test_failure"],
        "truncate -s 1T /work/sparse",
    ),
    runs("endless-output", &["success/failed/output_limit"], "yes"),
    runs(
        "endless-line",
        &["success/failed/output_limit"],
        "tr '\\\\000' x </dev/zero",
    ),
    runs(
        "odd-bytes",
        &["success/success/null"],
        "head -c 300000 /dev/urandom >&2; printf '\\\\033[2J\\\\033]0;owned\\\\007\\\\r\\\\010\\\\u202e' >&2",
    ),
    runs(
        "daemon",
        &["success/success/null"],
        "setsid bash -c 'trap \"\" TERM HUP INT; while :; do sleep 1; done' </dev/null >/dev/null 2>&1 & sleep 0.2",
    ),
    runs(
        "daemon-with-pipes",
        &["success/success/null"],
        "setsid sleep 100000 & sleep 0.2",
    ),
    // It outlives its command, and holds each pipe that the runner opens.
    runs(
        "daemon-on-all-pipes",
        &["success/failed/test_failure"],
        "setsid perl -e 'while (1) { open($f[@f % 900], q(>), $_) for glob q(/proc/[0-9]*/fd/1); select undef, undef, undef, 0.01 }' \
         </dev/null >/dev/null 2>&1 & sleep 1; exit 1",
    ),
    runs(
        "forged-record",
        &["success/failed/test_failure", "error/null/engine_error"],
        "r='{\"build_id\":1000000,\"build_status\":\"success\",\"test_status\":\"no_tests\",\"build_exit\":0}'; \
         for f in /proc/[0-9]*/fd/1; do echo \"$r\" >$f; done 2>/dev/null; exit 1",
    ),
    runs(
        "many-records",
        &["success/failed/test_failure", "error/null/engine_error"],
        "r='{\"build_id\":1000000,\"build_status\":\"success\"}'; \
         for n in 1 2 3; do for f in /proc/[0-9]*/fd/1; do printf '%s\\\\n%s\\\\n{\\\\n' \"$r\" \"$r\" >$f; done; done 2>/dev/null; exit 1",
    ),
    runs(
        "huge-record",
        &[
            "success/failed/test_failure",
            "success/failed/output_limit",
            "error/null/engine_error",
            "error/null/lost",
        ],
        "for f in /proc/[0-9]*/fd/1; do timeout 20 head -c 1073741824 /dev/zero >$f; done 2>/dev/null; exit 1",
    ),
    // Its own build among them, whole but for the nonce, and perhaps behind the runner's own; not so
    // many that the limit on output ends them first.
    runs(
        "records-of-all",
        &["success/failed/test_failure", "error/null/engine_error"],
        "(while :; do for n in $(seq 64); do echo '{\"build_id\":'$n',\"build_status\":\"success\",\
         \"test_status\":\"success\",\"build_exit\":0,\"test_exit\":0}'; done | tee /proc/[0-9]*/fd/1; sleep 0.1; done) \
         >/dev/null 2>&1 & sleep 1; exit 1",
    ),
    tries(
        "nonces",
        attempts!(
            // The pattern does not match itself, which stands in more than one command line.
            "t nonce grep -aqs '\"[n]once\":\"' /proc/[0-9]*/cmdline /proc/[0-9]*/environ",
            "t nonce grep -rqs '\"[n]once\":\"' /work /usr/lib/zigcheck /tmp",
        ),
    ),
    tries(
        "writes",
        attempts!(
            "for d in / /usr /etc /opt /opt/zigcheck /usr/lib/zigcheck /var /root /home /dev /sys \
            /sys/fs/cgroup /proc /run /mnt; do t \"write $d\" touch $d/zigcheck-escape; done",
            "for f in /proc/sys/kernel/hostname /proc/sys/kernel/core_pattern /proc/sysrq-trigger /etc/passwd \
            /sys/kernel/uevent_helper /proc/1/oom_score_adj /usr/lib/zigcheck/build; do \
            t \"write $f\" bash -c 'echo x >\"$0\"' $f; done",
            "find / -xdev -writable ! -type l 2>/dev/null | grep -v '^/work' | sed 's/^/REACHED writable /' >&2",
        ),
    ),
    tries(
        "reads",
        attempts!(
            "for f in /etc/shadow /proc/kcore /proc/kmsg /dev/mem /dev/kmsg /dev/sda /dev/vda /proc/1/mem; do \
            t \"read $f\" head -c 1 $f; done",
            "for f in /var/lib/docker /var/run/docker.sock /run/docker.sock /run/containerd /var/lib/zigcheck /host; do \
            t \"see $f\" test -e $f; done",
            "t dmesg dmesg",
            "[ $(ls /proc | grep -c '^[0-9]') -lt 60 ] || echo 'REACHED processes of others' >&2",
            "[ \"$(env | cut -d= -f1 | grep -ciE 'token|secret|docker|zigcheck_')\" = 0 ] || echo 'REACHED environment' >&2",
        ),
    ),
    tries(
        "network",
        attempts!(
            "for a in 192.0.2.1/80 172.17.0.1/22 10.0.0.1/80 169.254.169.254/80; do \
            t \"tcp $a\" timeout 3 bash -c 'exec 3<>/dev/tcp/$0' $a; \
            t \"udp $a\" timeout 3 bash -c 'echo x >/dev/udp/$0' $a; done",
            "t dns timeout 5 getent hosts example.org",
            "[ \"$(ls /sys/class/net | tr -d '\\\\n')\" = lo ] || echo 'REACHED interfaces' >&2",
            "t raw perl -MSocket -e 'socket(S, PF_INET, SOCK_RAW, 1) or exit 1'",
            "t packet perl -MSocket -e 'socket(S, 17, SOCK_RAW, 768) or exit 1'",
            "t abstract perl -MSocket -e 'socket(S, PF_UNIX, SOCK_STREAM, 0); \
            connect(S, pack_sockaddr_un(\"\\\\0zigcheck-hostile-victim\")) or exit 1'",
        ),
    ),
    tries(
        "rights",
        attempts!(
            "t mknod mknod /work/node c 1 3",
            "cp /bin/bash /work/b && chmod u+s /work/b && [ \"$(/work/b -p -c 'id -u')\" = \"$(id -u)\" ] || \
            echo 'REACHED another user' >&2",
            "t chown chown root /work/b",
            "t mount mount -t tmpfs none /mnt",
            "t unshare unshare -Ur true",
            "t chroot chroot / true",
            "t nsenter nsenter -t 1 -m -p true",
            "t sethostname hostname owned",
            "[ \"$(id -u)\" != 0 ] || echo 'REACHED root' >&2",
            "for c in CapPrm CapEff CapBnd CapAmb; do grep -q \"^$c:.0000000000000000$\" /proc/self/status || \
            echo \"REACHED $c\" >&2; done",
            "grep -q '^NoNewPrivs:.1$' /proc/self/status || echo 'REACHED new privileges' >&2",
            "grep -q '^Seccomp:.2$' /proc/self/status || echo 'REACHED system calls' >&2",
        ),
    ),
    tries(
        "system-calls",
        attempts!(
            "t date date -s 2001-01-01",
            "sys add_key 248 0 0 0 0 -3",
            "sys keyctl 250 0 -3 1",
            "sys request_key 249 0 0 0 0",
            "sys bpf 321 0 0 0",
            "sys perf_event_open 298 0 0 -1 -1 0",
            "sys userfaultfd 323 0",
            "sys kexec_load 246 0 0 0 0",
            "sys init_module 175 0 0 0",
            "sys open_by_handle_at 304 -1 0 0",
            "sys settimeofday 164 0 0",
            "sys swapoff 168 0",
            "sys reboot 169 0 0 0 0",
            "sys acct 163 0",
            "sys quotactl 179 0 0 0 0",
            "sys iopl 172 3",
            "sys unshare-user 272 268435456",
            "sys mount-setattr 442 -1 0 0 0 0",
        ),
    ),
    // A package like others, behind all of them.
    runs("plain", &["success/success/null"], "echo fine"),
];
