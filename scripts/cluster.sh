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

# Beside this file.
. "${0%"${0##*/}"}./panes.sh"

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
need tmux:tmux nc:netcat-openbsd redis-server:redis-server
find_server "$program"

# There is nothing to wait for once the engine has ended.
goes_on() {
    kill -0 "$engine"
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

export engine
begin_session '40 120' sh
shell=$pane
# What a server or a client has said last stays when it has ended.
mux set-option -g remain-on-exit on
mux select-pane -t "$shell" -T "a shell: kill -STOP \$engine; kill -CONT \$engine"

servers=
for node in a b c; do
    serve="$run --listen 127.0.0.1:$port --control none --hide-addresses --log-level warn"
    serve="$serve --cluster 'redis://$folder/engine/chat' --node $node"
    server=$(split -b -v -t "$shell" "$serve")
    mux select-pane -t "$server" -T "server $node at port $port"
    mux select-layout even-vertical
    until_it has_shown "$server" 'listening on ' ||
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
    until_it has_shown "$client" '* welcome' || fail 1 "server $node does not answer"
    first=${first:-$client}
done
mux select-pane -t "$first"
attach || while mux has-session 2>/dev/null; do sleep 1; done
