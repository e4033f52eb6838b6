"""The messages of the link, as frozen types. What is not one of these does not cross.

``Inward`` goes from a pane through the switchboard to a site's agent: outside to inside is free. ``Outward`` is the closed list
of crossings of the promise: nothing else can leave a site. Each message lives in an envelope that the switchboard rewrites:
the pane names the site, the agent is told the principal (user and project) by the hub.
"""

# Each list of names stands with its types: a new message is public here by itself.
from .codec import *  # noqa: F403
from .crossings import *  # noqa: F403
from .envelopes import *  # noqa: F403
from .inward import *  # noqa: F403
from .prefix_code import Outcome as Outcome
from .types import *  # noqa: F403

VERSION = 1
