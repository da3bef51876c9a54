#!/bin/sh
# Run a command of this machine's kernel inside the image's file system: enter-image.sh WORK IMAGE overlay|write [FROM:TO...] -- COMMAND [ARG...]
#
# To be started in a mount and process namespace of its own (native.ts does that), so that every mount below goes when it ends.
#   WORK     an empty directory, which the mounts hide
#   overlay  changes go to memory and are forgotten; the image is opened read-only
#   write    changes go to the image
#   FROM:TO  a directory of this machine and the existing or new directory of the image where it appears
set -eu
work=$1 image=$2 mode=$3
shift 3
mount -t tmpfs -o size=2g,mode=755 perftrawl-image "$work"
mkdir "$work/root"
if [ "$mode" = write ]; then
  mount -o loop "$image" "$work/root"
else
  mkdir "$work/image" "$work/changes" "$work/overlay"
  mount -o loop,ro "$image" "$work/image"
  mount -t overlay -o "lowerdir=$work/image,upperdir=$work/changes,workdir=$work/overlay" perftrawl-image "$work/root"
fi
root=$work/root
mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
mount --rbind /dev "$root/dev"
mount -t tmpfs tmp "$root/tmp"
chmod 1777 "$root/tmp"
while [ "$1" != -- ]; do
  mkdir -p "$root${1#*:}"
  mount --rbind "${1%%:*}" "$root${1#*:}"
  shift
done
shift
exec chroot "$root" "$@"
