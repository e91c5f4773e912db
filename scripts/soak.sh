#!/bin/sh
# Leaves a server running while clients connect and leave, and checks every default deadline.
set -eu

usage() {
    cat <<'END'
Usage: scripts/soak.sh [--seconds SECONDS] [--no-defaults]

Builds the server and tests it twice. First it checks every default that is a time or an amount, all
at once: each takes effect, not early and not much late. That takes two to three minutes. Then
clients connect, talk and leave in every way, for half an hour. All that they receive is checked,
and nothing of them may remain in the server.

  --seconds SECONDS  length of the second part [default: 1800]
  --no-defaults      skip the first part
  --help             show this help

Exit codes: 0 right, 1 the server was wrong, 2 wrong flag.
END
}

fail() {
    echo "soak.sh: $1" >&2
    exit 2
}

seconds=1800
defaults=yes
while [ $# -gt 0 ]; do
    case $1 in
        --help | -h) usage && exit 0 ;;
        --seconds)
            [ $# -gt 1 ] || fail "$1 needs a value (--help)"
            seconds=$2
            shift
            ;;
        --no-defaults) defaults= ;;
        *) fail "no such flag: $1 (--help)" ;;
    esac
    shift
done
case $seconds in
    '' | *[!0-9]* | 0*) fail "--seconds $seconds is not a whole number of seconds" ;;
esac

cd "$(dirname "$0")/.."
if [ -n "$defaults" ]; then
    cargo test --quiet --locked --test server -- --ignored hazards::defaults --test-threads 4 ||
        exit 1
fi
cargo run --quiet --locked --release -p scripts --bin soak -- --seconds "$seconds"
