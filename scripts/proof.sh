#!/bin/sh
# Proves what takes long or needs much. scripts/test.sh runs the short part of it.
set -eu
cd "$(dirname "$0")/.."

usage() {
    cat <<'END'
Usage: scripts/proof.sh [--short] [--keep] [SERIES...]

Runs these series, by default all, and ends with 1 if one fails:

  targets  the program compiles for macOS and FreeBSD
  docs     man pages and completions of every command
  unit     a systemd of its own starts, reloads, kills and hangs the service (needs root)
  seeds    20 000 runs of the simulation
  keeper   the keeper and the server are killed, again and again
  frames   all of Autobahn's cases (needs what scripts/test.sh installs)
  fuzz     a minute for each target of the fuzzer (needs a C++ compiler)
  package  static program and Debian package: lintian, and systemd as above
  metrics  the processor time of ten scrapes a second while clients flood
  cluster  four servers on a redis-server: links are cut, processes stopped and killed

  --short  only the first three; what this machine does not allow is told and left out
  --keep   put the results into scripts/results: cluster.md, and proof.txt if all series ran
END
}

all="targets docs unit seeds keeper frames fuzz package metrics cluster"
keep=no short=no series=
while [ $# -gt 0 ]; do
    case $1 in
        --short) short=yes series="targets docs unit" ;;
        --keep) keep=yes ;;
        -h | --help)
            usage
            exit 0
            ;;
        targets | docs | unit | seeds | keeper | frames | fuzz | package | metrics | cluster)
            series="$series $1"
            ;;
        *)
            echo "proof.sh: there is no $1; see --help" >&2
            exit 2
            ;;
    esac
    shift
done

targets() {
    for target in x86_64-apple-darwin x86_64-unknown-freebsd; do
        if ! rustup target list --installed | grep -qx $target && ! rustup target add $target; then
            left_out "$target: its standard library cannot be had here"
            continue
        fi
        cargo check --locked --quiet --target $target
        say "compiles for $target"
    done
}

docs() {
    cargo run --locked --quiet --features docs -- docs target/docs
    for name in chinwag.1 chinwag-join.1 chinwag-ctl.1 chinwag-keep.1 _chinwag chinwag.fish; do
        [ -s target/docs/$name ]
    done
    bash -n target/docs/chinwag.bash
    warnings=$(for page in target/docs/*.1; do man --warnings -l "$page" 2>&1 >/dev/null; done)
    [ -z "$warnings" ] || { echo "$warnings" >&2; return 1; }
    # A flag without words stands right before the next one.
    bare=$(awk '/^\.TP/ { if (lines == 1) print name; lines = 0; next } { lines++; name = $0 }' \
        target/docs/*.1)
    [ -z "$bare" ] || { echo "no words for $bare" >&2; return 1; }
    say "$(find target/docs -name '*.1' | wc -l) man pages, completions for 3 shells"
}

unit() {
    cargo build --locked --quiet
    code=0
    scripts/service/boot.sh target/debug/chinwag || code=$?
    [ $code != 3 ] || { left_out "this machine lets no systemd boot in namespaces"; return; }
    [ $code = 0 ] || return $code
    say "systemd $(systemctl --version | awk 'NR == 1 { print $2 }'): the service does as it should"
}

seeds() {
    CHINWAG_SEEDS=20000 cargo test --locked --release --quiet --test hub every_run
    say "20 000 runs of the simulation keep the promises"
}

keeper() {
    CHINWAG_KILLS=300 cargo test --locked --quiet --test server whatever_is_killed
    say "300 kills of the keeper or the server: what is missing is told exactly"
}

frames() {
    cargo test --locked --quiet --test wire autobahn -- --ignored
    say "all of Autobahn's cases pass, but those of compression"
}

fuzz() {
    scripts/fuzz.sh --seconds 60
    say "a minute for each target of the fuzzer found nothing"
}

package() {
    scripts/release.sh
    # It is not uploaded to Debian, so it closes no bug there.
    lintian --allow-root --fail-on error,warning --suppress-tags initial-upload-closes-no-bugs \
        target/dist/*.deb
    scripts/service/boot.sh --dist
    say "the package installs, runs and goes; lintian says nothing; the program is static"
}

metrics() {
    cargo build --locked --release --quiet
    python3 scripts/service/metrics_cost.py target/release >target/proof/metrics
    say "$(cat target/proof/metrics)"
}

cluster() {
    report=target/proof/cluster.md
    CHINWAG_SEEDS=${CHINWAG_SEEDS:-3} CHINWAG_SECONDS=${CHINWAG_SECONDS:-20} \
        CHINWAG_REPORT=$report \
        cargo test --locked --quiet --test server whatever_happens_all -- --ignored
    [ $keep = no ] || cp $report scripts/results
    say "four servers, $(grep -c '^| .* | [0-9]' $report) histories: no line twice, each loss told"
}

# A series cannot run here. That is a failure, unless only the short ones run.
left_out() {
    [ $short = yes ] || { echo "proof.sh: $1" >&2; exit 1; }
    say "left out: $1"
}

# A line of the results.
say() {
    echo "$1" | tee -a target/proof/proof.txt
}

mkdir -p target/proof
date -u '+%Y-%m-%d' >target/proof/proof.txt
for one in ${series:-$all}; do
    echo "== $one" | tee -a target/proof/proof.txt
    # In a condition `set -e` would not hold: a failure ends the script.
    "$one"
done
[ $keep = no ] || [ -n "$series" ] || cp target/proof/proof.txt scripts/results
