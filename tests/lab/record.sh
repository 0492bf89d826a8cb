#!/bin/bash
# Records the demo: one day of a real Postfix in a private world whose clock runs 60 times fast (24 minutes).
#
#     tests/lab/record.sh [PREFIX]      default: tests/data/demo/postfix-recording
#
# Writes PREFIX.log.zst and PREFIX.truth.json. HOURS=1 makes a trial of one recorded hour; RATE sets the clock.
# Needs root and the Debian packages postfix, rsyslog, faketime, iproute2, openssl, python3, zstd. Nothing leaves
# the machine: the run has its own network, process, mount and host name space, and all of it ends with this script.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
prefix=$(realpath "${1:-$here/../data/demo/postfix-recording}")
hours=${HOURS:-24}
rate=${RATE:-60}

for tool in postfix rsyslogd faketime ip openssl python3 zstd unshare; do
    command -v "$tool" >/dev/null || { echo "record.sh: $tool is missing, install its Debian package" >&2; exit 1; }
done
[[ $EUID -eq 0 ]] || { echo "record.sh: needs root for name spaces and Postfix" >&2; exit 1; }

if [[ -z ${IN_PRIVATE_WORLD:-} ]]; then
    # Latencies are recorded 60 times as long as they take, so other work on the machine is kept out of them.
    IN_PRIVATE_WORLD=yes nice -n -10 unshare --net --mount --pid --uts --fork --kill-child --propagation private \
        "${BASH_SOURCE[0]}" "$prefix"
    zstd -19 --quiet --force --rm "$prefix.log" -o "$prefix.log.zst"
    ls -l "$prefix.log.zst" "$prefix.truth.json"
    exit
fi

# In memory, at a path that says nothing of this machine: Postfix logs where its configuration is.
work=/srv/relay
mount -t proc proc /proc
mount -t tmpfs -o mode=755 work /srv
mkdir "$work"
hostname relay1
export TZ=UTC

# A network of its own: addresses are added to lo, one net is unreachable, one swallows packets.
ip link set lo up
ip tuntap add dev hole mode tun
ip link set hole up
ip route add unreachable 203.0.113.224/28
ip route add 203.0.113.240/28 dev hole
printf 'nameserver 127.0.0.1\noptions timeout:1 attempts:1\n' >"$work/resolv.conf"
mount --bind "$work/resolv.conf" /etc/resolv.conf

# A /dev of its own, for /dev/log.
mkdir "$work/dev"
mount -t tmpfs -o mode=755 dev "$work/dev"
for node in null zero full random urandom; do
    touch "$work/dev/$node"
    mount --bind "/dev/$node" "$work/dev/$node"
done
mkdir -m 1777 "$work/dev/shm"
ln -s /proc/self/fd "$work/dev/fd"
mount --move "$work/dev" /dev

# The clock starts at the next midnight and is never behind the kernel's, whose file times Postfix compares with it.
ahead=$(($(date -d 'tomorrow 00:00' +%s) - $(date +%s)))
NO_FAKE_STAT=1 faketime -f "+${ahead}s x$rate" \
    python3 -B "$here/record.py" --work "$work" --out "$prefix" --hours "$hours" --clock-rate "$rate"
