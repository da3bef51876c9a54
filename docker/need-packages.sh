#!/bin/sh
# need-packages PACKAGE…: install the Debian packages that the base image lacks. Where it lacks none, no network is needed.
set -eu

is_installed() {
  [ "$(dpkg-query --show --showformat '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

for package in "$@"; do
  shift
  is_installed "$package" || set -- "$@" "$package"
done
[ $# -gt 0 ] || exit 0

echo "need-packages: installing $*"
apt-get update --quiet
DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet --no-install-recommends "$@"
rm -rf /var/lib/apt/lists/*
