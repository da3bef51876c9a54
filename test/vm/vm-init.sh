#!/bin/bash
# Process 1 of the test VM: mounts what programs expect, brings the network up, starts sshd, says so on the console, and waits.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8

mount -t proc proc /proc
mount -t sysfs sysfs /sys
mountpoint -q /dev || mount -t devtmpfs dev /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs shm /dev/shm
mount -t tmpfs run /run
mount -t tmpfs tmp /tmp
mount -t securityfs security /sys/kernel/security
mount -t debugfs debug /sys/kernel/debug
mount -t tracefs tracing /sys/kernel/tracing
mount -t cgroup2 cgroup2 /sys/fs/cgroup
chmod 1777 /tmp /dev/shm
ln -sfn /proc/self/fd /dev/fd

hostname vm
ip link set lo up
modprobe virtio_pci
modprobe virtio_net
for _ in $(seq 100); do
  card=$(ls /sys/class/net | grep -v '^lo$' | head -n 1)
  [ -n "$card" ] && break
  sleep 0.1
done
[ -n "$card" ] || echo 'VM-FAILED no network card appeared'
ip link set "$card" up
ip address add 10.0.2.15/24 dev "$card"
ip route add default via 10.0.2.2

mkdir -p /run/sshd
/usr/sbin/sshd || echo 'VM-FAILED sshd did not start'
echo "VM-READY $(uname -r) after $(cut -d' ' -f1 /proc/uptime) s"

# Orphans end up here and are reaped by bash itself; whoever started the VM ends it from outside.
while :; do sleep 3600; done
