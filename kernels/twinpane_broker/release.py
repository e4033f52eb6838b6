"""A release: what the broker let out by rule, signed by the site. (Contract; the broker's author completes it.)"""

from typing import Literal

from .closed import Closed


class Release(Closed):
    status: Literal["released"] = "released"


class Refusal(Closed):
    status: Literal["refused"] = "refused"
