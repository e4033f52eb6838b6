"""How an endpoint of the switchboard ends its link."""

from twinpane_ground.closing import Closing


class LinkEnded(Exception):
    """Raised inside an endpoint to end its link with a code and a reason that is fit to show."""

    def __init__(self, code: Closing, reason: str) -> None:
        """``reason`` is cut to the 123 bytes that a close frame carries."""
        super().__init__(reason)
        self.code = code
        self.reason = reason.encode()[:120].decode(errors="ignore")


class Unsaid(LinkEnded):
    """The hub does not say whose a token is. It ends what begins, and not what goes on."""
