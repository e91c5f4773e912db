#!/bin/sh
# Lets a fuzzer choose what clients send and what happens to them.
set -eu
cd "$(dirname "$0")/.."

fuzz=tests/fuzz
grown=$fuzz/target/grown
targets=
seconds=600
keep=no

usage() {
    cat <<'END'
Usage: scripts/fuzz.sh [TARGET...] [--seconds N] [--keep]

Lets a fuzzer choose what clients send, and checks what must hold of any input. The targets:

  input    lines and telnet, from the socket on
  head     heads of HTTP requests
  frames   frames of WebSocket
  text     what is safe to show
  command  commands and names
  hub      everything that happens in a run of the simulation

Without a target it runs all, one after the other. It begins with the inputs in tests/fuzz/corpus,
and with those that earlier runs found, in tests/fuzz/target/grown.

  --seconds N  run each target for this long [default: 600]; 0 only tries the inputs that exist
  --keep       replace tests/fuzz/corpus by the fewest inputs that reach all code that was reached;
               files named found-* stay
  --help       show this help

It installs cargo-fuzz if that is missing, and needs a C++ compiler. Exit codes: 0 nothing failed;
1 an input failed: it is stored, and the last lines say where and how to try it again; 2 wrong flag.
END
}

wrong() {
    echo "scripts/fuzz.sh: $1 (--help lists all)" >&2
    exit 2
}

while [ $# -gt 0 ]; do
    case $1 in
        --help | -h) usage; exit ;;
        --seconds) [ $# -ge 2 ] || wrong "--seconds needs a number"; seconds=$2; shift ;;
        --seconds=*) seconds=${1#*=} ;;
        --keep) keep=yes ;;
        input | head | frames | text | command | hub) targets="$targets $1" ;;
        -*) wrong "there is no flag $1" ;;
        *) wrong "there is no target $1" ;;
    esac
    shift
done
case $seconds in
    '' | *[!0-9]*) wrong "--seconds needs a number, not '$seconds'" ;;
esac
targets=${targets:-input head frames text command hub}

command -v c++ >/dev/null || wrong "a C++ compiler is missing"
command -v cargo-fuzz >/dev/null || cargo install --locked cargo-fuzz

# Without a sanitizer any Rust builds it, and there is no unsafe code to watch.
fuzz() {
    verb=$1
    shift
    cargo fuzz "$verb" --fuzz-dir "$fuzz" --sanitizer none "$@"
}

# No input is longer than a run of the hub can use. An input that takes 10 seconds hangs.
limits='-max_len=4096 -timeout=10 -print_final_stats=1'

run() {
    mkdir -p "$grown/$1"
    until_when=-max_total_time=$seconds
    [ "$seconds" -gt 0 ] || until_when=-runs=0
    # shellcheck disable=SC2086
    fuzz run "$1" "$grown/$1" "$fuzz/corpus/$1" -- $limits "$until_when"
}

# The newest stored file is the input that failed.
tell() {
    # shellcheck disable=SC2012
    input=$(ls -t "$fuzz/artifacts/$1"/* 2>/dev/null | head -n 1)
    [ -n "$input" ] || return 0
    case $1 in
        input | head | frames) test='--test wire kept' ;;
        text | command) test='--test words kept' ;;
        hub) test='--test hub fuzzer' ;;
    esac
    cat >&2 <<END

$1 failed with $input
try it again:  cargo fuzz run --fuzz-dir $fuzz -s none $1 $input
make it small: cargo fuzz tmin --fuzz-dir $fuzz -s none $1 $input
as a test:     cp $input $fuzz/corpus/$1/found-NAME && cargo test $test
END
}

# The fewest inputs that reach all code that was reached. To keep how often they reach it would take
# ten times as many.
minimise() {
    corpus=$fuzz/corpus/$1
    small=$(mktemp -d)
    # shellcheck disable=SC2086
    fuzz run "$1" "$small" "$corpus" "$grown/$1" -- $limits -set_cover_merge=1 -use_counters=0
    find "$corpus" -type f ! -name 'found-*' -exec rm {} +
    cp "$small"/* "$corpus"
    rm -r "$small"
    echo "kept in $corpus: $(find "$corpus" -type f | wc -l) files"
}

for target in $targets; do
    run "$target" || { tell "$target"; exit 1; }
    [ $keep = no ] || minimise "$target"
done
