#!/bin/sh
# Shows a conversation in tmux: a server and three clients, of which the third is yours.
set -eu

usage() {
    cat <<'END'
Usage: scripts/demo.sh [--pause SECONDS] [--program FILE]

Starts a server on a free port of this machine, and a tmux session with four panes: the server, two
clients with nc, and one with chinwag join. They talk by themselves; then the last pane is yours.
To leave the session (Ctrl-B d) ends all of it. Without a terminal, the script prints how to attach.

  --pause SECONDS  wait this long between two typed lines [default: 1]
  --program FILE   the server's program [default: what cargo builds here]
  --help           show this help

Exit codes: 0 it ran, 1 it could not (tmux or nc is missing), 2 wrong flag.
END
}

fail() {
    echo "demo.sh: $2" >&2
    exit "$1"
}

pause=1
program=
while [ $# -gt 0 ]; do
    case $1 in
        --help | -h) usage && exit 0 ;;
        --pause | --program) [ $# -gt 1 ] || fail 2 "$1 needs a value (--help)" ;;
        *) fail 2 "no such flag: $1 (--help)" ;;
    esac
    case $1 in
        --pause) pause=$2 ;;
        --program) program=$2 ;;
    esac
    shift 2
done
case $pause in
    '' | *[!0-9.]* | *.*.* | .) fail 2 "--pause $pause is not a number of seconds" ;;
esac
for pair in tmux:tmux nc:netcat-openbsd; do
    command -v "${pair%%:*}" >/dev/null ||
        fail 1 "${pair%%:*} is missing: sudo apt-get install ${pair##*:}"
done

# This runs the server in the shell of a pane. Only cargo knows where it puts its programs.
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
name=chinwag-demo-$$
mux() {
    tmux -u -L "$name" -f /dev/null "$@"
}

# If an expected text has not appeared after this many tenths of a second, the demo has failed.
patience=200
# Waits until a pane shows this, unless the demo has ended.
shows() {
    tenths=0
    until mux capture-pane -p -J -t "$1" 2>/dev/null | grep -qF -- "$2"; do
        tenths=$((tenths + 1))
        [ $tenths -lt $patience ] && mux has-session 2>/dev/null || return 1
        sleep 0.1
    done
}

size=$(stty size 2>/dev/null) || size=
case $size in '' | 0* | *' 0') size='30 100' ;; esac
export LC_ALL=C.UTF-8 CHINWAG_LANG=en
# When the server ends, everything ends.
serve="$run --listen 127.0.0.1:0 --hide-addresses --log-level warn"
mux new-session -d -s chinwag -x "${size##* }" -y "${size%% *}" \
    "$serve; tmux -L $name kill-server"
trap 'mux kill-server 2>/dev/null || :' EXIT
server=$(mux display-message -p -t chinwag '#{pane_id}')
mux set-option -g pane-border-status top
mux set-option -g pane-border-format ' #{pane_title} '
mux set-option -g allow-rename off
mux set-option -g status-left ' chinwag '
mux set-option -g status-left-length 20
mux set-option -g status-right ' Ctrl-B arrow: another pane, Ctrl-B d: the end '
mux set-option -g status-right-length 60
mux set-option -g window-status-current-format ''
mux set-option -g mouse on
# Once a terminal is attached, the session lives as long as that.
mux set-hook -g client-attached 'set-option -g destroy-unattached on'
mux select-pane -t "$server" -T 'the server'
shows "$server" 'listening on ' || fail 1 'the server does not start'
address=$(mux capture-pane -p -J -t "$server" | sed -n 's/^listening on //p')

split() {
    mux split-window -P -F '#{pane_id}' "$@"
}
nc="nc ${address%:*} ${address##*:}"
alice=$(split -h -t "$server" "$nc")
shows "$alice" '* welcome' || fail 1 'nobody can connect'
minsu=$(split -v -t "$server" "$nc")
shows "$minsu" '* welcome' || fail 1 'nobody else can connect'
# Without a home directory, what the demo types is not in your history.
join="unset HOME XDG_STATE_HOME; $run join $address --nick jin"
jin=$(split -v -t "$alice" "$join")
mux select-pane -t "$alice" -T "nc: alice"
mux select-pane -t "$minsu" -T "nc: 민수"
mux select-pane -t "$jin" -T "chinwag join: jin"

# Types a line into a pane, word by word, and waits until another pane shows the result.
type_line() {
    blank=
    for word in $2; do
        mux send-keys -t "$1" -l "$blank$word"
        blank=' '
        sleep "$(awk "BEGIN { print $pause / 8 }")"
    done
    mux send-keys -t "$1" Enter
    shows "$3" "$4"
    sleep "$pause"
}

talk() {
    shows "$jin" 'is now jin'
    type_line "$alice" '/nick alice' "$alice" 'is now alice'
    type_line "$minsu" '/nick 민수' "$minsu" 'is now 민수'
    type_line "$alice" '/echo off' "$alice" 'echo is off'
    type_line "$minsu" '/echo off' "$minsu" 'echo is off'
    type_line "$alice" 'Hello! Is anybody here?' "$minsu" 'alice: Hello!'
    type_line "$minsu" '네, 안녕하세요! 반갑습니다.' "$jin" '민수: 네, 안녕하세요!'
    type_line "$jin" 'hi alice, 안녕 민수' "$alice" 'jin: hi alice'
    type_line "$alice" '/me waves' "$jin" '~ alice waves'
    type_line "$minsu" '/msg jin 점심 같이 할까요?' "$jin" '[민수 -> jin] 점심'
    type_line "$jin" '/r 좋아요, 12시에 봐요!' "$minsu" '[jin -> 민수] 좋아요'
    type_line "$alice" 'I have nothing but nc.' "$minsu" 'alice: I have nothing'
    type_line "$minsu" '저도 nc뿐이에요.' "$jin" '민수: 저도'
    type_line "$jin" '/who' "$jin" '3 here: '
    mux select-pane -t "$jin"
    mux display-message -d 10000 'Now you: type a line, and Enter'
}

mux select-pane -t "$jin"
socket=$(mux display-message -p '#{socket_path}')
# It runs beside the conversation: tmux leaves its socket behind when it ends.
{
    set +e
    (set -e; talk)
    while mux has-session; do sleep 1; done
    rm -f "$socket"
} >/dev/null 2>&1 &
if [ -t 0 ] && [ -t 1 ]; then
    mux attach-session -t chinwag
else
    trap - EXIT
    echo "tmux -u -L $name attach -t chinwag    # the conversation"
    echo "tmux -L $name kill-server             # ends it"
fi
