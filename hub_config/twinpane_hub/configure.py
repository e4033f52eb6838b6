"""Turn the hub's settings into JupyterHub's configuration."""

import sys
from collections.abc import Callable
from pathlib import Path

import jupyterhub
from traitlets.config import Config

from twinpane_ground.json_lines import JsonLines, log_as_json
from twinpane_wire.connection_limiter import LOOPBACK

from . import (
    audit_hooks,
    host_cookies,
    hub_database,
    local_sign_in,
    oidc_sign_in,
    pages,
    request_rules,
    roles,
    sealing,
    server_hosts,
    spawner,
)
from .accounts import NAME
from .audit import AuditLog
from .network.store import NetworkStore
from .own_proxy import OwnProxy, with_hub
from .proxy import proxy_command
from .request_limits import HEAD, bound_requests
from .second_factors import SecondFactors
from .settings import ENVIRONMENT, HubSettings, LocalSignIn

HERE = Path(__file__).parent
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "frame-ancestors 'none'; object-src 'none'; base-uri 'self'",
    # A page that opens the hub, as what a cell shows may, gets no handle on it.
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Referrer-Policy": "same-origin",
    "Server": "Twinpane",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "X-JupyterHub-Version": str(jupyterhub.version_info[0]),
}
"""On every page and answer of the hub."""
MOST_TOKEN_S = 90 * 24 * 3600
"""Seconds after which a token that somebody made has expired."""
STRICT = "max-age=31536000; includeSubDomains"
CALLBACK = "/oauth_callback"
"""The OAuth callback path of a site's review pages."""


def configure(c: Config, settings: HubSettings) -> None:
    """Fill JupyterHub's configuration object; raises StoreError where the store of the network cannot be used."""
    state = settings.state_folder
    state.mkdir(parents=True, exist_ok=True, mode=0o700)
    audit = AuditLog(state)
    directory = NetworkStore(settings.store_url, noted=audit.changed)
    hub_database.prepare(settings)
    bound_requests()
    if settings.log_format == "json":
        log_as_json()
        made_by = f"{JsonLines.__module__}.{JsonLines.__name__}"
        c.Application.logging_config = {"formatters": {"console": {"class": made_by}}}
    hosts = server_hosts.Hosts(settings.address)
    server_hosts.install(hosts)
    if settings.address.startswith("https://"):
        host_cookies.install()
    request_rules.install(hosts, f"127.0.0.1:{settings.hub_port}")
    audit_hooks.install(audit, frozenset(LOOPBACK | set(settings.trusted_proxies)))
    _network(c, settings, state, directory)
    _people(c, settings)
    _servers(c, settings, state, directory, hosts)
    _services(c, settings, directory)
    pages.configure(c, HERE, directory, settings.online_note, _account(settings))


def _account(settings: HubSettings) -> Callable[[str], pages.Account]:
    """How it stands about a person's account."""
    if not isinstance(settings.sign_in, LocalSignIn):
        return lambda _: ""
    factors, demanded = SecondFactors(settings.state_folder), settings.sign_in.require_second_factor
    return lambda name: "factor missing" if demanded and not factors.has(name) else "here"


def _network(c: Config, settings: HubSettings, state: Path, directory: NetworkStore) -> None:
    c.JupyterHub.bind_url = f"http://{settings.host}:{settings.port}"
    c.JupyterHub.public_url = settings.address + "/"
    c.JupyterHub.subdomain_host = settings.address
    c.JupyterHub.subdomain_hook = server_hosts.one_name
    # A server's page may set cookies for the hub's name too. Browsers take one that begins with __Host- from the hub itself alone.
    c.JupyterHub.cookie_host_prefix_enabled = settings.address.startswith("https://")
    c.JupyterHub.hub_bind_url = f"http://127.0.0.1:{settings.hub_port}"
    c.JupyterHub.db_url = hub_database.address(settings)
    c.JupyterHub.cookie_secret_file = str(state / "cookie_secret")
    c.JupyterHub.proxy_class = OwnProxy
    c.OwnProxy.command = with_hub(list(settings.proxy) or proxy_command(), HEAD)
    c.OwnProxy.api_url = f"http://127.0.0.1:{settings.proxy_port}"
    c.OwnProxy.pid_file = str(state / "proxy.pid")
    c.JupyterHub.cleanup_servers = True
    c.JupyterHub.cleanup_proxy = True
    c.JupyterHub.cookie_max_age_days = 1
    c.JupyterHub.token_expires_in_max_seconds = MOST_TOKEN_S
    secure = settings.address.startswith("https://")
    c.JupyterHub.tornado_settings = {
        "headers": HEADERS | ({"Strict-Transport-Security": STRICT} if secure else {}),
        "twinpane_audit": AuditLog(state),
        "twinpane_directory": directory,
        "twinpane_settings": settings,
        "cookie_options": {"secure": secure, "samesite": "Lax"},
        "xsrf_cookie_kwargs": {"secure": secure, "samesite": "Lax"},
    }
    c.JupyterHub.shutdown_on_logout = False


def _people(c: Config, settings: HubSettings) -> None:
    c.CryptKeeper.keys = [sealing.key(settings.state_folder)]
    if isinstance(settings.sign_in, LocalSignIn):
        local_sign_in.configure(c, settings, settings.sign_in)
    else:
        oidc_sign_in.configure(c, settings.sign_in, settings.state_folder)
    c.Authenticator.username_pattern = NAME
    c.Authenticator.admin_users = set()
    c.Authenticator.any_allow_config = True
    c.JupyterHub.custom_scopes = {roles.SCOPE: {"description": "Propose projects, let sites join, shut people out"}}
    c.JupyterHub.load_roles = roles.roles(settings.review, settings.metrics_token is not None)
    c.JupyterHub.oauth_require_pkce = True


def _servers(c: Config, settings: HubSettings, state: Path, directory: NetworkStore, hosts: server_hosts.Hosts) -> None:
    c.JupyterHub.spawner_class = spawner.TwinpaneSpawner
    c.JupyterHub.allow_named_servers = True
    c.JupyterHub.named_server_limit_per_user = 40
    c.JupyterHub.implicit_spawn_seconds = 0
    c.Spawner.cmd = spawner.command()
    c.Spawner.env_keep = []
    c.Spawner.ip = "127.0.0.1"
    c.Spawner.disable_user_config = True
    c.Spawner.start_timeout = 60
    c.LocalProcessSpawner.interrupt_timeout = 5
    c.LocalProcessSpawner.term_timeout = 3
    c.LocalProcessSpawner.kill_timeout = 2
    c.TwinpaneSpawner.state_folder = str(state)
    c.TwinpaneSpawner.notebooks = str(settings.path(settings.notebooks)) if settings.notebooks else ""
    c.TwinpaneSpawner.switchboard = settings.switchboard
    c.TwinpaneSpawner.reach = [
        (settings.hub_port, settings.hub_port), (settings.switchboard_port, str(settings.gates_socket)),
    ]  # fmt: skip
    c.TwinpaneSpawner.kernels = settings.kernels
    c.TwinpaneSpawner.pane_mb = settings.pane_mb
    c.TwinpaneSpawner.users_from = settings.users_from
    c.TwinpaneSpawner.directory = directory
    c.TwinpaneSpawner.hosts = hosts
    c.TwinpaneSpawner.die_with_hub = settings.die_with_parent


def _services(c: Config, settings: HubSettings, directory: NetworkStore) -> None:
    services: list[dict[str, object]] = [{
        "name": "switchboard",
        "command": [sys.executable, "-I", "-m", "twinpane_hub.switchboard"],
        "environment": {ENVIRONMENT: str(settings.folder / "hub.toml"), "PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8"},
        "url": f"http://127.0.0.1:{settings.switchboard_port}",
        "display": False,
    }]  # fmt: skip
    for site, review in settings.review.items():
        known = directory().sites.get(site)
        if known is None or known.review_url is None:
            continue
        name = roles.review_service(site)
        services.append({
            "name": name, "api_token": review.token, "oauth_client_id": f"service-{name}",
            "oauth_redirect_uri": known.review_url.rstrip("/") + CALLBACK, "oauth_no_confirm": True, "display": False,
        })  # fmt: skip
    if settings.metrics_token:
        services.append({"name": roles.METRICS, "api_token": settings.metrics_token, "display": False})
    c.JupyterHub.services = services
