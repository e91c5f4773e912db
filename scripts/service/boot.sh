#!/bin/sh
# Boots systemd beside the one of this machine, and checks the service there.
set -eu

usage() {
    cat <<'END'
Usage: scripts/service/boot.sh PROGRAM | --dist

Boots systemd in namespaces of its own, over the files of this machine, none of which it changes.
There it starts chinwag.service and does to it what happens to a service. It needs root (or sudo),
systemd, curl and nc.

  PROGRAM  put this program and the units into place
  --dist   install the Debian package of target/dist, and remove it at the end

Exit codes: 0 right, 1 wrong, 2 wrong flag, 3 this machine lets no systemd boot in namespaces.
END
}

# What runs inside, as a service of that systemd.
inside() {
    set -x
    cd /shared
    touch booted
    if [ -e chinwag.deb ]; then
        DEBIAN_FRONTEND=noninteractive apt-get install -y ./chinwag.deb
        [ "$(systemctl is-active chinwag)" = inactive ]
        zcat /usr/share/man/man1/chinwag-ctl.1.gz | grep -q '^.TH chinwag-ctl'
        in_a_container
    else
        cp chinwag /usr/bin
        cp chinwag.service chinwag.socket /etc/systemd/system
    fi
    # The second is odd, and so a warning in the journal.
    printf 'CHINWAG_METRICS=127.0.0.1:9505\nCHINWAG_SEND_BUFFER=32000\n' >/etc/default/chinwag
    mkdir -p /etc/systemd/system/chinwag.service.d
    printf '[Service]\nWatchdogSec=1s\nRestartSec=100ms\n' \
        >/etc/systemd/system/chinwag.service.d/fast.conf
    systemctl daemon-reload

    systemctl start chinwag
    [ "$(systemctl show -P StatusText chinwag)" = '0 here' ]
    curl -sS http://127.0.0.1:9505/metrics | grep -qx 'chinwag_clients_max 1000'
    journalctl -u chinwag -p warning | grep -q 'turn-bytes 64512 does not fit'
    [ "$(journalctl -u chinwag -p warning | grep -c 'listening on')" = 0 ]

    # It reads its files again, and its limits leave room for that.
    chinwag ctl ban 10.1.1.1
    systemctl reload chinwag
    # Killed, it is back with what was kept; so it is when it hangs.
    again KILL
    # As after a login of root.
    XDG_RUNTIME_DIR=/run/user/0 chinwag ctl bans | grep -q 10.1.1.1
    again STOP

    # The socket of systemd takes clients also while the server is away.
    systemctl stop chinwag
    systemctl start chinwag.socket
    for address in 127.0.0.1 ::1; do
        echo hello | nc -N $address 50005 | grep -q '^guest[0-9]*: hello$'
        systemctl stop chinwag
    done
    systemctl stop chinwag.socket
    [ "$(systemctl show -P Result chinwag)" = success ]

    if [ -e chinwag.deb ]; then
        systemctl start chinwag
        DEBIAN_FRONTEND=noninteractive apt-get remove -y chinwag
        [ ! -e /usr/bin/chinwag ]
        [ "$(systemctl is-active chinwag)" != active ]
    fi
    touch right
}

# Sends the server a signal, and waits until systemd has started another.
again() {
    old=$(systemctl show -P MainPID chinwag)
    kill -"$1" "$old"
    for _ in $(seq 200); do
        [ "$(systemctl show -P MainPID chinwag)" = "$old" ] || break
        sleep 0.1
    done
    for _ in $(seq 100); do
        [ "$(systemctl is-active chinwag)" != active ] || break
        sleep 0.1
    done
    [ "$(systemctl show -P MainPID chinwag)" != "$old" ]
    [ "$(systemctl is-active chinwag)" = active ]
}

# The static program runs where nothing else is, as in the container of service/Dockerfile.
in_a_container() {
    mkdir -p /scratch/dev
    tar -xzf chinwag.tar.gz -C /scratch --strip-components=1
    rm -r /scratch/service /scratch/docs
    mknod -m 666 /scratch/dev/null c 1 3
    env -i /usr/sbin/chroot --userspec=65534:65534 /scratch /chinwag --quiet --control none &
    for _ in $(seq 100); do
        ! curl -sS http://127.0.0.1:50005/ -o page || break
        sleep 0.1
    done
    echo hello | nc -N 127.0.0.1 50005 | grep -q '^guest[0-9]*: hello$'
    kill $!
    wait $!
}

# What runs between: it makes a machine of the namespaces that it is in, and becomes its systemd.
become_systemd() {
    shared=$1 base=$1/base
    mount --make-rprivate /
    mount -t tmpfs tmpfs "$base"
    mkdir "$base/upper" "$base/work" "$base/root"
    mount -t overlay -o "lowerdir=/,upperdir=$base/upper,workdir=$base/work" overlay "$base/root"
    cd "$base/root"
    mount -t proc proc proc
    mount -t sysfs sysfs sys
    mount_cgroups
    mount -t tmpfs -o mode=755 tmpfs dev
    mkdir dev/shm dev/pts
    for node in null:3 zero:5 full:7 random:8 urandom:9; do
        mknod -m 666 "dev/${node%:*}" c 1 "${node#*:}"
    done
    mknod -m 666 dev/tty c 5 0
    mount -t devpts -o newinstance,ptmxmode=666 devpts dev/pts
    ln -s pts/ptmx dev/ptmx
    ln -s /proc/self/fd dev/fd
    touch dev/console
    mount --bind "$shared/console" dev/console
    mkdir -p shared old
    mount --bind "$shared" shared
    mount -t tmpfs tmpfs run
    mount -t tmpfs tmpfs tmp
    ip link set lo up
    # Nothing that this machine starts is started there, and its own chinwag is not in the way.
    rm -rf etc/systemd/system/*.wants etc/systemd/system/chinwag* etc/default/chinwag
    cat >etc/systemd/system/inside.service <<END
[Unit]
DefaultDependencies=no
Wants=systemd-journald.service
After=systemd-journald.service
[Service]
Type=oneshot
StandardOutput=append:/shared/told
StandardError=append:/shared/told
Environment=PATH=/usr/sbin:/usr/bin:/sbin:/bin
ExecStart=/bin/sh /shared/boot.sh --inside
ExecStopPost=/bin/kill -s RTMIN+14 1
END
    pivot_root . old
    umount -l old
    exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin container=other /lib/systemd/systemd \
        --unit=inside.service --show-status=no
}

# The same kind of control groups that the machine has: one tree, or one for each controller.
mount_cgroups() {
    if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
        mount -t cgroup2 cgroup2 sys/fs/cgroup
        return
    fi
    mount -t tmpfs tmpfs sys/fs/cgroup
    for controller in pids memory cpu cpuacct devices; do
        mkdir sys/fs/cgroup/$controller
        mount -t cgroup -o $controller cgroup sys/fs/cgroup/$controller
    done
    mkdir sys/fs/cgroup/systemd sys/fs/cgroup/unified
    mount -t cgroup -o none,name=systemd cgroup sys/fs/cgroup/systemd
    mount -t cgroup2 cgroup2 sys/fs/cgroup/unified
}

# The folders of control groups in which this process makes its own.
cgroups() {
    if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
        echo /sys/fs/cgroup
    else
        echo /sys/fs/cgroup/*/
    fi
}

case ${1:-} in
    --inside)
        inside
        exit
        ;;
    --become) become_systemd "$2" ;;
    --enter)
        for folder in $(cgroups); do
            mkdir "$folder/$3"
            # The trees that systemd does not use cannot all be entered.
            echo $$ >"$folder/$3/cgroup.procs" 2>/dev/null || :
        done
        exec unshare --cgroup "$0" --become "$2"
        ;;
    -h | --help)
        usage
        exit
        ;;
    --dist) [ $# = 1 ] ;;
    '' | -*)
        echo "boot.sh: there is no ${1:-program}; see --help" >&2
        exit 2
        ;;
esac

[ "$(id -u)" = 0 ] || exec sudo "$0" "$@"
self=$(realpath "$0")
program=$1
[ "$program" = --dist ] || program=$(realpath "$1")
cd "$(dirname "$self")"
shared=$(mktemp -d)
name=chinwag-$$
end() {
    for folder in $(cgroups); do
        find "$folder/$name" -depth -type d -exec rmdir {} \; 2>/dev/null || :
    done
    rm -rf "$shared"
}
trap end EXIT
mkdir "$shared/base"
touch "$shared/console" "$shared/told"
cp boot.sh chinwag.service chinwag.socket "$shared"
if [ "$program" = --dist ]; then
    cp ../../target/dist/chinwag_*.deb "$shared/chinwag.deb"
    cp ../../target/dist/chinwag-*.tar.gz "$shared/chinwag.tar.gz"
else
    cp "$program" "$shared/chinwag"
fi
timeout 120 unshare --mount --pid --fork --uts --ipc --net --kill-child \
    "$self" --enter "$shared" "$name" || :
if [ ! -e "$shared/booted" ]; then
    echo "boot.sh: this machine lets no systemd boot in namespaces" >&2
    exit 3
fi
if [ ! -e "$shared/right" ]; then
    cat "$shared/told" >&2
    exit 1
fi
