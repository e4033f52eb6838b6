"""Freeze everything a site lets out, in one act; two stewards together end it.

The state is what the ledger says and nothing else: see ``Ledger.frozen``. Whoever may freeze is not asked here, because a stop is never
wrong for long. To unfreeze takes two names of stewards, each agreeing to end the very freeze that they saw: to freeze again takes back
what was agreed before.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from .errors import SiteError
from .ledger import Ledger
from .ledger_events import LedgerEvent

NEEDED = 2
"""Stewards who have to agree."""


class FreezeError(SiteError):
    """The site is not frozen in the way that somebody wants to end, or they may not end it; nothing was changed."""


@dataclass(frozen=True)
class FreezeState:
    """Whether the site is frozen. ``entry``: the ledger's line that says so; ``agreed``: the stewards who would unfreeze it."""

    frozen: bool
    entry: int = 0
    by: str = ""
    since: str = ""
    reason: str = ""
    agreed: tuple[str, ...] = ()


class Standstill:
    """The freeze of one site. ``stewards`` gives the names of those who are stewards now, in small letters."""

    def __init__(self, ledger: Ledger, stewards: Callable[[], frozenset[str]], clock: Callable[[], datetime]) -> None:
        self._ledger, self._stewards, self._clock = ledger, stewards, clock

    def state(self) -> FreezeState:
        """What the ledger says."""
        frozen, ended = self._ledger.last(LedgerEvent.frozen), self._ledger.last(LedgerEvent.unfrozen)
        if frozen is None or (ended is not None and ended.seq > frozen.seq):
            return FreezeState(False)
        agreed = dict.fromkeys(
            str(entry.body["by"])
            for entry in self._ledger.entries(LedgerEvent.unfreeze, after=frozen.seq)
            if entry.body["freeze"] == frozen.seq
        )
        return FreezeState(True, frozen.seq, frozen.body["by"], frozen.time, frozen.body.get("reason", ""), tuple(agreed))

    def freeze(self, by: str, reason: str = "") -> FreezeState:
        """Stop everything. It holds for every process of the site as soon as this returns."""
        body = {"by": by.lower(), **({"reason": reason} if reason else {})}
        with self._ledger.transaction():
            self._ledger.append(LedgerEvent.frozen, body, self._clock())
            return self.state()

    def agree(self, by: str, entry: int) -> FreezeState:
        """A steward agrees to end the freeze of that ``entry``; the second one ends it. Agreeing twice is agreeing once.

        Raises FreezeError where this freeze is over, was renewed, or ``by`` is no steward.
        """
        by = by.lower()
        with self._ledger.transaction():
            stewards, state = self._stewards(), self.state()
            if by not in stewards:
                raise FreezeError("Only stewards of this site can unfreeze it.")
            if not state.frozen or state.entry != entry:
                raise FreezeError("That freeze is over, or the site was frozen again since. Look at it anew.")
            if by not in state.agreed:
                self._ledger.append(LedgerEvent.unfreeze, {"by": by, "freeze": entry}, self._clock())
            # Who has agreed and is no steward any more does not count.
            agreed = [name for name in self.state().agreed if name in stewards]
            if len(agreed) >= NEEDED:
                self._ledger.append(LedgerEvent.unfrozen, {"by": agreed[:NEEDED], "freeze": entry}, self._clock())
            return self.state()
