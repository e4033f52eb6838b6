"""What would stop a hub, found out before it starts: a list of looks, each of which says in one sentence what is wrong and what helps.

`check` stops at the first that fails; ``twinpane doctor hub`` goes through all.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from twinpane_ground.ports import holder, is_free

from . import accounts, disabled, hub_database, known_names
from .accounts import AccountsError
from .disabled import DisabledError
from .network.database import StoreError, opened, reachable
from .proxy import proxy_command
from .settings import MOVED, STORE, HubSettings, LocalSignIn, OidcSignIn, SettingsError

ERRORS = (SettingsError, StoreError, AccountsError, DisabledError, OSError)
"""What a look raises; the text is for the administrator."""


@dataclass(frozen=True, slots=True)
class Look:
    """One look. ``fine`` says what is so where it raises none of ``ERRORS``."""

    name: str
    at: Callable[[HubSettings], object]
    fine: str


def _settings_private(settings: HubSettings) -> None:
    file = settings.folder / "hub.toml"
    if (settings.review or settings.database or settings.metrics_token) and file.exists() and file.stat().st_mode & 0o077:
        raise SettingsError(f"{file} holds secrets, and others on this machine may read it: chmod 600 {file}")


def _sign_in(settings: HubSettings) -> None:
    if isinstance(settings.sign_in, LocalSignIn):
        store = settings.path(settings.sign_in.accounts)
        if not store.exists():
            raise SettingsError(
                f"there are no accounts yet: add one with `twinpane hub account {settings.folder / 'hub.toml'} NAME --group researcher`"
            )
        accounts.load(store)
    if isinstance(settings.sign_in, OidcSignIn) and not os.environ.get("OAUTH_CLIENT_SECRET"):
        raise SettingsError("the provider's secret for this hub is missing: set the environment variable OAUTH_CLIENT_SECRET")


def _proxy(settings: HubSettings) -> None:
    if not settings.proxy:
        proxy_command()


def ports(settings: HubSettings) -> Iterator[tuple[str, int, str]]:
    """The ports that the hub listens on: key of hub.toml, number, address."""
    yield "port", settings.port, settings.host
    for name in ("hub_port", "proxy_port", "switchboard_port"):
        yield name, getattr(settings, name), "127.0.0.1"


def _ports(settings: HubSettings) -> None:
    for name, port, host in ports(settings):
        if not is_free(port, host):
            by = found if (found := holder(port)) else "another program"
            raise SettingsError(f"port {port} is in use by {by}: stop it, or set another `{name}` in {settings.folder / 'hub.toml'}")


def _state(settings: HubSettings) -> None:
    state = settings.state_folder
    if not os.access(next(place for place in (state, *state.parents) if place.exists()), os.W_OK):
        raise SettingsError(f"the state folder {settings.state_folder} cannot be written: give it to the user that runs the hub")


def _network(settings: HubSettings) -> None:
    reachable(settings.store_url)
    if not settings.database and not (settings.state_folder / STORE).exists() and (settings.folder / "projects.toml").exists():
        raise SettingsError(f"projects.toml is not read any more. {MOVED}.")


PORTS = Look("ports", _ports, "those of hub.toml are free")
LOOKS = (
    Look("people shut out", lambda settings: disabled.load(settings.state_folder), "their list can be read"),
    Look("databases", known_names.check_databases, "they can be read"),
    Look("hub.toml", _settings_private, "it can be used, and nobody else reads its secrets"),
    Look("network", _network, "the store of projects and sites answers, or is made at a start"),
    Look("sign-in", _sign_in, "accounts or the provider's secret are there"),
    Look("proxy", _proxy, "its program is there"),
    PORTS,
    Look("state folder", _state, "it can be written"),
)
"""In the order in which a start goes through them."""


def check(settings: HubSettings) -> None:
    """Find out what would stop the hub. Raises one of ``ERRORS``, in words."""
    for look in LOOKS:
        look.at(settings)
    # Looks change nothing. A start makes the store, or brings its tables to this version.
    settings.state_folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    opened(settings.store_url)
    hub_database.prepare(settings)
