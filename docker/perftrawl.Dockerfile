# The images `controller` and `agent`, built from this tree. docs/docker.md says what the build arguments are for.
ARG NODE_IMAGE=node:20.20.2-bookworm
ARG BASE_IMAGE=debian:12.12-slim

FROM ${NODE_IMAGE} AS build
COPY docker/need-packages.sh /usr/local/bin/need-packages
RUN need-packages python3 make g++
WORKDIR /opt/perftrawl
COPY package.json package-lock.json .npmrc ./
# Not `npm ci`: it refuses a lock file that lacks the optional packages of other platforms. Packages that are there already are taken.
RUN npm install --no-save --no-audit --no-fund
COPY tsconfig.json ./
COPY bin bin
COPY profile profile
COPY proto proto
COPY agent agent
COPY controller controller
RUN node bin/build.mjs && npm prune --omit=dev --no-audit --no-fund

FROM ${BASE_IMAGE} AS base
COPY docker/need-packages.sh /usr/local/bin/need-packages
RUN need-packages libstdc++6 libatomic1
COPY --from=build /usr/local/bin/node /usr/local/bin/node
WORKDIR /opt/perftrawl
COPY --from=build /opt/perftrawl/package.json ./
COPY --from=build /opt/perftrawl/bin/perftrawl /opt/perftrawl/bin/package.json bin/

FROM base AS controller
RUN groupadd --gid 10001 perftrawl \
  && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/perftrawl --shell /usr/sbin/nologin perftrawl \
  && install --directory --owner perftrawl --group perftrawl --mode 0700 /var/lib/perftrawl
COPY --from=build /opt/perftrawl/node_modules node_modules
COPY --from=build /opt/perftrawl/dist dist
COPY docker/prepare.mjs docker/controller-health.mjs docker/inventory.yaml docker/
COPY docker/perftrawl-as-admin.sh /usr/local/bin/perftrawl
ENV PERFTRAWL_CONFIG=/etc/perftrawl PERFTRAWL_DATA=/var/lib/perftrawl PERFTRAWL_INVENTORY=/opt/perftrawl/docker/inventory.yaml
USER perftrawl
EXPOSE 7450 7452
ENTRYPOINT ["node", "/opt/perftrawl/bin/perftrawl"]
CMD ["serve", "--listen", "0.0.0.0:7450", "--agents", "0.0.0.0:7452"]

FROM base AS agent
RUN need-packages linux-perf binutils
COPY --from=build /opt/perftrawl/node_modules/gecko-profiler-demangle node_modules/gecko-profiler-demangle
COPY --from=build /opt/perftrawl/dist/bundle dist/bundle
COPY docker/agent-health.mjs docker/
COPY docker/start-agent.sh /usr/local/bin/start-agent
RUN ln -s /opt/perftrawl/bin/perftrawl /usr/local/bin/perftrawl \
  && install --directory --mode 0700 /var/lib/perftrawl/agent
ENV PERFTRAWL_STATE=/var/lib/perftrawl/agent
ENTRYPOINT ["start-agent"]
