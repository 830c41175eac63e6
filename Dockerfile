# Built: docker build -t signalbox .   Run: see docs/operating.md (read-only root file system, /state writable)
FROM python:3.11-slim-bookworm AS build
WORKDIR /src
RUN python -m venv /opt/signalbox
COPY requirements requirements
RUN /opt/signalbox/bin/pip install --no-cache-dir --require-hashes --only-binary :all: -r requirements/run.txt
COPY pyproject.toml README.md ./
COPY bot bot
COPY commands commands
COPY runbooks runbooks
# The sandbox plays clouds; it has no place in an image that moves real ones.
RUN rm -rf bot/sandbox \
    && /opt/signalbox/bin/pip install --no-cache-dir --require-hashes -r requirements/build.txt \
    && /opt/signalbox/bin/pip install --no-cache-dir --no-deps --no-build-isolation . \
    && /opt/signalbox/bin/pip uninstall -y pip setuptools

FROM python:3.11-slim-bookworm
RUN useradd --system --uid 10001 --home-dir /state --shell /usr/sbin/nologin signalbox \
    && install -d -o signalbox -g signalbox /state
COPY --from=build /opt/signalbox /opt/signalbox
ENV PATH=/opt/signalbox/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    MPLCONFIGDIR=/tmp \
    SIGNALBOX_STATE=/state \
    SIGNALBOX_DATABASE_URL=sqlite:////state/signalbox.db \
    SIGNALBOX_ESTATE=/etc/signalbox/estate.yaml
WORKDIR /state
USER 10001
VOLUME ["/state"]
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as u; u.urlopen('http://127.0.0.1:' + os.environ.get('SIGNALBOX_HEALTH_PORT', '8080') + '/live', timeout=2)"]
ENTRYPOINT ["signalbox"]
CMD ["serve"]
