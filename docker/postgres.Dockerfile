# PostgreSQL of Debian, reached over TLS by one user of one database; what it is told at its start is in start-postgres.sh.
ARG BASE_IMAGE=debian:12.12-slim

FROM ${BASE_IMAGE}
COPY docker/need-packages.sh /usr/local/bin/need-packages
# The package would make a cluster of its own, which nobody uses.
RUN need-packages postgresql-common \
  && sed -ri 's/^#?(create_main_cluster) .*/\1 = false/' /etc/postgresql-common/createcluster.conf \
  && need-packages postgresql-15
ENV PATH=/usr/lib/postgresql/15/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
RUN groupadd --gid 10002 database \
  && useradd --uid 10002 --gid 10002 --no-create-home --home-dir /var/lib/database --shell /usr/sbin/nologin database \
  && install --directory --owner database --group database --mode 0700 /var/lib/database
COPY docker/pg_hba.conf /etc/database/pg_hba.conf
COPY docker/start-postgres.sh /usr/local/bin/start-postgres
USER database
EXPOSE 5432
STOPSIGNAL SIGINT
ENTRYPOINT ["start-postgres"]
