# The outside: hub, switchboard, researchers' servers and their clear kernels. Build from the repository's folder:
#   docker build -f docker/hub.Dockerfile -t twinpane-hub .
# Not yet tried, see docker/README.md.
FROM node:22-trixie-slim AS proxy
WORKDIR /opt/proxy
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --no-audit --no-fund

FROM python:3.11-slim-trixie
RUN apt-get update \
    && apt-get install --no-install-recommends -y bubblewrap libseccomp2 \
    && rm -rf /var/lib/apt/lists/*
COPY --from=proxy /usr/local/bin/node /usr/local/bin/node
COPY --from=proxy /opt/proxy/node_modules /opt/proxy/node_modules
WORKDIR /opt/twinpane
COPY requirements.lock ./
COPY hub_config/setup/build.lock hub_config/setup/build.lock
RUN pip install --no-cache-dir --require-hashes -r requirements.lock \
    && pip install --no-cache-dir --require-hashes -r hub_config/setup/build.lock
COPY pyproject.toml README.md LICENSE ./
COPY kernels kernels
COPY hub_config hub_config
COPY extensions extensions
COPY notebooks notebooks
RUN pip install --no-cache-dir --no-build-isolation --no-deps . \
    && python -m twinpane_kernel.install \
    && useradd --uid 1000 --create-home twinpane
ENV PATH=/opt/proxy/node_modules/.bin:/usr/local/bin:/usr/bin:/bin
USER twinpane
WORKDIR /srv/hub
EXPOSE 8000
CMD ["twinpane", "hub", "run", "/srv/hub/hub.toml"]
