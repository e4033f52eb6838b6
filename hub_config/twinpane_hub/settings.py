"""The hub's settings: one TOML file, strict. ``jupyterhub_config.py`` and the switchboard read it; the demo writes it."""

import os
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, StringConstraints, model_validator

from twinpane_broker import Closed, SiteId
from twinpane_ground import strict_toml
from twinpane_wire.address import dialled, is_address, is_loopback, switchboard_url

from .projects import Url

ENVIRONMENT = "TWINPANE_HUB_SETTINGS"
"""The environment variable that names the settings file."""

STORE = "network.sqlite"
"""The store of the network, in the hub's state folder, unless ``database`` names another."""
MOVED = "Projects and sites are kept in the hub's store now: move your file into it with `twinpane hub apply hub.toml projects.toml`"

Port = Annotated[int, Field(ge=1, le=65535)]
Secret = Annotated[str, StringConstraints(min_length=20, max_length=200)]


class SettingsError(ValueError):
    """The settings cannot be used; the message names file, key and remedy."""


class LocalSignIn(Closed):
    """Accounts of this machine: names, argon2 hashes and groups in a TOML file."""

    kind: Literal["local"]
    accounts: str = "accounts.toml"
    grace_minutes: Annotated[float, Field(ge=0, le=24 * 60)] = 10
    """How long people who are in may go on while the accounts file cannot be read."""
    require_second_factor: bool = False
    """Whether people without a second factor have no roles until they set one up."""


class OidcSignIn(Closed):
    """OpenID Connect. The client's secret comes from the environment variable OAUTH_CLIENT_SECRET."""

    kind: Literal["oidc"]
    name: str
    """The provider's name on the sign-in button."""
    issuer: Url
    """Who the provider says that it is (``issuer`` in its ``.well-known/openid-configuration``)."""
    authorize_url: Url
    token_url: Url
    userdata_url: Url
    client_id: str
    callback_url: Url
    username_claim: str = "preferred_username"
    groups_claim: str = "groups"
    scope: tuple[str, ...] = ("openid", "profile")
    logout_url: Url | None = None
    """Where the provider signs people out (its ``end_session_endpoint``); a person who signs out here is sent there."""
    grace_minutes: Annotated[float, Field(ge=0, le=24 * 60)] = 10
    """How long people may go on while the provider does not answer."""
    acr: tuple[str, ...] = ()
    """Classes of sign-in, one of which the provider must state (``acr``); empty: any."""
    amr: tuple[str, ...] = ()
    """Ways of proof, one of which the provider must state (``amr``), as ``mfa``; empty: any."""
    roles: dict[str, Literal["researcher", "reviewer", "steward", "admin"]]
    """The role here of each of the provider's groups. A group that is not listed has none."""

    @model_validator(mode="after")
    def _nobody_between(self) -> Self:
        for key in ("token_url", "userdata_url"):
            parts = urlsplit(str(getattr(self, key)))
            if parts.scheme != "https" and not is_loopback(parts.hostname or ""):
                raise ValueError(f"{key} must be https://: what comes from there says who a person is")
        return self


class Review(Closed):
    """The review pages of a site, as an OAuth client of the hub. Their address is the site's ``review_url`` in the network."""

    token: Secret


class HubSettings(Closed):
    """The settings of the outside. Relative paths start at the settings file's folder."""

    folder: Path
    """The settings file's folder; filled in when the file is read."""
    host: str = "127.0.0.1"
    port: Port = 8000
    public_url: Url | None = None
    """The address that browsers use. Each server is at a name below it, so a wildcard record and certificate must name it.
    Without one, the hub serves this machine alone: ``http://localhost:port``."""
    plain_http: bool = False
    """Whether ``public_url`` may be ``http://`` though others on the network can then read and change what is sent. For trials only."""
    hub_port: Port = 8081
    proxy_port: Port = 8001
    switchboard_port: Port = 8082
    switchboard_urls: tuple[Annotated[str, StringConstraints(pattern=r"^(https?|wss?)://[^\s]{1,280}$")], ...] = ()
    """Further addresses at which sites dial this hub, besides ``public_url``."""
    trusted_proxies: tuple[Annotated[str, StringConstraints(pattern=r"^[0-9a-fA-F.:]{2,45}$")], ...] = ()
    """Addresses of proxies before this hub, besides this machine's own. Their ``X-Forwarded-For`` is believed."""
    state: str = "hub"
    database: Annotated[str, StringConstraints(pattern=r"^(sqlite|postgresql)[^\s]{1,500}$")] | None = None
    """The address of the database that keeps projects, people and sites, as SQLAlchemy writes it; None: a SQLite file in ``state``."""
    log_format: Literal["text", "json"] = "text"
    """How the hub and its switchboard write their logs to standard error."""
    metrics_token: Secret | None = None
    """The secret with which Prometheus reads the hub's numbers; None: nobody reads them."""
    notebooks: str | None = None
    """A folder of notebooks that each workspace starts with."""
    kernels: Annotated[int, Field(ge=1, le=1000)] = 12
    """Kernels that one researcher's server may run at the same time."""
    pane_mb: Annotated[int, Field(ge=256)] = 2048
    """MiB of memory of one notebook's pane."""
    users_from: Annotated[int, Field(ge=0, le=2_146_000_000)] = 1_900_000_000
    """The first of a million Linux user ids. If the hub is root, each server runs with its kernels under one of them. No account of the
    machine may have one of these ids. 0: servers run under root's own id, with the sandbox as their only confinement."""
    proxy: tuple[str, ...] = ()
    """How the proxy is started; empty: as it is found on this machine."""
    sign_in: Annotated[LocalSignIn | OidcSignIn, Field(discriminator="kind")]
    review: dict[SiteId, Review] = {}
    die_with_parent: bool = False
    """End servers when the hub ends for any reason (for the demo). Proxy and switchboard always do."""

    @model_validator(mode="after")
    def _ports_differ(self) -> Self:
        ports = (self.port, self.hub_port, self.proxy_port, self.switchboard_port)
        if len(set(ports)) < len(ports):
            raise ValueError("port, hub_port, proxy_port and switchboard_port must differ")
        return self

    @model_validator(mode="after")
    def _servers_can_have_names(self) -> Self:
        if self.public_url is None:
            if not is_loopback(self.host):
                raise ValueError("public_url is missing: people on other machines need it, with a name, as in https://hub.example.org")
            return self
        parts = urlsplit(self.public_url)
        if parts.path.strip("/") or parts.query or parts.fragment:
            raise ValueError("public_url must be a host's whole address, without a path")
        if is_address(parts.hostname or ""):
            raise ValueError("public_url must have a name, not a number: each server is at a name of its own below it")
        if parts.scheme == "http" and not is_loopback(parts.hostname or "") and not self.plain_http:
            raise ValueError("public_url must be https://. For a trial where anybody may listen, set plain_http = true")
        return self

    @model_validator(mode="after")
    def _addresses_can_be_dialled(self) -> Self:
        _ = self.switchboard_addresses
        return self

    def path(self, name: str) -> Path:
        """A path of the settings, as an absolute one."""
        return (self.folder / name).resolve()

    @property
    def state_folder(self) -> Path:
        """The folder of the hub's state."""
        return self.path(self.state)

    @property
    def store_url(self) -> str:
        """The address of the store of the network."""
        return self.database or f"sqlite:///{self.state_folder / STORE}"

    @property
    def online_note(self) -> Path:
        """The file in which the hub reads which sites are online: its switchboard writes it."""
        return self.state_folder / "switchboard" / "online.json"

    @property
    def pins(self) -> Path:
        """The folder of the keys that sites brought on their first visit."""
        return self.state_folder / "switchboard" / "pins"

    @property
    def address(self) -> str:
        """The hub's address for browsers, without a trailing slash."""
        return (self.public_url or f"http://localhost:{self.port}").rstrip("/")

    @property
    def switchboard_addresses(self) -> frozenset[str]:
        """The addresses of this hub that a site may sign when it proves who it is."""
        return frozenset(dialled(switchboard_url(url)) for url in (self.address, *self.switchboard_urls))

    @property
    def gates_socket(self) -> Path:
        """The socket at which the gates of researchers' servers reach the switchboard. Only the hub's user can enter its folder."""
        return self.state_folder / "switchboard" / "gates"

    @property
    def switchboard(self) -> str:
        """The switchboard's own address, for panes on this machine and for sites that reach it directly."""
        return f"ws://127.0.0.1:{self.switchboard_port}"


def load(path: Path) -> HubSettings:
    """The settings of a file; raises SettingsError."""

    def prepared(raw: dict[str, Any]) -> dict[str, Any]:
        if "projects" in raw:
            raise SettingsError(f"{path}: `projects` is no key any more. {MOVED}, then remove the key.")
        return {**raw, "folder": str(path.resolve().parent)}

    return strict_toml.read(path, HubSettings, SettingsError, prepared)


def from_environment() -> HubSettings:
    """The settings of the file that the environment names; raises SettingsError."""
    named = os.environ.get(ENVIRONMENT)
    if not named:
        raise SettingsError(f"no settings: set {ENVIRONMENT} to the path of hub.toml (`twinpane demo` makes one to look at)")
    return load(Path(named))
