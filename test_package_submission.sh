#!/bin/bash
# Submits one package to a running server and prints its progress and its matrix. Exits with 0 only if every build came to a verdict
# about the package (success or failed, not error), with 1 if one did not, and with 2 if the server cannot be used, or has another
# package under the name.
#
# Usage: ./test_package_submission.sh [URL|DIR]     (ZIGCHECK_URL names the server, by default http://127.0.0.1:3000)
set -euo pipefail

server=${ZIGCHECK_URL:-http://127.0.0.1:3000}
package=${1:-https://github.com/Hejsil/zig-clap}
timeout_seconds=3600

die() { echo "$0: $*" >&2; exit 2; }

# Calls curl with these arguments and sets status and body to the answer.
request() {
    body=$(curl -sS -w '\n%{http_code}' "$@") || die "no server answers at $server"
    status=${body##*$'\n'} body=${body%$'\n'*}
}

# Prints the value of field $1 in body: a number, a word, or a string up to its first quote.
field() { sed -nE "s/.*\"$1\":(\"([^\"]*)\"|([^\",}]*)).*/\2\3/p" <<<"$body" | head -n 1; }

# Prints host and path of the repository at URL $1, in lower case: what all its URLs have in common.
repository() {
    sed -E 's,^[a-z+]*://,,I; s,^[^/@]*@,,; s,^([^/:]+):([^0-9]),\1/\2,; s,^www\.,,I; s,:(80|443)/,/,; s,/+$,,; s,\.git$,,' <<<"$1" |
        tr '[:upper:]' '[:lower:]'
}

# Dies unless the body is about the repository that was given. The URL of a page begins with that of its repository.
same_repository() {
    local url
    url=$(field url)
    case $(repository "$package")/ in
    "$(repository "$url")"/*) ;;
    *) die "the server tells of $url, not of $package" ;;
    esac
}

case $package in
*://* | git@*:*)
    request -H 'Content-Type: application/json' -d "{\"url\": \"$package\"}" "$server/api/packages"
    if [ "$status" = 409 ]; then
        # Only an answer with a name says that the repository is known: then it is checked again.
        name=$(field name)
        [ -n "$name" ] || die "the server answers 409: $(field error)"
        request "$server/api/packages/$name"
        [ "$status" = 200 ] || die "the server answers $status: $(field error)"
        same_repository
        request -X POST "$server/api/packages/$name/builds"
    fi
    ;;
*)
    [ -d "$package" ] || die "$package is neither a URL nor a directory"
    name=$(basename "$(realpath "$package")" | tr -c 'A-Za-z0-9._\n-' _)
    pack() { tar -C "$package" --exclude=.git --exclude=.zig-cache --exclude=zig-cache --exclude=zig-out -czf - .; }
    request --data-binary @<(pack) "$server/api/check?name=$name"
    ;;
esac
case $status in 201 | 202) ;; *) die "the server answers $status: $(field error)" ;; esac
check=$(field check)
if [[ $package == *://* || $package == git@*:* ]]; then
    request "$server/api/checks/$check"
    same_repository
fi

# Follow the check to its matrix. If the server goes away meanwhile, follow it again.
until curl -sSN "$server/api/checks/$check?follow"; do
    [ "$SECONDS" -lt $timeout_seconds ] || die "check $check is not finished after $timeout_seconds s"
    sleep 1
done
request "$server/api/checks/$check"
[ "$status" = 200 ] || die "the server answers $status: $(field error)"
[ "$(field finished)" = true ] || die "check $check has not finished, although the server ended its progress"
[[ $body != *'"build_status":"error"'* ]]
