# The operator: Python in a virtual environment, no shell tools of its own, for a read-only root file system.

FROM debian:bookworm-slim AS build
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates python3 python3-venv
COPY operator/requirements.lock /tmp/requirements.lock
RUN python3 -m venv --without-pip /opt/caisson/venv \
 && python3 -m venv /tmp/pip \
 && /tmp/pip/bin/pip --python /opt/caisson/venv/bin/python install --no-cache-dir --require-hashes \
      --no-compile -r /tmp/requirements.lock
RUN /opt/caisson/venv/bin/python -m compileall -q /opt/caisson/venv/lib

# Apart from its dependencies, so that a change of ours is a small layer.
FROM build AS package
COPY operator/caisson_operator /opt/caisson/package/caisson_operator
RUN /opt/caisson/venv/bin/python -m compileall -q /opt/caisson/package

FROM debian:bookworm-slim
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates python3 \
 && rm -rf /var/lib/apt/lists/* \
 && groupadd --gid 65532 caisson \
 && useradd --uid 65532 --gid 65532 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin caisson
COPY --from=build /opt/caisson/venv /opt/caisson/venv
# Beside its dependencies: a folder named "operator" on the path would shadow the standard library's.
COPY --from=package /opt/caisson/package /opt/caisson/venv/lib/python3.11/site-packages
ENV PATH=/opt/caisson/venv/bin:/usr/local/bin:/usr/bin:/bin LANG=C.UTF-8 PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 65532:65532
WORKDIR /
EXPOSE 8080
ENTRYPOINT ["python", "-m", "caisson_operator"]
