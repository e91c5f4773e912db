#!/bin/sh
# Leaves a server running while people come and go, and looks at every default deadline.
set -eu

usage() {
    cat <<'END'
Usage: scripts/soak.sh [--seconds SECONDS] [--no-defaults]

Builds the server and has it looked at twice. First every default that is a time or an amount, all
at once, in a minute or three, which it says first: each happens, not before its time and not much
later. Then half an hour of people who come, talk and go in every way there is: all that they hear
is checked, and nothing may be left of them in the server.

  --seconds SECONDS  of coming and going [default: 1800]
  --no-defaults      only the coming and going
  --help             this

Exit codes: 0 all was as it must be, 1 the server was wrong, 2 a flag is wrong.
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
soak() {
    cargo run --quiet --locked --release --example soak -- "$@"
}
if [ -n "$defaults" ]; then
    soak --defaults
    echo
fi
soak --seconds "$seconds"
