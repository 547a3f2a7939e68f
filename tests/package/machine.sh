# A bare Debian under its own systemd, as a container of the machine's engine, with an engine of its own inside. Sourced.
machine=zigcheck-package-$$
package=$(ls -t target/deb/zigcheck_*_amd64.deb | head -n 1)

say() { echo "$suite: $* ($SECONDS s)"; }
die() { echo "$suite: $*" >&2; exit 1; }

# Runs a script in the machine.
inside() { docker exec -i "$machine" bash -euo pipefail -c "$1"; }

# Waits until the script says exactly that.
until_says() {
    local said
    for ((n = 0; n < ${3:-300}; n++)); do
        said=$(inside "$1" 2>&1) || true
        [ "$said" != "$2" ] || return 0
        sleep 1
    done
    inside 'journalctl --no-pager -n 40' >&2
    die "$1: never said '$2' but '$said'"
}

# Boots it from the release $1.
boot() {
    tests/package/bare-tree "$1"
    # What systemd and an engine need, which is less than --privileged. Docker of Debian 13 writes to /proc/sys.
    docker run -d --name "$machine" --label zigcheck.package-test=1 --cap-add SYS_ADMIN --cap-add NET_ADMIN --cap-add SYS_PTRACE \
        --security-opt seccomp=unconfined --security-opt apparmor=unconfined --cgroupns=private --tmpfs /run --tmpfs /run/lock \
        --env container=docker --volume /var/lib/docker "zigcheck-bare:$1" bash -c \
        'while read -r _ at kind _; do [[ $kind != cgroup* ]] || mount -o remount,bind,rw $at; done </proc/mounts; mount -o remount,bind,rw /proc/sys; exec /lib/systemd/systemd' \
        >/dev/null
    trap 'docker rm -f -v "$machine" >/dev/null' EXIT
    until_says 'systemctl is-system-running 2>/dev/null || true' running
    # jq is what this script asks with.
    inside 'apt-get update -qq; apt-get install -y -qq jq >/dev/null 2>&1'
    say "a bare Debian has booted"
}

# Installs a package file of this machine there.
install_package() {
    docker cp -q "$1" "$machine:/root/"
    inside "DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --allow-downgrades /root/${1##*/} >/var/log/apt.out 2>&1 ||
        { tail -n 30 /var/log/apt.out; exit 1; }"
}
