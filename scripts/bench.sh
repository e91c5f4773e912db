#!/bin/sh
# Compares the server with others and with what the kernel alone costs; writes the tables.
set -eu
cd "$(dirname "$0")/.."

usage() {
    cat <<END
Usage: scripts/bench.sh [--install] [--keep] [flags and loads of bench]

Builds the server, the load generator, and the two servers that were written for the comparison.
Runs every load five times on every server that is installed. It takes more than an hour;
the machine should do nothing else. It writes bench.md, bench.json, cost.svg and shapes.svg into
target/bench. \`scripts/bench.sh figures\` measures chinwag against bare loops instead.
\`cargo run --release -p scripts --bin bench -- --help\` lists the flags of bench.

  --install  install what is missing of redis-server, nats-server, ngircd, ncat and python3
             (Debian, apt-get); no service is started
  --keep     put the runs and the pictures into scripts/results, the tables into its README.md
END
}

install=no keep=no
while [ $# -gt 0 ]; do
    case $1 in
        --install) install=yes ;;
        --keep) keep=yes ;;
        -h | --help)
            usage
            exit 0
            ;;
        *) break ;;
    esac
    shift
done

missing=
for program in redis-server nats-server ngircd ncat python3; do
    # Each program has the name of its package.
    PATH="$PATH:/usr/sbin" command -v $program >/dev/null || missing="$missing $program"
done
if [ -n "$missing" ] && [ $install = yes ]; then
    sudo=
    [ "$(id -u)" = 0 ] || sudo=sudo
    # A package asks this file whether it may start its service.
    policy=/usr/sbin/policy-rc.d
    if [ ! -e $policy ]; then
        printf '#!/bin/sh\nexit 101\n' | $sudo tee $policy >/dev/null
        $sudo chmod +x $policy
        trap '$sudo rm $policy' EXIT
    fi
    $sudo apt-get update -qq
    # shellcheck disable=SC2086
    DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq $missing
fi

cargo build --locked --release --workspace --bins
CARGO_TARGET_DIR=target/peers/tokio \
    cargo build --locked --release --manifest-path scripts/peers/tokio/Cargo.toml
PATH="$PATH:/usr/sbin" cargo run --quiet --locked --release -p scripts --bin bench -- "$@"

if [ $keep = yes ]; then
    cp target/bench/bench.json target/bench/cost.svg target/bench/shapes.svg scripts/results
    # bench.md replaces what stands between the two marks.
    sed -i -e '/<!-- bench.md -->/,/<!-- end of bench.md -->/{//!d}' \
        -e '/<!-- bench.md -->/r target/bench/bench.md' scripts/results/README.md
fi
