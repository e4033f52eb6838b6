"""A switchboard for one run on one machine: one user, one project, no hub and no sign-in (``twinpane run --sites``)."""

import hmac
from collections.abc import Collection, Mapping
from datetime import date

from starlette.applications import Starlette

from twinpane_hub.projects import Directory, Project, Site
from twinpane_wire.messages import Principal

from .catalogue_store import CatalogueStore, PinnedKeys
from .endpoints import switchboard
from .router import Router
from .sessions import Sessions


def local_switchboard(
    project: str, user: str, sites: Mapping[str, str], token: str, titles: Mapping[str, str] | None = None, addresses: Collection[str] = ()
) -> Starlette:
    """The ASGI application for ``serving``. ``sites`` maps a site's id to its Ed25519 public key in hexadecimal.

    ``addresses``: where else sites reach it, besides its own socket.
    """
    principal = Principal(user=user, project=project)
    known = {site: Site(title=(titles or {}).get(site, ""), public_key=key) for site, key in sites.items()}
    directory = Directory(projects={project: Project(title=project, sites=tuple(sites), members=(user,), expires=date.max)}, sites=known)

    def identify(given: str, wanted: str) -> Principal | None:
        return principal if hmac.compare_digest(given.encode(), token.encode()) and wanted == project else None

    return switchboard(Router(lambda: directory, Sessions(None), CatalogueStore(None)), identify, PinnedKeys(None), addresses=addresses)
