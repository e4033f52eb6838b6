"""Wait for a descriptor, whatever its number: select(2) knows none from 1024 on, and a site of many sessions has such."""

import math
import select


def readable(descriptor: int, seconds: float) -> bool:
    """Whether, within this time, something can be read from it or it has ended; for a pidfd, whether the process has ended."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(math.ceil(seconds * 1000)))
