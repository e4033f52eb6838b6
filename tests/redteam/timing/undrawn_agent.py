"""A site's agent that draws nothing: what leaves by the clock leaves exactly in its slot. ``python -I undrawn_agent.py serve DIR …``.

With the draw gone, how late each message leaves can be seen to the microsecond, and so what a busy kernel adds to it.
"""

from twinpane_site import paced_connection, send_slots
from twinpane_site.cli import site


def nothing(spread: float, source: object = None) -> float:
    """No draw."""
    return 0.0


if __name__ == "__main__":
    send_slots.smooth = paced_connection.smooth = nothing
    send_slots.SendSlots.__init__.__defaults__ = (nothing,)
    site()
