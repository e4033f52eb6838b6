"""The plan: everything a query can say. (Contract; the broker's author completes it.)"""

from .closed import Closed


class Plan(Closed):
    table: str
