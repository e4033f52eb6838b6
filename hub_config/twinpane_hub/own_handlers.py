"""The hub's own pages and API, which come before JupyterHub's."""

from typing import Any

from . import admin_pages, network_handlers
from .project_tokens import ProjectTokens


def own_handlers() -> list[tuple[Any, ...]]:
    """As JupyterHub takes handlers. Its own page for administrators is none of them: most of its buttons need rights that nobody has."""
    return [("/token", ProjectTokens), *network_handlers.handlers(), *admin_pages.handlers()]
