#!/bin/sh
# The first process of a test host, in namespaces of its own: its own files where hosts differ, its address, then sshd.
#
#   enter-host.sh NAME DIRECTORY HOME ADDRESS STATE-OPTIONS SSHD [HIDDEN-FILE ...]
#
# ADDRESS is '-' for a host without a network of its own; otherwise eth0 is there once a line comes on stdin.
# STATE-OPTIONS are tmpfs options for /var/lib/perftrawl; '-' keeps it in DIRECTORY, where it outlives a reboot.
# SSHD is '-' for a host that does not answer.
set -eu
name=$1 directory=$2 home=$3 address=$4 state=$5 sshd=$6
shift 6

hostname "$name"
mount --bind "$directory/boot-id" /proc/sys/kernel/random/boot_id
# A checkout in one of the directories that are the host's own stays where it is.
checkout=$(cd "$(dirname "$0")/../.." && pwd)
mkdir -p "$directory/checkout"
mount --bind "$checkout" "$directory/checkout"
mount -t tmpfs -o mode=1777 tmpfs /tmp
mount -t tmpfs -o mode=1777 tmpfs /var/tmp
mount -t tmpfs -o mode=1777 tmpfs /dev/shm
case $checkout in
/tmp/* | /var/tmp/*)
  mkdir -p "$checkout"
  mount --bind "$directory/checkout" "$checkout"
  ;;
esac
mount --bind "$directory/home" "$home"

# What the host writes or deletes below a directory of the system stays in here.
mount -t tmpfs tmpfs "$directory/layers"
overlay() {
  layer=$directory/layers/$(echo "$1" | tr / _)
  [ -d "$layer" ] && return
  mkdir -p "$layer/upper" "$layer/work"
  mount -t overlay overlay -o "lowerdir=$1,upperdir=$layer/upper,workdir=$layer/work" "$1"
}
overlay /etc
echo "$name" > /etc/hostname
overlay /var/lib
mkdir -p -m 0755 /var/lib/perftrawl
if [ "$state" = - ]; then mount --bind "$directory/state" /var/lib/perftrawl
else mount -t tmpfs -o "$state" tmpfs /var/lib/perftrawl; fi
for file in "$@"; do
  overlay "$(dirname "$file")"
  rm -f "$file"
done

echo entered
if [ "$address" != - ]; then
  read -r _
  ip -batch - <<BATCH
link set lo up
addr add $address/24 dev eth0
link set eth0 up
BATCH
fi
[ "$sshd" = - ] || exec "$sshd" -D -e -f "$directory/sshd_config"
echo 'no sshd' >&2
exec sleep infinity
