# Fastbreak as an unprivileged user, with TLS to Kafka; the log and the warehouse are in the volume /data.
FROM rust:1.95-slim-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends g++ make perl pkg-config libssl-dev && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked --features tls --bin fastbreak && cp target/release/fastbreak /usr/local/bin/fastbreak

FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends libssl3 ca-certificates && rm -rf /var/lib/apt/lists/*
RUN useradd --system --uid 10001 --no-create-home fastbreak && install -d -o fastbreak -g fastbreak /data
COPY --from=build /usr/local/bin/fastbreak /usr/local/bin/fastbreak
COPY LICENSE /usr/share/doc/fastbreak/LICENSE
USER fastbreak
VOLUME /data
WORKDIR /data
# Every key of `fastbreak config show` can be set in the environment (docs/configuration.md). The console is reachable only inside the container.
# With more malloc arenas, glibc keeps more freed memory (docs/scaling.md).
ENV FASTBREAK_DATA=/data FASTBREAK_CONSOLE=127.0.0.1:8780 MALLOC_ARENA_MAX=2
# The image has no curl: bash opens the connection.
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s --retries=3 \
    CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/8780 && printf 'GET /livez HTTP/1.0\\r\\n\\r\\n' >&3 && head -1 <&3 | grep -q ' 200 '"]
ENTRYPOINT ["fastbreak"]
CMD ["run"]
