#!/bin/sh
# Compares the server with others and with what the kernel alone costs; writes the tables.
set -eu
cd "$(dirname "$0")/.."

usage() {
    cat <<END
usage: scripts/bench.sh [--install] [--keep] [bench's own flags and loads]

Builds the server, the crowd and the two servers that were written for the comparison, and runs
every load for every server that is here, in turn, five times. It takes three quarters of an hour;
let the machine do nothing else. bench.md, bench.json and cost.svg are in target/bench afterwards.
\`cargo run --release --example bench -- --help\` tells its own flags.

  --install  installs what is missing of redis-server, nats-server, ngircd, ncat and python3
             (Debian, apt-get); no service is started
  --keep     puts the runs and the picture into scripts/results, the tables into its README.md
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
    # Each has the name of its package.
    PATH="$PATH:/usr/sbin" command -v $program >/dev/null || missing="$missing $program"
done
if [ -n "$missing" ] && [ $install = yes ]; then
    sudo=
    [ "$(id -u)" = 0 ] || sudo=sudo
    # By this a package asks whether it may start its service.
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

cargo build --locked --release --bins --examples
CARGO_TARGET_DIR=target/peers/tokio \
    cargo build --locked --release --manifest-path scripts/peers/tokio/Cargo.toml
PATH="$PATH:/usr/sbin" cargo run --quiet --locked --release --example bench -- "$@"

if [ $keep = yes ]; then
    cp target/bench/bench.json target/bench/cost.svg scripts/results
    # What stands between the two marks is bench.md.
    sed -i -e '/<!-- bench.md -->/,/<!-- end of bench.md -->/{//!d}' \
        -e '/<!-- bench.md -->/r target/bench/bench.md' scripts/results/README.md
fi
