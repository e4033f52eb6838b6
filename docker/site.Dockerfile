# The inside: a site's agent, its inside kernels and its review pages. Build from the repository's folder:
#   docker build -f docker/site.Dockerfile -t twinpane-site .
# Not yet tried, see docker/README.md.
# Every locked package, its hash checked; the image takes from these what its extra needs.
FROM python:3.11-slim-trixie AS wheels
COPY requirements.lock hub_config/setup/build.lock /opt/
RUN pip wheel --no-cache-dir --no-deps --require-hashes --wheel-dir /wheels -r /opt/requirements.lock -r /opt/build.lock

FROM python:3.11-slim-trixie
RUN apt-get update \
    && apt-get install --no-install-recommends -y bubblewrap libseccomp2 \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /opt/twinpane
COPY pyproject.toml README.md LICENSE ./
COPY kernels kernels
COPY hub_config hub_config
COPY extensions extensions
RUN --mount=type=bind,from=wheels,source=/wheels,target=/wheels \
    pip install --no-cache-dir --no-index --find-links /wheels ".[site]" \
    && useradd --uid 1000 --create-home twinpane
USER twinpane
WORKDIR /srv/site
EXPOSE 8443
CMD ["twinpane", "site", "serve", "/srv/site"]
