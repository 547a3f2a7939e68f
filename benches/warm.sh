#!/bin/bash
# Measures what the warm cache saves and what the container costs, for each Zig version, and prints one markdown table.
# The same `zig init` package is built and tested with an empty cache, with the image's cache, and outside a container with
# the same compiler and cache. All from one run; of the warm ones the fastest of $REPEAT. Keep the ratios, not the seconds.
set -euo pipefail
cd "$(dirname "$0")/.."
repeat=${REPEAT:-3}

work=$(mktemp -d -p /var/tmp)
trap 'rm -rf "$work"' EXIT
cpus=$(nproc)
[ "$cpus" -lt 2 ] || cpus=2

die() { echo "warm: $*" >&2; exit 1; }

contain() { # OPTION... IMAGE COMMAND...
    docker run --rm --network=none --memory=2g --memory-swap=2g --cpus="$cpus" --user 1000:1000 --cap-drop=ALL \
        --security-opt=no-new-privileges --read-only --pids-limit=512 --init -i --log-driver=none --pull=never \
        --tmpfs /work:rw,exec,nosuid,nodev,size=1g,mode=0755,uid=1000,gid=1000 "$@"
}

# Sets ms to how long the command took; its output goes to $work/out.
timed() {
    local start=$EPOCHREALTIME
    "$@" >"$work/out" 2>"$work/err" || { cat "$work/err" >&2; die "failed: $*"; }
    local end=$EPOCHREALTIME
    ms=$(((${end/./} - ${start/./}) / 1000))
}

# Sets ms to how long a build in a container took, from `docker run` to its end; options before IMAGE.
in_container() {
    timed contain "$@" /usr/lib/zigcheck/build <"$work/input"
    grep -q '"build_status":"success","test_status":"success"' "$work/out" || die "no success: $(<"$work/out")"
}

outside() {
    rm -rf "$work/package"
    mkdir "$work/package"
    tar -C "$work/package" -xf "$work/source.tar"
    timed build_outside
}
build_outside() (
    export ZIG_GLOBAL_CACHE_DIR=$work/cache
    cd "$work/package"
    # shellcheck disable=SC2086
    $pinned "$work/zig/zig" build --summary all </dev/null && $pinned "$work/zig/zig" build test --summary all </dev/null
)
pinned=
[ "$(nproc)" -le 2 ] || pinned="taskset -c 0,1" # as many processors as the container has

least() { [ -n "$1" ] && [ "$1" -le "$2" ] && echo "$1" || echo "$2"; }
seconds() { printf '%d.%02d s' $(($1 / 1000)) $(($1 % 1000 / 10)); }
ratio() { printf '%d.%02d' $(($1 / $2)) $(($1 * 100 / $2 % 100)); }

echo "| Zig | cold | warm | cold : warm | warm, no container | container : none |"
echo "|---|---|---|---|---|---|"
for version in $(sed -E '/^#/d; s/ .*//' images/versions); do
    image=zigcheck:$version
    contain "$image" bash -c 'mkdir package && cd package && zig init 2>/dev/null >&2 && tar -c .' >"$work/source.tar"
    read -r sum _ < <(sha256sum "$work/source.tar")
    {
        echo "{\"build_id\":1,\"package_name\":\"package\",\"zig_version\":\"$version\",\"source\":{\"bytes\":$(stat -c %s "$work/source.tar"),\"sha256\":\"$sum\",\"format\":\"tar\"},\"deps\":null}"
        cat "$work/source.tar"
    } >"$work/input"
    rm -rf "$work/zig" "$work/cache"
    container=$(docker create --label zigcheck.build=0 "$image" true)
    docker cp "$container:/opt/zig" "$work/zig" >/dev/null 2>&1
    docker cp "$container:/opt/zigcheck/cache" "$work/cache" >/dev/null 2>&1
    docker rm "$container" >/dev/null

    # Once untimed: the files come from the disk, and what of the cache depends on the compiler's path is made again.
    outside
    in_container "$image"
    warm= plain=
    for ((i = 0; i < repeat; i++)); do
        in_container "$image" && warm=$(least "$warm" "$ms")
        outside && plain=$(least "$plain" "$ms")
    done
    in_container --tmpfs /opt/zigcheck/cache:ro,mode=0755 "$image"
    echo "| $version | $(seconds "$ms") | $(seconds "$warm") | $(ratio "$ms" "$warm") | $(seconds "$plain") | $(ratio "$warm" "$plain") |"
done
