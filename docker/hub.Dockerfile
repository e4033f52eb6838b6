# The outside: hub, switchboard, researchers' servers and their clear kernels. Build from the repository's folder:
#   docker build -f docker/hub.Dockerfile -t twinpane-hub .
# Not yet tried, see docker/README.md.
FROM node:22-trixie-slim AS proxy
WORKDIR /opt/proxy
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --no-audit --no-fund

# Every locked package, its hash checked; the image takes from these what its extra needs.
FROM python:3.11-slim-trixie AS wheels
COPY requirements.lock hub_config/setup/build.lock /opt/
RUN pip wheel --no-cache-dir --no-deps --require-hashes --wheel-dir /wheels -r /opt/requirements.lock -r /opt/build.lock

FROM python:3.11-slim-trixie
RUN apt-get update \
    && apt-get install --no-install-recommends -y bubblewrap libseccomp2 \
    && rm -rf /var/lib/apt/lists/*
COPY --from=proxy /usr/local/bin/node /usr/local/bin/node
COPY --from=proxy /opt/proxy/node_modules /opt/proxy/node_modules
WORKDIR /opt/twinpane
COPY pyproject.toml README.md LICENSE ./
COPY kernels kernels
COPY hub_config hub_config
COPY extensions extensions
COPY notebooks notebooks
RUN --mount=type=bind,from=wheels,source=/wheels,target=/wheels \
    pip install --no-cache-dir --no-index --find-links /wheels ".[hub]" \
    && python -m twinpane_kernel.install \
    && useradd --uid 1000 --create-home twinpane
ENV PATH=/opt/proxy/node_modules/.bin:/usr/local/bin:/usr/bin:/bin
USER twinpane
WORKDIR /srv/hub
EXPOSE 8000
CMD ["twinpane", "hub", "run", "/srv/hub/hub.toml"]
