# The sample workload: a program that causes page faults in functions with names (demo/touch-memory.c).
ARG BASE_IMAGE=debian:12.12-slim

FROM ${BASE_IMAGE} AS build
COPY docker/need-packages.sh /usr/local/bin/need-packages
RUN need-packages gcc libc6-dev
COPY demo/touch-memory.c /build/
# With frame pointers, as `npm start` compiles it: so the kernel finds the callers.
RUN gcc -O0 -g -fno-omit-frame-pointer -o /build/touch-memory /build/touch-memory.c

FROM ${BASE_IMAGE}
COPY --from=build /build/touch-memory /usr/local/bin/touch-memory
COPY docker/workload-health.sh /usr/local/bin/workload-health
USER 65534:65534
# Seconds until it ends: some sixty years.
CMD ["touch-memory", "2000000000"]
