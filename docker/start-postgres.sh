#!/bin/sh
# start-postgres: make the database at the first start, then serve it. Password, certificate and key are in /run/database.
set -eu

secrets=/run/database
data=/var/lib/database/15

if [ ! -e "$data/PG_VERSION" ]; then
  # Made beside its place: a start that was cut off leaves nothing that looks like a database.
  rm -rf "$data.new"
  initdb --pgdata "$data.new" --username database --auth reject --encoding UTF8 --locale C.UTF-8 --data-checksums
  postgres --single -j -D "$data.new" postgres >/dev/null <<SQL
CREATE ROLE perftrawl LOGIN PASSWORD '$(cat "$secrets/password")';

CREATE DATABASE perftrawl OWNER perftrawl;

SQL
  mv "$data.new" "$data"
fi

exec postgres -D "$data" \
  -c listen_addresses='*' \
  -c unix_socket_directories=/run/postgresql \
  -c hba_file=/etc/database/pg_hba.conf \
  -c ssl=on \
  -c ssl_min_protocol_version=TLSv1.3 \
  -c ssl_cert_file="$secrets/postgres.crt" \
  -c ssl_key_file="$secrets/postgres.key"
