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

# Beside this file.
. "${0%"${0##*/}"}./panes.sh"

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
need tmux:tmux nc:netcat-openbsd
find_server "$program"

# Waits until a pane shows this, unless the demo has ended.
goes_on() {
    mux has-session
}
shows() {
    until_it has_shown "$1" "$2"
}

# When the server ends, everything ends.
serve="$run --listen 127.0.0.1:0 --hide-addresses --log-level warn"
begin_session '30 100' "$serve; tmux -L $name kill-server"
trap 'mux kill-server 2>/dev/null || :' EXIT
server=$pane
mux select-pane -t "$server" -T 'the server'
shows "$server" 'listening on ' || fail 1 'the server does not start'
address=$(mux capture-pane -p -J -t "$server" | sed -n 's/^listening on //p')

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
# It runs beside the conversation: tmux leaves its socket behind when it ends.
{
    set +e
    (set -e; talk)
    while mux has-session; do sleep 1; done
    rm -f "$socket"
} >/dev/null 2>&1 &
attach || trap - EXIT
