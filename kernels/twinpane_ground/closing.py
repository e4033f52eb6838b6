"""Why a link ends: one close code for each reason, the same for panes and agents."""

from enum import IntEnum


class Closing(IntEnum):
    """WebSocket close codes of the switchboard (4000 to 4999 are free for applications)."""

    malformed = 4000  # a message that is not one of the link's
    not_proven = 4001  # who dials in is not who it says: unknown token, wrong key, wrong one-time token
    not_admitted = 4003  # known, but not for this project, site or session
    too_late = 4008  # no hello in time
    replaced = 4009  # the same site dialled in again; the newer link stands
    too_slow = 4029  # the other end does not take what waits for it: dial again, nothing acknowledged is lost
