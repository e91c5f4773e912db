# What demo.sh and cluster.sh have in common: the server's program, and a tmux of their own. They
# read this file; it is no program.

fail() {
    echo "${0##*/}: $2" >&2
    exit "$1"
}

# Ends the script unless these programs are there. Each stands before its Debian package.
need() {
    for pair in "$@"; do
        command -v "${pair%%:*}" >/dev/null ||
            fail 1 "${pair%%:*} is missing: sudo apt-get install ${pair##*:}"
    done
}

# Sets `run`, which starts the server in the shell of a pane: this program, or what cargo builds.
# Only cargo knows where it puts its programs.
find_server() {
    if [ -n "$1" ]; then
        [ -x "$1" ] || fail 1 "cannot run $1"
        run="'$1'"
    else
        cd "$(dirname "$0")/.."
        cargo build --locked --release --bin chinwag || fail 1 'the server cannot be built'
        run='cargo run --quiet --locked --release --bin chinwag --'
    fi
}

# A tmux of its own, so that nothing of yours is touched, and one command ends all of it.
unset TMUX TMUX_PANE
name=${0##*/}
name=chinwag-${name%.sh}-$$
mux() {
    tmux -u -L "$name" -f /dev/null "$@"
}

# Begins a session with one pane, in which this command runs. Without a terminal it has the size of
# the first argument. Sets `pane` and `socket`.
begin_session() {
    size=$(stty size 2>/dev/null) || size=
    case $size in '' | 0* | *' 0') size=$1 ;; esac
    export LC_ALL=C.UTF-8 CHINWAG_LANG=en
    mux new-session -d -s chinwag -x "${size##* }" -y "${size%% *}" "$2"
    pane=$(mux display-message -p -t chinwag '#{pane_id}')
    socket=$(mux display-message -p '#{socket_path}')
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
}

split() {
    mux split-window -P -F '#{pane_id}' "$@"
}

# Whether a pane shows this, or has shown it.
has_shown() {
    mux capture-pane -p -J -S - -t "$1" 2>/dev/null | grep -qF -- "$2"
}

# Waits at most 20 s until a command succeeds, and as long as `goes_on` does.
until_it() {
    tenths=0
    until "$@"; do
        tenths=$((tenths + 1))
        [ $tenths -lt 200 ] && goes_on 2>/dev/null || return 1
        sleep 0.1
    done
}

# Shows the session on this terminal until its user leaves it; `false` without a terminal, where it
# tells how to attach.
attach() {
    if [ -t 0 ] && [ -t 1 ]; then
        mux attach-session -t chinwag
    else
        echo "tmux -u -L $name attach -t chinwag    # the conversation"
        echo "tmux -L $name kill-server             # ends it"
        return 1
    fi
}
