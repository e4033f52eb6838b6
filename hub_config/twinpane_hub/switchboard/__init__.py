"""The switchboard: joins panes and agents. It reads every message, keeps no content but catalogues, and cannot open a site."""

from twinpane_ground.closing import Closing

from .admission import Identify
from .board import Board
from .endpoints import Timing, switchboard
from .local import local_switchboard
from .serve import serving, serving_gates
from .sessions import Sessions
from .shelf import Pins, Shelf

__all__ = ["Board", "Closing", "Identify", "Pins", "Sessions", "Shelf", "Timing", "local_switchboard", "serving", "serving_gates",
           "switchboard"]  # fmt: skip
