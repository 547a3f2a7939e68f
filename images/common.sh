# What the scripts in the container share: the environment, reading input, framed files, unpacking, reachability.
# The root is read-only and the user has no home: the tmpfs /work is the only place to write.
set -u
umask 022
export HOME=/work TMPDIR=/work/tmp LC_ALL=C.UTF-8 TZ=UTC
export ZIG_GLOBAL_CACHE_DIR=/work/cache
mkdir -p /work/tmp

say() { echo "zigcheck: $*" >&2; }

# Says why and ends the script with exit code $1.
end() { say "${*:2}"; exit "$1"; }

# Sets sum to the sha256 of the file $1.
sha256() { sum=$(sha256sum <"$1"); sum=${sum%% *}; }

# Starts copying the image's warm global cache; `wait "$warming"` before zig is first run.
warm_cache() { cp -r /opt/zigcheck/cache /work/cache & warming=$!; }

# Reads the head line from standard input into head, and its parts into source_* and deps_*.
read_head() {
    IFS= read -r -n 4097 head && [ "${#head}" -le 4096 ] || end 65 "no head line on standard input"
    read -r source_bytes source_sha256 source_format deps_bytes deps_sha256 < <(jq -r \
        '[.source.bytes, .source.sha256, .source.format, .deps.bytes // 0, .deps.sha256 // "-"] | @tsv' <<<"$head")
    [ -n "${deps_sha256:-}" ] || end 65 "the head line is not what it should be"
}

# Stores the next $2 bytes of standard input as file $1; ends with 65 unless all came and their sha256 is $3.
# (head -c reads no byte more than asked for, so the next part begins where it should.)
read_part() {
    head -c "$2" >"$1"
    sha256 "$1"
    [ "$sum" = "$3" ] || { disk_full && end 12 "no room for the input in /work"; end 65 "standard input did not arrive whole"; }
}

# Unpacks the file $2 (tar, tar.gz, tar.zst) into the directory $1 and removes the file.
unpack() {
    local option=
    case $3 in tar.gz) option=-z ;; tar.zst) option=--zstd ;; esac
    mkdir -p "$1" && tar $option -C "$1" --no-same-owner --no-same-permissions -xf "$2" || return 1
    rm "$2"
}

# Unpacks the source into /work/src, enters the package's root, and fails if that cannot be done.
unpack_source() {
    unpack /work/src /work/tmp/source "$source_format" || return 1
    # Archives can hold directories that not even their owner may enter.
    chmod -R u+rwX /work/src && cd /work/src || return 1
    local entries
    shopt -s dotglob nullglob
    entries=(*)
    shopt -u dotglob nullglob
    # Archives made from a release or with `tar -c DIR` hold one directory, and the package is in there.
    if [ "${#entries[@]}" = 1 ] && [ -d "${entries[0]}" ] && [ ! -L "${entries[0]}" ]; then cd "./${entries[0]}"; fi
}

# True when /work has less than 1 MiB or no inode left.
disk_full() {
    local blocks size inodes
    read -r blocks size inodes < <(stat -f -c '%a %S %d' /work)
    [ $((blocks * size)) -lt 1048576 ] || [ "$inodes" = 0 ]
}

# True when a TCP connection to the host and port of the URL $1 can be opened within 5 s.
reachable() {
    [[ $1 =~ ^(git\+)?([a-z]+)://([^/@]*@)?(\[[^]/]*\]|[^:/?#]*)(:([0-9]+))?([/?#]|$) ]] || return 1
    local host=${BASH_REMATCH[4]} port=${BASH_REMATCH[6]}
    [ -n "$port" ] || case ${BASH_REMATCH[2]} in https) port=443 ;; http) port=80 ;; git) port=9418 ;; *) return 1 ;; esac
    host=${host#[} host=${host%]}
    timeout 5 bash -c 'exec 3<>"/dev/tcp/$0/$1"' "$host" "$port" 2>/dev/null
}

# Prints what a connection to port $2 of the address $1 comes to within 3 s: nothing, or why there is none.
knock() { timeout 3 bash -c 'exec 3<>"/dev/tcp/$0/$1"' "$1" "$2" 2>&1 || [ $? != 124 ] || echo "no answer"; }

# True where the rules of systemd/fetch-network are in place: they refuse what leads to an address of this reserved block at
# once, while nobody can be there who does.
guarded() { [[ $(knock 240.0.0.1 9) == *"Connection refused"* ]]; }

# Ends the script where the rules are promised and not there.
stay_guarded() {
    [ "${ZIGCHECK_GUARDED:-}" != yes ] || guarded || end 10 "the rules of the network of fetches are gone: make fetch-network"
}

# True when --allow-hosts (ZIGCHECK_HOSTS) allows the host of the URL $1, which has one of the schemes $2... A host is what
# stands before the first `/`, `?` or `#`; what could be read in two ways (`@`, `\`, `%`, blanks) names none.
allowed() {
    local url=$1 host known scheme=${1%%://*}
    shift
    [[ " $* " == *" $scheme "* ]] && [[ $url =~ ^[a-z+]+://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(:[0-9]{1,5})?([/?#][!-~]*)?$ ]] || return
    [[ $url != *[\\\"\'\`\<\>]* ]] || return
    host=${BASH_REMATCH[1],,}
    [ "${ZIGCHECK_HOSTS:-*}" != '*' ] || return 0
    for known in ${ZIGCHECK_HOSTS//,/ }; do [ "$host" != "${known,,}" ] || return 0; done
    return 1
}

# No prompts, no other way than these protocols, no other server than the one asked, no hooks, nothing that a repository says
# git should run or read; and a server that stops sending is given up.
restrict_git() {
    export GIT_TERMINAL_PROMPT=0 GIT_ASKPASS=/bin/false GIT_ALLOW_PROTOCOL=https:http:git GIT_TEMPLATE_DIR= GIT_CONFIG_NOSYSTEM=1
    export GIT_CONFIG_GLOBAL=/dev/null GIT_ATTR_NOSYSTEM=1 GIT_OPTIONAL_LOCKS=0 GIT_NO_LAZY_FETCH=1
    local n=0 host id
    git_config core.hooksPath /dev/null
    git_config core.fsmonitor false
    git_config core.attributesFile /dev/null
    git_config core.protectNTFS true
    git_config core.protectHFS true
    # What a server says instead of sending: another address, for all (a redirect) or for some of it (alternates, bundles).
    git_config http.followRedirects false
    git_config transfer.bundleURI false
    git_config fetch.uriProtocols ""
    git_config submodule.recurse false
    # Objects as they should be, `.gitmodules` with them; but not for what old programs wrote and nothing is harmed by.
    git_config transfer.fsckObjects true
    for id in zeroPaddedFilemode badFilemode missingSpaceBeforeDate badTimezone missingSpaceBeforeEmail badEmail missingEmail \
        zeroPaddedDate badDate badDateOverflow missingNameBeforeEmail badName nullSha1; do
        git_config "fetch.fsck.$id" ignore
    done
    # A pack stays one file.
    git_config transfer.unpackLimit 1
    git_config http.lowSpeedLimit 1000
    git_config http.lowSpeedTime 60
    git_config init.defaultBranch main
    git_config advice.detachedHead false
    # Submodules are often named by an address that needs a key, where the public one serves as well.
    for host in github.com gitlab.com codeberg.org; do
        git_config "url.https://$host/.insteadOf" "git@$host:"
        git_config "url.https://$host/.insteadOf" "ssh://git@$host/"
    done
}

git_config() { export "GIT_CONFIG_KEY_$n=$1" "GIT_CONFIG_VALUE_$n=$2" GIT_CONFIG_COUNT=$((++n)); }

# Runs git, for $git_seconds at most where that is set, and keeps what it says in log (not in a file: the disk may be what is
# full). More than 1 MiB ends it.
git_says() { log=$(timeout "${git_seconds:-0}" git "$@" </dev/null 2>&1 | head -c 1048576; exit "${PIPESTATUS[0]}"); }

# Follows the redirect that the server of $url answered git with, to another address of a host that is allowed: a repository
# that was renamed. Sets url; fails where there is none.
follow_redirect() {
    local line location=
    case $log in *"returned error: 30"[12378]*) ;; *) return 1 ;; esac
    # It does not say where to; its trace does.
    while IFS= read -r line; do
        if [[ ${line,,} =~ "<= recv header: location: "([!-~]+) ]]; then location=${line:$((${#line} - ${#BASH_REMATCH[1]}))}; fi
    done < <(GIT_TRACE_CURL=1 GIT_TRACE_CURL_NO_DATA=1 timeout 60 git ls-remote -- "$url" HEAD </dev/null 2>&1 | tr -d '\r' | head -c 1048576)
    case $location in
        */info/refs\?service=git-upload-pack) location=${location%/info/refs*} ;;
        *) return 1 ;;
    esac
    [[ $location != /* ]] || location=$(grep -oE '^[a-z]+://[^/]+' <<<"$url")$location
    allowed "$location" https http || end 11 "$url leads to $location, whose host is not allowed"
    # Never from what is protected on its way to what is not.
    [[ $url != https:* || $location == https:* ]] || end 11 "$url leads to $location, which is not protected"
    say "$url leads to $location"
    url=$location
}

# Ends the script unless $1 can be a branch, a tag, a commit or HEAD.
check_ref() {
    [ "$1" = HEAD ] || git check-ref-format --allow-onelevel "$1" 2>/dev/null ||
        end 11 "$1 is not the name of a branch, a tag or a commit"
}

# Prints "URL HASH", as it is written there, for each dependency that is named in those build.zig.zon files which find finds
# with these arguments; "-" where it has no hash. Fails where something is not plain, so that one may have been missed.
# One token a line: comments, strings of both kinds, names, and the rest byte by byte. src/archive/manifest.rs does the same.
named_dependencies() {
    find "$@" -name build.zig.zon -type f -exec sed -s '$a}' {} + | tr '\000' '\001' |
        LC_ALL=C grep -oaE $'//.*|\\\\\\\\.*|@?"([^"\\\\]|\\\\.)*"|[A-Za-z_][A-Za-z_0-9]*|[^ \t\r]' |
        awk '
            function end_of_one() { if (url != "") print url, (hash == "" ? "-" : hash); url = hash = "" }
            /^\/\// { next }
            want != "" && /^".*"$/ && length($0) > 1 {
                value = substr($0, 2, length($0) - 2)
                if (want == "url" && url != "") end_of_one()
                if (want == "url") url = value; else hash = value
                want = ""
                next
            }
            want != "" || $0 == "\"" || $0 == "\047" || /^@".*\\/ { unclear = 1 }
            { want = name = "" }
            /^[A-Za-z_]/ { name = $0 }
            /^@"/ { name = substr($0, 3, length($0) - 3) }
            /^[{}]$/ { end_of_one() }
            $0 == "=" { want = key }
            { key = (dot && (name == "url" || name == "hash")) ? name : ""; dot = $0 == "." }
            END { end_of_one(); exit unclear }'
}

# What the tree in the directory $1 asks for: the lines of its dependencies, sorted, each once, go to /work/tmp/asked; manifest
# becomes their sha256 as a JSON text, empty where nothing is asked for, or null where not all that is asked for is known.
read_manifests() {
    local status lines bytes
    manifest=null
    named_dependencies "$1" | LC_ALL=C sort -u >/work/tmp/asked
    status=("${PIPESTATUS[@]}")
    read -r lines bytes < <(wc -lc </work/tmp/asked)
    # The limits are those of src/config.rs. A link may lead to a manifest of another name.
    [ "${status[*]}" = "0 0" ] && [ "$lines" -le 1024 ] && [ "$bytes" -le 262144 ] || return
    [ -z "$(find "$1" -name build.zig.zon \( -type l -o -type f -size +262144c \) -print -quit)" ] || return
    sha256 /work/tmp/asked
    [ "$lines" -gt 0 ] || sum=
    manifest="\"$sum\""
}

# Packs what the tar arguments $3... name into the file $1, the same bytes for the same content; ends with 12 if that
# has more than $2 bytes. Sets bytes and sum.
pack() {
    local file=$1 limit=$2 status
    shift 2
    tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -c "$@" | gzip -1n | head -c $((limit + 1)) >"$file"
    status=("${PIPESTATUS[@]}")
    bytes=$(stat -c %s "$file")
    [ "$bytes" -le "$limit" ] || end 12 "more than $((limit >> 20)) MiB when packed"
    [[ ${status[*]} = "0 0 0" ]] || end 12 "no room left in /work to pack it"
    sha256 "$file"
}
