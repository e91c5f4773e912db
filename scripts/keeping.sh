#!/bin/sh
# Measures what --keep costs the clients: the latency of a talker in a room.
set -eu

usage() {
    cat <<'END'
Usage: scripts/keeping.sh [--runs RUNS] [--clients CLIENTS] [--messages MESSAGES]

Measures the latency of one talker in a room of a server without --keep, with it, with a keeper
that is stopped (SIGSTOP), and with a full disk. Before each measurement a flood fills what waits
for the keeper. The four take turns. The last lines are the median p50 and p99 of each, and how
often the p99 is that without --keep. The goal is at most 1.5.

  --runs RUNS          measurements of each [default: 5]
  --clients CLIENTS    clients in the room [default: 500]
  --messages MESSAGES  messages of each measurement [default: 1000]
  --help               show this help

The full disk is a tmpfs: without root it is left out.
Exit codes: 0 measured, 1 the server was wrong, 2 wrong flag.
END
}

fail() {
    echo "keeping.sh: $1" >&2
    exit 2
}

runs=5
clients=500
messages=1000
while [ $# -gt 0 ]; do
    case $1 in
        --help | -h) usage && exit 0 ;;
        --runs | --clients | --messages)
            [ $# -gt 1 ] || fail "$1 needs a value (--help)"
            case $2 in '' | 0* | *[!0-9]*) fail "$1 $2 is no number from 1 on (--help)" ;; esac
            case $1 in
                --runs) runs=$2 ;;
                --clients) clients=$2 ;;
                --messages) messages=$2 ;;
            esac
            shift
            ;;
        *) fail "no such flag: $1 (--help)" ;;
    esac
    shift
done

cd "$(dirname "$0")/.."
cargo build --quiet --locked --release --workspace --bin chinwag --bin stress
target=$(pwd)/target/release
work=$(mktemp -d)
server=
keeper=

# A keeper that is stopped would never end.
end() {
    [ -z "$keeper" ] || kill -CONT "$keeper" 2>/dev/null || true
    [ -z "$server" ] || kill -KILL "$server" 2>/dev/null || true
    server=
    keeper=
}
trap 'end; rm -rf "$work"' EXIT
trap 'exit 1' INT TERM

stress() {
    "$target/stress" --no-calls --json - "$@" "$address"
}

# The whole number of microseconds under a name of the results.
field() {
    sed -n "s/^  \"$1\": \([0-9]*\).*/\1/p" "$work/result"
}

measure() {
    flags="--listen 127.0.0.1:0 --control none --quiet"
    start="exec \"\$0\" $flags"
    rm -rf "$work/kept"
    mkdir "$work/kept"
    [ "$1" = none ] || start="$start --keep $work/kept"
    # The disk fills as soon as more is written than this.
    [ "$1" != full ] || start="mount -t tmpfs -o size=64k none $work/kept && $start"
    if [ "$1" = full ]; then
        unshare -m sh -c "$start" "$target/chinwag" </dev/null >/dev/null 2>"$work/log" &
    else
        sh -c "$start" "$target/chinwag" </dev/null >/dev/null 2>"$work/log" &
    fi
    server=$!
    address=
    tries=0
    until [ -n "$address" ]; do
        tries=$((tries + 1))
        [ $tries -lt 100 ] || { cat "$work/log" >&2 && exit 1; }
        sleep 0.1
        address=$(sed -n 's/.*listening on \(127[0-9.:]*\).*/\1/p' "$work/log")
    done
    keeper=$(cat "/proc/$server/task/$server/children")
    keeper=${keeper%% *}
    [ "$1" != stopped ] || kill -STOP "$keeper"
    stress --clients 2 --messages 40000 --window 500 >"$work/result" || exit 1
    stress --clients "$clients" --messages "$messages" >"$work/result" || exit 1
    echo "$(field latency_p50_us) $(field latency_p99_us)" >>"$work/$1"
    echo "$1: p50 $(field latency_p50_us) us, p99 $(field latency_p99_us) us"
    end
}

median() {
    cut -d ' ' -f "$2" "$work/$1" | sort -n | sed -n "$(((runs + 1) / 2))p"
}

kinds="none keep stopped"
if unshare -m mount -t tmpfs none "$work" 2>/dev/null; then
    kinds="$kinds full"
else
    echo "skipped: a full disk needs root"
fi
run=0
while [ $run -lt "$runs" ]; do
    for kind in $kinds; do
        measure "$kind"
    done
    run=$((run + 1))
done
base=$(median none 2)
for kind in $kinds; do
    p99=$(median "$kind" 2)
    echo "$kind: median p50 $(median "$kind" 1) us, p99 $p99 us, $((100 * p99 / base)) % of none"
done
