"""The switchboard: joins panes and agents. It reads every message, keeps no content but catalogues, and cannot open a site."""

from twinpane_ground.closing import Closing

from .authentication import Identify
from .catalogue_store import CatalogueStore, PinnedKeys
from .endpoints import Timing, switchboard
from .local import local_switchboard
from .router import Router
from .serve import serving, serving_gates
from .sessions import Sessions

__all__ = [
           "CatalogueStore",
           "Closing",
           "Identify",
           "PinnedKeys",
           "Router",
           "Sessions",
           "Timing",
           "local_switchboard",
           "serving",
           "serving_gates",
           "switchboard",
]  # fmt: skip
