# Shared by the scripts in containers: environment, input, framed files, unpacking, reachability, git, manifests.
# The root file system is read-only. Beside /dev/shm the tmpfs /work is the only writable place: the image has links to it at /tmp,
# /var/tmp and /home/build.
set -u
umask 022
mkdir -p /work/tmp /work/var-tmp /work/home/.cache/zig /work/run
chmod 1777 /work/tmp /work/var-tmp
# The environment of a fresh login shell and no more: a package can see all of it.
for name in $(compgen -e); do
    case $name in ZIGCHECK_*) ;; *) unset -v "$name" ;; esac
done
export HOME=/home/build USER=build LOGNAME=build SHELL=/bin/bash LANG=C.UTF-8 PATH=/usr/local/bin:/usr/bin:/bin

# The files of the scripts themselves, and zig's global cache where zig looks for it by default.
run=/work/run cache=/work/home/.cache/zig

say() { echo "zigcheck: $*" >&2; }

# Prints the reason $2... and ends the script with exit code $1.
end() { say "${*:2}"; exit "$1"; }

# Sets sum to the sha256 of the file $1.
sha256() { sum=$(sha256sum <"$1"); sum=${sum%% *}; }

# Starts to copy the image's warm cache; `wait "$warming"` before the first run of zig.
warm_cache() { cp -r /opt/zigcheck/cache/. $cache & warming=$!; }

# Reads the head line from standard input into head, and its fields into source_*, deps_*, kept_*, dir and silence_seconds.
read_head() {
    IFS= read -r -n 8193 head && [ "${#head}" -le 8192 ] || end 65 "no head line on standard input"
    read -r source_bytes source_sha256 source_format deps_bytes deps_sha256 kept_bytes kept_sha256 kept_limit silence_seconds < <(jq -r \
        '[.source.bytes, .source.sha256, .source.format, .deps.bytes // 0, .deps.sha256 // "-", .kept.bytes // 0, .kept.sha256 // "-",
          .kept_limit_bytes // 0, .silence_seconds // 0] | @tsv' <<<"$head")
    [ -n "${silence_seconds:-}" ] || end 65 "the head line is malformed"
    dir=$(jq -r '.dir // ""' <<<"$head")
}

# Stores the next $2 bytes of standard input as file $1; ends with 65 unless their sha256 is $3.
# head -c reads no byte more than it is told to, so the next part starts at the right byte.
read_part() {
    head -c "$2" >"$1"
    sha256 "$1"
    [ "$sum" = "$3" ] || { disk_full && end 12 "no room for the input in /work"; end 65 "standard input did not arrive whole"; }
}

# Unpacks the file $2 (tar, tar.gz, tar.zst) into the directory $1 and removes the file. tar_options: -m for files with the time of now.
tar_options=
unpack() {
    local option=
    case $3 in tar.gz) option=-z ;; tar.zst) option=--zstd ;; esac
    mkdir -p "$1" && tar $option $tar_options -C "$1" --no-same-owner --no-same-permissions -xf "$2" || return 1
    rm "$2"
}

# Unpacks the source into /work/src and enters the package's root: what the archive holds, or the one directory in it, as release
# archives and `tar -c DIR` have it; then the directory that the head names. Fails if that is impossible; sets has_dir to false where
# the source has no such directory.
unpack_source() {
    unpack /work/src $run/source "$source_format" || return 1
    # An archive can hold directories that their own owner may not enter.
    chmod -R u+rwX /work/src && cd /work/src || return 1
    # What desktops and editors leave beside the one directory is hidden, but for these.
    local entries entry
    entries=()
    for entry in *; do
        case $entry in '*' | __MACOSX | Thumbs.db | desktop.ini) ;; *) entries+=("$entry") ;; esac
    done
    if [ "${#entries[@]}" = 1 ] && [ -d "${entries[0]}" ] && [ ! -L "${entries[0]}" ] && [ ! -e build.zig ]; then cd "./${entries[0]}"; fi
    root=$PWD has_dir=true
    [ -n "$dir" ] || return 0
    # A link may lead out of the source.
    cd "./$dir" 2>/dev/null && [[ $(pwd -P)/ == "$root"/* ]] || { has_dir=false; cd "$root" || return 1; }
}

# Unpacks what fetch-deps made: packages into zig's cache, placeholders beside build.zig, and the list of what is missing.
unpack_dependencies() {
    : >$run/missing.json
    [ "$deps_bytes" != 0 ] || return 0
    unpack $cache $run/deps tar.gz || return 1
    if [ -f $cache/missing.json ]; then mv $cache/missing.json $run/missing.json; fi
    [ -n "$(ls $cache/zig-pkg 2>/dev/null)" ] || return 0
    mkdir -p zig-pkg && cp -r $cache/zig-pkg/. zig-pkg
}

# If the command whose output is in the files $2... failed for want of a dependency that could not be fetched, sets reason and detail
# to what the fetch was told, and adds that to the error log $1: the build itself has no network, and met something else.
blame_dependency() {
    local log=$1 found kind host url
    shift
    found=$(cat "$@" | jq -Rsrc --slurpfile missing $run/missing.json --arg reason "$reason" '
        . as $text | first(
            ($missing[] | .hash as $hash | select($hash != "" and ($text | contains("/" + $hash + "/build.zig")))),
            ($missing[] | .name as $name | select($text | contains("zigcheck: dependency " + $name + " ("))),
            (if $reason == "dependency_unavailable" then ($missing[] | .url as $url | select($text | contains("\"" + $url + "\""))), ($missing[] | select(.fatal)) else empty end)) |
        [.kind, "dependency \(.name): \(.cause)", .host // "", .url] | map(gsub("[\t\n]"; " ")) | @tsv')
    [ -n "$found" ] || return
    IFS=$'\t' read -r kind detail host url <<<"$found"
    reason=dependency_unavailable dependency=refused
    case $kind in busy | unreachable) dependency=unreachable ;; esac
    [ "$kind" != host_not_allowed ] || { reason=host_not_allowed; detail="needs host $host, which this server does not allow"; }
    { echo "${found#*$'\t'}" | cut -f 1,3 | sed 's/\t/\n/'; cat "$log"; } >$run/blamed
    mv $run/blamed "$log"
}

# True if /work has less than 1 MiB or no inode left.
disk_full() {
    local blocks size inodes
    read -r blocks size inodes < <(stat -f -c '%a %S %d' /work)
    [ $((blocks * size)) -lt 1048576 ] || [ "$inodes" = 0 ]
}

# True if a TCP connection to the host and port of the URL $1 opens within 5 s.
reachable() {
    [[ $1 =~ ^(git\+)?([a-z]+)://([^/@]*@)?(\[[^]/]*\]|[^:/?#]*)(:([0-9]+))?([/?#]|$) ]] || return 1
    local host=${BASH_REMATCH[4]} port=${BASH_REMATCH[6]}
    [ -n "$port" ] || case ${BASH_REMATCH[2]} in https) port=443 ;; http) port=80 ;; git) port=9418 ;; *) return 1 ;; esac
    host=${host#[} host=${host%]}
    timeout 5 bash -c 'exec 3<>"/dev/tcp/$0/$1"' "$host" "$port" 2>/dev/null
}

# Prints why a connection to port $2 of the address $1 fails within 3 s; nothing if it opens.
connect_error() { timeout 3 bash -c 'exec 3<>"/dev/tcp/$0/$1"' "$1" "$2" 2>&1 || [ $? != 124 ] || echo "no answer"; }

# True if the firewall rules of systemd/fetch-network are in place. They reject this reserved address at once; without them no
# host exists there that could.
is_guarded() { [[ $(connect_error 240.0.0.1 9) == *"Connection refused"* ]]; }

# Ends the script if the server promises the firewall rules (ZIGCHECK_GUARDED) and they are missing.
require_guard() {
    [ "${ZIGCHECK_GUARDED:-}" != yes ] || is_guarded || end 10 "the firewall rules of the fetch network are missing: run make fetch-network"
}

# True if every reader splits the URL $1 in the same way; sets scheme and host then. The host ends at the first `/`, `?` or `#`. A
# URL with `@`, `\`, `%` in the host, quotes or blanks could be split in two ways.
split_url() {
    [[ $1 =~ ^([a-z+]+)://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(:[0-9]{1,5})?([/?#][!-~]*)?$ ]] && [[ $1 != *[\\\"\'\`\<\>]* ]] || return
    scheme=${BASH_REMATCH[1]} host=${BASH_REMATCH[2],,}
}

# True if --allow-hosts (ZIGCHECK_HOSTS) allows the host $1.
host_allowed() {
    local known
    [ "${ZIGCHECK_HOSTS:-*}" != '*' ] || return 0
    for known in ${ZIGCHECK_HOSTS//,/ }; do [ "$1" != "${known,,}" ] || return 0; done
    return 1
}

# True if the URL $1 has one of the schemes $2... and an allowed host. Sets host if only the host is at fault; else empties it.
allowed() {
    local url=$1 scheme
    shift
    split_url "$url" && [[ " $* " == *" $scheme "* ]] || { host=; return 1; }
    ! host_allowed "$host" || { host=; return 0; }
    return 1
}

# Restricts git: no prompts, only these protocols, only the server that was named, no hooks, and nothing that a repository tells
# git to run or read. A server that stops sending is given up.
restrict_git() {
    export GIT_TERMINAL_PROMPT=0 GIT_ASKPASS=/bin/false GIT_ALLOW_PROTOCOL=https:http:git GIT_TEMPLATE_DIR= GIT_CONFIG_NOSYSTEM=1
    export GIT_CONFIG_GLOBAL=/dev/null GIT_ATTR_NOSYSTEM=1 GIT_OPTIONAL_LOCKS=0 GIT_NO_LAZY_FETCH=1
    local n=0 host id
    git_config core.hooksPath /dev/null
    git_config core.fsmonitor false
    git_config core.attributesFile /dev/null
    git_config core.protectNTFS true
    git_config core.protectHFS true
    # A server may name other servers: for everything (a redirect) or for parts (alternates, bundles). Follow none of them.
    git_config http.followRedirects false
    git_config transfer.bundleURI false
    git_config fetch.uriProtocols ""
    git_config submodule.recurse false
    # Check all objects, including `.gitmodules`; tolerate harmless faults that old programs wrote.
    git_config transfer.fsckObjects true
    for id in zeroPaddedFilemode badFilemode missingSpaceBeforeDate badTimezone missingSpaceBeforeEmail badEmail missingEmail \
        zeroPaddedDate badDate badDateOverflow missingNameBeforeEmail badName nullSha1; do
        git_config "fetch.fsck.$id" ignore
    done
    # Keep a pack as one file instead of unpacking it into many.
    git_config transfer.unpackLimit 1
    git_config http.lowSpeedLimit 1000
    git_config http.lowSpeedTime 60
    git_config init.defaultBranch main
    git_config advice.detachedHead false
    # Submodules often have an SSH address, which needs a key. The public HTTPS address serves as well.
    for host in github.com gitlab.com codeberg.org; do
        git_config "url.https://$host/.insteadOf" "git@$host:"
        git_config "url.https://$host/.insteadOf" "ssh://git@$host/"
    done
}

git_config() { export "GIT_CONFIG_KEY_$n=$1" "GIT_CONFIG_VALUE_$n=$2" GIT_CONFIG_COUNT=$((++n)); }

# Runs git, for at most $git_seconds if that is set, and keeps its output in log: a variable, since the disk may be full. More than
# 1 MiB of output ends git.
run_git() { log=$(timeout "${git_seconds:-0}" git "$@" </dev/null 2>&1 | head -c 1048576; exit "${PIPESTATUS[0]}"); }

# Sets http_status and retry_after (seconds, or empty) to what the HTTP server of the URL $1 answers git now. git's messages name no
# header, but its trace does. git adds `/info/refs` to the path, or to the query if there is one.
http_answer() {
    local line at
    http_status= retry_after=
    while IFS= read -r line; do
        line=${line,,}
        if [[ $line =~ "<= recv header: http/"[0-9.]+" "([0-9]{3}) ]]; then http_status=${BASH_REMATCH[1]}; fi
        if [[ $line =~ "<= recv header: retry-after: "([0-9]{1,6})$ ]]; then
            retry_after=${BASH_REMATCH[1]}
        elif [[ $line =~ "<= recv header: retry-after: "([a-z]{3}, [a-z0-9 :]+ gmt)$ ]]; then
            at=$(date -d "${BASH_REMATCH[1]}" +%s 2>/dev/null) && [ "$at" -gt "$EPOCHSECONDS" ] && retry_after=$((at - EPOCHSECONDS))
        fi
    done < <(restrict_git; GIT_TRACE_CURL=1 GIT_TRACE_CURL_NO_DATA=1 timeout 20 git ls-remote -- "$1" HEAD </dev/null 2>&1 | tr -d '\r' | head -c 1048576)
}

# True if http_status means that the server may answer otherwise later: a forbidden client is told when only if it asked too often.
is_busy() { [[ $http_status =~ ^(408|429|5..)$ || ($http_status == 403 && -n $retry_after) ]]; }

# Ends the script with 11 and the reason $1, and notes the host that allowed found at fault.
refuse_host() {
    [ -z "${host:-}" ] || echo "$host" >>$run/hosts-refused
    end 11 "$1"
}

# Ends the script with 13 if git's words in log say that the server of $url is busy: it answered 408, 429 or 5xx, or 403 with a time, or
# broke off. Sets retry_after first.
end_if_busy() {
    case $log in
        *"returned error: 408"* | *"returned error: 429"* | *"returned error: 5"[0-9][0-9]*) http_answer "$url" ;;
        *"returned error: 403"*) http_answer "$url"; is_busy || return ;;
        *"Connection reset"* | *"early EOF"* | *"RPC failed"* | *"hung up unexpectedly"* | *"Empty reply"* | *"unexpected disconnect"*) ;;
        *) return ;;
    esac
    end 13 "the host of $url is busy${retry_after:+ and asks to be left alone for $retry_after s}"
}

# Follows the redirect with which the server of $url answered git (a renamed repository), if its host is allowed. Sets url; fails
# if there was no redirect.
follow_redirect() {
    local line location=
    case $log in *"returned error: 30"[12378]*) ;; *) return 1 ;; esac
    # git's error message does not name the target, but its trace does.
    while IFS= read -r line; do
        if [[ ${line,,} =~ "<= recv header: location: "([!-~]+) ]]; then location=${line:$((${#line} - ${#BASH_REMATCH[1]}))}; fi
    done < <(GIT_TRACE_CURL=1 GIT_TRACE_CURL_NO_DATA=1 timeout 60 git ls-remote -- "$url" HEAD </dev/null 2>&1 | tr -d '\r' | head -c 1048576)
    case $location in
        */info/refs\?service=git-upload-pack) location=${location%/info/refs*} ;;
        *) return 1 ;;
    esac
    [[ $location != /* ]] || location=$(grep -oE '^[a-z]+://[^/]+' <<<"$url")$location
    allowed "$location" https http || refuse_host "$url redirects to $location, whose host is not allowed"
    # Never from an encrypted connection to an unencrypted one.
    [[ $url != https:* || $location == https:* ]] || end 11 "$url redirects to $location, which is not encrypted"
    say "$url redirects to $location"
    url=$location
}

# Ends the script unless $1 can be the name of a branch, a tag, a commit or HEAD.
check_ref() {
    [ "$1" = HEAD ] || git check-ref-format --allow-onelevel "$1" 2>/dev/null ||
        end 11 "$1 is not the name of a branch, a tag or a commit"
}

# Prints "URL HASH", as written, for each dependency in the build.zig.zon files that find finds with these arguments; "-" for no
# hash. Fails if a file has text that this reader cannot parse reliably, since a dependency may be missing then. The input of awk
# has one token a line: comments, strings of both kinds, names, and everything else byte by byte. src/app/source/manifest.rs reads
# manifests in the same way.
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

# Prints a line "NAME URL HASH LAZY PATH", with 0x1f between the fields, for each dependency that the manifest $1 declares. Text that
# this reader cannot parse may hide one: then the build will miss it.
declared_dependencies() {
    tr '\000' '\001' <"$1" | LC_ALL=C grep -oaE $'//.*|\\\\\\\\.*|@?"([^"\\\\]|\\\\.)*"|[A-Za-z_][A-Za-z_0-9]*|[^ \t\r]' | LC_ALL=C awk '
        function clean(text) { gsub(/[\001-\037\177]/, "?", text); return text }
        /^\/\// { next }
        want != "" && (/^".*"$/ && length($0) > 1 || want == "lazy") {
            field[want] = clean($0 ~ /^"/ ? substr($0, 2, length($0) - 2) : $0)
            want = ""
            next
        }
        { want = name = "" }
        /^[A-Za-z_]/ { name = $0 }
        /^@"/ { name = substr($0, 3, length($0) - 3) }
        name != "" && dot { pending = name }
        $0 == "=" && depth == 3 && pending ~ /^(url|hash|lazy|path)$/ { want = pending }
        $0 == "{" { key[++depth] = clean(pending); pending = ""; if (depth == 3) delete field }
        $0 == "}" {
            if (depth == 3 && key[2] == "dependencies" && field["url"] field["path"] != "") {
                printf "%s\037%s\037%s\037%s\037%s\n", key[3], field["url"], field["hash"], field["lazy"], field["path"]
            }
            if (depth > 0) depth--
        }
        { dot = $0 == "." }'
}

# Prints the lowest Zig version that the manifest on standard input declares, if it does.
declared_minimum() {
    sed 's,//.*,,' | tr '\n' ' ' | grep -oaE '\.minimum_zig_version\s*=\s*"[A-Za-z0-9.+-]{1,64}"' | head -n 1 | cut -d '"' -f 2
}

# Writes the dependencies that the tree in directory $1 names to $run/asked, sorted and without duplicates. Sets manifest to
# their sha256 as a JSON string (empty if there are none), or to null if some of them may be unknown.
read_manifests() {
    local status lines bytes
    manifest=null
    named_dependencies "$1" | LC_ALL=C sort -u >$run/asked
    status=("${PIPESTATUS[@]}")
    read -r lines bytes < <(wc -lc <$run/asked)
    # The limits are those of src/app/source/limits.rs. A link may lead to a manifest with another name.
    [ "${status[*]}" = "0 0" ] && [ "$lines" -le 1024 ] && [ "$bytes" -le 262144 ] || return
    [ -z "$(find "$1" -name build.zig.zon \( -type l -o -type f -size +262144c \) -print -quit)" ] || return
    sha256 $run/asked
    [ "$lines" -gt 0 ] || sum=
    manifest="\"$sum\""
}

# Packs what the tar arguments $3... name into the file $1, reproducibly; ends with 12 if it has more than $2 bytes. Sets bytes
# and sum.
pack() {
    local file=$1 limit=$2 status
    shift 2
    tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -c "$@" | gzip -1n | head -c $((limit + 1)) >"$file"
    status=("${PIPESTATUS[@]}")
    bytes=$(stat -c %s "$file")
    [ "$bytes" -le "$limit" ] || end 12 "packed it has more than $((limit >> 20)) MiB"
    [[ ${status[*]} = "0 0 0" ]] || end 12 "no room left in /work to pack it"
    sha256 "$file"
}
