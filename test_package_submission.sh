#!/bin/bash
# Submits one package to a running server, prints its progress and its matrix; exits 0 only if every build came to a
# verdict (success or failed: what the package does, not what went wrong on the way).
#
# Usage: ./test_package_submission.sh [URL|DIR]     (the server: ZIGCHECK_URL, by default http://127.0.0.1:3000)
set -euo pipefail

server=${ZIGCHECK_URL:-http://127.0.0.1:3000}
what=${1:-https://github.com/Hejsil/zig-clap}
patience_seconds=3600

die() { echo "$0: $*" >&2; exit 2; }

# Sets status and body to what the server answers to curl with these arguments.
ask() {
    body=$(curl -sS -w '\n%{http_code}' "$@") || die "no server answers at $server"
    status=${body##*$'\n'} body=${body%$'\n'*}
}

# The value of field $1 in body: a number, a word, or a text up to its first quote.
field() { sed -nE "s/.*\"$1\":(\"([^\"]*)\"|([^\",}]*)).*/\2\3/p" <<<"$body" | head -n 1; }

case $what in
*://*)
    ask -H 'Content-Type: application/json' -d "{\"url\": \"$what\"}" "$server/api/packages"
    if [ "$status" = 409 ]; then # known already: a new check of it
        name=$(basename "$what" .git)
        ask -X POST "$server/api/packages/$name/builds"
    fi
    ;;
*)
    [ -d "$what" ] || die "$what is neither a URL nor a directory"
    name=$(basename "$(realpath "$what")" | tr -c 'A-Za-z0-9._\n-' _)
    pack() { tar -C "$what" --exclude=.git --exclude=.zig-cache --exclude=zig-cache --exclude=zig-out -czf - .; }
    ask --data-binary @<(pack) "$server/api/check?name=$name"
    ;;
esac
case $status in 201 | 202) ;; *) die "the server says $status: $(field error)" ;; esac
check=$(field check)

# Each line as it comes, to the matrix. Where the server goes away meanwhile, from where things stand then.
until curl -sSN "$server/api/checks/$check?follow"; do
    [ "$SECONDS" -lt $patience_seconds ] || die "check $check is not finished after $patience_seconds s"
    sleep 1
done
ask "$server/api/checks/$check"
[ "$status" = 200 ] || die "the server says $status: $(field error)"
[ "$(field finished)" = true ] || die "the server did not follow check $check to its end"
[[ $body != *'"build_status":"error"'* ]]
