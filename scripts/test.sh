#!/bin/sh
# Checks everything that must hold before a change is merged.
set -eu
cd "$(dirname "$0")/.."

# The programs that the tests use. Only what is missing is installed. Some are for administrators.
PATH=$PATH:/usr/sbin
missing=
for pair in nc:netcat-openbsd ncat:ncat socat:socat telnet:telnet busybox:busybox strace:strace \
    curl:curl openssl:openssl ssh:openssh-client gcc:gcc plink:putty-tools ip:iproute2 \
    tmux:tmux screen:screen xterm:xterm Xvfb:xvfb xdotool:xdotool haproxy:haproxy nginx:nginx \
    chromium:chromium chromedriver:chromium-driver fail2ban-regex:fail2ban \
    zbarimg:zbar-tools mosh:mosh systemd-analyze:systemd promtool:prometheus man:man-db \
    redis-server:redis-server; do
    command -v "${pair%%:*}" >/dev/null || missing="$missing ${pair##*:}"
done
[ -e /usr/lib/nginx/modules/ngx_stream_module.so ] || missing="$missing libnginx-mod-stream"
if [ -n "$missing" ]; then
    sudo=
    [ "$(id -u)" = 0 ] || sudo=sudo
    # A package asks this file whether it may start its service: it may not. The file is removed at
    # the end of this inner shell.
    (
        policy=/usr/sbin/policy-rc.d
        if [ ! -e $policy ]; then
            trap '$sudo rm $policy' EXIT
            printf '#!/bin/sh\nexit 101\n' | $sudo tee $policy >/dev/null
            $sudo chmod +x $policy
        fi
        $sudo apt-get update -qq
        # shellcheck disable=SC2086
        DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq $missing
    )
fi

# Autobahn's cases for the frames of WebSocket.
[ -e target/kosoku/bin/kosoku ] ||
    python3 -m pip install --quiet --disable-pip-version-check --target target/kosoku kosoku==0.1.0

# The rules of axe-core for the page.
[ -e target/axe/node_modules/axe-core/axe.min.js ] ||
    npm install --silent --no-save --prefix target/axe axe-core@4.14.1

cargo fmt --all --check
cargo clippy --locked --workspace --all-targets --all-features -- -D warnings
# The fuzzer's programs are checked but not built: that needs neither a fuzzer nor C++.
cargo fmt --all --check --manifest-path tests/fuzz/Cargo.toml
CUSTOM_LIBFUZZER_PATH=/dev/null cargo clippy --locked --workspace \
    --manifest-path tests/fuzz/Cargo.toml --target-dir target -- -D warnings
RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps --document-private-items
scripts/proof.sh --short
cargo test --locked --workspace --no-run
# The tests that wait for the default deadlines run beside the others, which mostly wait as well. If
# another test fails, `timeout` ends these and their servers.
told=$(mktemp)
waiting=hazards::defaults
timeout 600 cargo test --locked --workspace --test server -- \
    --ignored $waiting --test-threads 4 >"$told" 2>&1 &
defaults=$!
trap 'kill "$defaults" 2>/dev/null || :; rm "$told"' EXIT
cargo test --locked --workspace
cargo test --locked --workspace -- --ignored --skip $waiting
code=0
wait "$defaults" || code=$?
cat "$told"
[ $code = 0 ] || exit $code
cargo run --locked --quiet -p scripts --bin soak -- --seconds 15
