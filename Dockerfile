# The image of port104; docs/kubernetes.md says how it is built and run.
#
# Pin the base by digest: --build-arg BASE=debian:trixie-slim@sha256:...
ARG BASE=debian:trixie-slim

# --- the wheel, and beside it the environment that it is installed in
FROM ${BASE} AS build
SHELL ["/bin/sh", "-eux", "-c"]
# Which versions Debian has is the base's choice: it is pinned by digest.
# hadolint ignore=DL3008
RUN apt-get update; \
    apt-get install -y --no-install-recommends gcc libc6-dev python3 python3-dev python3-venv; \
    rm -rf /var/lib/apt/lists/*
WORKDIR /src
# Everything that pip fetches, the build's own requirements too, is held to the pins.
COPY requirements.txt ./
ENV PIP_CONSTRAINT=/src/requirements.txt PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
# Dependencies first: they change less often than the code. The environment that runs has no pip.
COPY pyproject.toml ./
RUN python3 -m venv /opt/build; \
    python3 -m venv --without-pip /opt/port104; \
    python3 -c 'import tomllib; p = tomllib.load(open("pyproject.toml", "rb"))["project"]; \
        print(*p["dependencies"], \
            *(one for extra in ("postgresql", "events", "objectstore") for one in p["optional-dependencies"][extra]), \
            sep="\n")' > /opt/build/run.txt; \
    /opt/build/bin/pip --python /opt/port104/bin/python install --only-binary :all: -r /opt/build/run.txt
COPY README.md LICENSE MANIFEST.in setup.py ./
COPY native native
COPY engine engine
RUN /opt/build/bin/pip wheel --no-deps --wheel-dir /opt/build/wheels .; \
    /opt/build/bin/pip --python /opt/port104/bin/python install --no-deps /opt/build/wheels/port104-*.whl; \
    /opt/port104/bin/python -I -m compileall -q /opt/port104/lib

# --- what runs
FROM ${BASE}
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="port104" \
      org.opencontainers.image.description="DICOM ingress engine: receives studies durably, runs pipelines, delivers results" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# hadolint ignore=DL3008
RUN apt-get update && \
    apt-get install -y --no-install-recommends ca-certificates python3 && \
    rm -rf /var/lib/apt/lists/* && \
    groupadd --gid 10104 port104 && \
    useradd --uid 10104 --gid 10104 --no-create-home --home-dir /payloads --shell /usr/sbin/nologin port104 && \
    install -d -o 10104 -g 10104 -m 0750 /payloads
COPY --from=build /opt/port104 /opt/port104
ENV PATH=/opt/port104/bin:/usr/local/bin:/usr/bin:/bin \
    LANG=C.UTF-8 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
# By number, so that Kubernetes can see that it is not root. Port 104 needs no privilege where the runtime sets
# net.ipv4.ip_unprivileged_port_start to 104 or less, as Docker does and the chart has Kubernetes do.
USER 10104:10104
WORKDIR /payloads
VOLUME /payloads
EXPOSE 104 2762 5000
# port104 takes SIGTERM itself and its supervisors reap what pipelines leave behind: no init is needed before it.
STOPSIGNAL SIGTERM
# By the control socket, whatever the API listens on. Unhealthy is also what has no room for studies.
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s --retries=3 CMD ["port104", "status"]
ENTRYPOINT ["port104"]
CMD ["start"]
