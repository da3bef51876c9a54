#!/bin/sh
# Healthy while the program causes page faults: the tenth field of /proc/PID/stat counts them.
faults() {
  cut -d ' ' -f 10 /proc/1/stat
}
before=$(faults)
sleep 1
[ "$(faults)" -gt "$before" ]
