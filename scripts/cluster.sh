#!/bin/sh
# Shows one conversation on three servers in tmux: an engine, the servers, and a client at each.
set -eu

usage() {
    cat <<'END'
Usage: scripts/cluster.sh [--port PORT] [--program FILE]

Starts a redis-server on a Unix socket in a folder of its own, three servers that share one
conversation by it, and a tmux session. Each row has a server, called a, b or c, and a client with
nc: type there. The last row has a shell, for what may happen to the engine:
  kill -STOP $engine    # it stands still
  kill -CONT $engine    # it goes on
To leave the session (Ctrl-B d) ends all of it, and nothing is kept. Without a terminal, the script
prints how to attach, and waits for the end of the session.

  --port PORT     the servers listen on 127.0.0.1 at this port and the next two [default: 50005]
  --program FILE  the server's program [default: what cargo builds here]
  --help          show this help

Exit codes: 0 it ran, 1 it could not (tmux, nc or redis-server is missing), 2 wrong flag.
END
}

fail() {
    echo "cluster.sh: $2" >&2
    exit "$1"
}

port=50005
program=
while [ $# -gt 0 ]; do
    case $1 in
        --help | -h) usage && exit 0 ;;
        --port | --program) [ $# -gt 1 ] || fail 2 "$1 needs a value (--help)" ;;
        *) fail 2 "no such flag: $1 (--help)" ;;
    esac
    case $1 in
        --port) port=$2 ;;
        --program) program=$2 ;;
    esac
    shift 2
done
case $port in
    '' | *[!0-9]* | ??????*) fail 2 "--port $port is not 1 to 65533" ;;
esac
{ [ "$port" -ge 1 ] && [ "$port" -le 65533 ]; } || fail 2 "--port $port is not 1 to 65533"
for pair in tmux:tmux nc:netcat-openbsd redis-server:redis-server; do
    command -v "${pair%%:*}" >/dev/null ||
        fail 1 "${pair%%:*} is missing: sudo apt-get install ${pair##*:}"
done

# This runs a server in the shell of a pane. Only cargo knows where it puts its programs.
if [ -n "$program" ]; then
    [ -x "$program" ] || fail 1 "cannot run $program"
    run="'$program'"
else
    cd "$(dirname "$0")/.."
    cargo build --locked --release --bin chinwag || fail 1 'the server cannot be built'
    run='cargo run --quiet --locked --release --bin chinwag --'
fi

# A tmux of its own, so that nothing of yours is touched, and one command ends all of it.
unset TMUX TMUX_PANE
name=chinwag-cluster-$$
mux() {
    tmux -u -L "$name" -f /dev/null "$@"
}

# If what is waited for has not happened after this many tenths of a second, it has failed.
patience=200
# Waits until a command succeeds, unless redis-server has ended.
until_it() {
    tenths=0
    until "$@" 2>/dev/null; do
        tenths=$((tenths + 1))
        [ $tenths -lt $patience ] && kill -0 "$engine" 2>/dev/null || return 1
        sleep 0.1
    done
}
shows() {
    mux capture-pane -p -J -S - -t "$1" | grep -qF -- "$2"
}

folder=$(mktemp -d)
engine=
socket=
end() {
    mux kill-server 2>/dev/null || :
    # A process that stands still ends by no other signal.
    [ -z "$engine" ] || kill -KILL "$engine" 2>/dev/null || :
    # tmux leaves its socket behind when it ends.
    rm -rf "$folder" ${socket:+"$socket"}
}
trap end EXIT
trap 'exit 1' HUP INT TERM

redis-server --port 0 --unixsocket "$folder/engine" --dir "$folder" --save '' --appendonly no \
    >"$folder/log" 2>&1 </dev/null &
engine=$!
if ! until_it [ -S "$folder/engine" ]; then
    cat "$folder/log" >&2
    fail 1 'redis-server does not start'
fi

size=$(stty size 2>/dev/null) || size=
case $size in '' | 0* | *' 0') size='40 120' ;; esac
export LC_ALL=C.UTF-8 CHINWAG_LANG=en engine
mux new-session -d -s chinwag -x "${size##* }" -y "${size%% *}" sh
shell=$(mux display-message -p -t chinwag '#{pane_id}')
socket=$(mux display-message -p '#{socket_path}')
mux set-option -g pane-border-status top
mux set-option -g pane-border-format ' #{pane_title} '
mux set-option -g allow-rename off
# What a server or a client has said last stays when it has ended.
mux set-option -g remain-on-exit on
mux set-option -g status-left ' chinwag '
mux set-option -g status-left-length 20
mux set-option -g status-right ' Ctrl-B arrow: another pane, Ctrl-B d: the end '
mux set-option -g status-right-length 60
mux set-option -g window-status-current-format ''
mux set-option -g mouse on
# Once a terminal is attached, the session lives as long as that.
mux set-hook -g client-attached 'set-option -g destroy-unattached on'
mux select-pane -t "$shell" -T "a shell: kill -STOP \$engine; kill -CONT \$engine"

split() {
    mux split-window -P -F '#{pane_id}' "$@"
}
servers=
for node in a b c; do
    serve="$run --listen 127.0.0.1:$port --control none --hide-addresses --log-level warn"
    serve="$serve --cluster 'redis://$folder/engine/chat' --node $node"
    server=$(split -b -v -t "$shell" "$serve")
    mux select-pane -t "$server" -T "server $node at port $port"
    mux select-layout even-vertical
    until_it shows "$server" 'listening on ' ||
        fail 1 "server $node does not start: is port $port in use? (--port)"
    servers="$servers $server:$node:$port"
    port=$((port + 1))
done
first=
for server in $servers; do
    node=${server#*:}
    client=$(split -h -t "${server%%:*}" "nc 127.0.0.1 ${node#*:}")
    node=${node%:*}
    mux select-pane -t "$client" -T "nc at server $node"
    until_it shows "$client" '* welcome' || fail 1 "server $node does not answer"
    first=${first:-$client}
done
mux select-pane -t "$first"
if [ -t 0 ] && [ -t 1 ]; then
    mux attach-session -t chinwag
else
    echo "tmux -u -L $name attach -t chinwag    # the conversation"
    echo "tmux -L $name kill-server             # ends it"
    while mux has-session 2>/dev/null; do sleep 1; done
fi
