# The inside: a site's agent, its inside kernels and its review pages. Build from the repository's folder:
#   docker build -f docker/site.Dockerfile -t twinpane-site .
# Not yet tried, see docker/README.md.
FROM python:3.11-slim-trixie
RUN apt-get update \
    && apt-get install --no-install-recommends -y bubblewrap libseccomp2 \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /opt/twinpane
COPY requirements.lock ./
COPY hub_config/setup/build.lock hub_config/setup/build.lock
RUN pip install --no-cache-dir --require-hashes -r requirements.lock \
    && pip install --no-cache-dir --require-hashes -r hub_config/setup/build.lock
COPY pyproject.toml README.md LICENSE ./
COPY kernels kernels
COPY hub_config hub_config
COPY extensions extensions
RUN pip install --no-cache-dir --no-build-isolation --no-deps . \
    && useradd --uid 1000 --create-home twinpane
USER twinpane
WORKDIR /srv/site
EXPOSE 8443
CMD ["twinpane", "site", "serve", "/srv/site"]
