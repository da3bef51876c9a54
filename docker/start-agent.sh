#!/bin/sh
# start-agent CONTROLLER:PORT…: become one of the fleet at the first start, then serve every controller that is named.
set -eu

enroll() {
  for controller in "$@"; do
    if perftrawl agent enroll --server "$controller" --token-file /run/perftrawl/enroll-token; then return; fi
  done
  echo "start-agent: no controller takes this host; docs/docker.md says what mends it" >&2
  return 1
}

[ $# -gt 0 ] || { echo 'start-agent: give at least one CONTROLLER:PORT' >&2; exit 2; }
[ -e "$PERFTRAWL_STATE/identity/agent.crt" ] || enroll "$@"

for controller in "$@"; do
  shift
  set -- "$@" --dial "$controller"
done
exec perftrawl agent "$@"
