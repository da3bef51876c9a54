#!/bin/sh
# `perftrawl` in the container of a controller: asks the server of that container, as the admin of the fleet.
exec node /opt/perftrawl/bin/perftrawl --server https://localhost:7450 --token-file "$PERFTRAWL_CONFIG/admin-token" "$@"
