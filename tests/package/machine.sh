# A bare Debian under its own systemd, as a container of the machine's engine, with an engine of its own inside. Sourced.
machine=zigcheck-package-$$
machines=()
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
    machines+=("$machine")
    trap 'docker rm -f -v "${machines[@]}" >/dev/null' EXIT
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

# Gives the server one image, from the machine's engine: to make it takes minutes, and first-verdict has that.
give_image() {
    inside 'systemctl stop zigcheck-images; echo ZIGCHECK_ZIG_VERSIONS=0.16.0 >>/etc/zigcheck/zigcheck.env'
    docker save zigcheck:0.16.0 | inside 'docker load -q'
    inside 'systemctl restart zigcheck'
    until_says 'curl -sS 127.0.0.1:3000/api/health | jq -r "[.status, .missing_images, .fetch_network] | @tsv" | xargs' 'healthy closed'
    say "it is healthy with an image that is there"
}

# Writes build.zig from standard input and the file $3 with the text $4, and sends it as package $1 to /api/check?$2.
submit() {
    local tree
    tree=$(mktemp -d)
    cat >"$tree/build.zig"
    [ -z "${3:-}" ] || echo "$4" >"$tree/$3"
    tar -C "$tree" -cz . | inside "curl -sSN --fail --data-binary @- '127.0.0.1:3000/api/check?name=$1&$2'"
    rm -r "$tree"
}

# The commands of the section $1 of the runbook, which are its $2nd block.
runbook() {
    awk -v title="## $1" -v nth="$2" '/^## / { within = $0 == title; block = 0; inside = 0; next }
        !within { next } /^    / { if (!inside) block++; inside = 1; if (block == nth) print substr($0, 5); next } NF { inside = 0 }' docs/runbook.md
}
