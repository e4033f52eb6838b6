"""The messages of the link, as frozen types. What is not one of these does not cross.

``Inward`` goes from a pane through the switchboard to a site's agent; it is not metered. ``Outward`` is the closed list of crossings:
nothing else can leave a site. Each message travels in an envelope that the switchboard rewrites: the pane names the site, and the hub
tells the agent the principal (user and project).
"""

# Each module lists its public names, so a new message is public here automatically.
from .codec import *  # noqa: F403
from .crossings import *  # noqa: F403
from .envelopes import *  # noqa: F403
from .inward import *  # noqa: F403
from .prefix_code import Outcome as Outcome
from .proposals import *  # noqa: F403
from .scope import *  # noqa: F403
from .types import *  # noqa: F403

VERSION = 1
