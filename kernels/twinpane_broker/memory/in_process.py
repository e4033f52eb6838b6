"""A memory that ends with its process: for tests, and for programs that use the broker as a library and keep nothing."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from threading import Lock

from .account import Account
from .decision import Deciding
from .memory import Decision
from .released_sets import ReleasedSets
from .row_counts import RowCount


class InProcessMemory:
    """A Memory that ends with its process."""

    def __init__(self) -> None:
        self._turn = Lock()
        self._answers: dict[str, bytes] = {}
        self._withheld: list[tuple[str, date]] = []
        self._bodies: dict[str, list[bytes]] = {}
        self._row_counts: list[RowCount] = []
        self._known: dict[str, ReleasedSets] = {}
        self._account = Account()

    def get(self, key: str) -> bytes | None:
        """See Memory."""
        return self._answers.get(key)

    @contextmanager
    def decision(self, *, exact: bool = False) -> Iterator[Decision]:
        """See Memory."""
        with self._turn:
            deciding = Deciding(self, exact)
            done = False
            try:
                yield deciding
                sets, answers = deciding.outcome()
                for new in sets:
                    self._bodies[new.kind] += [one.proposed.body for one in new.sets]
                self._withheld += [answer.withheld for answer in answers if answer.withheld]
                self._row_counts += deciding.row_counts
                for charge in deciding.charges:
                    self._account.add(charge)
                self._answers |= {answer.key: answer.body for answer in answers}
                done = True
            finally:
                deciding.close(done)

    def answer(self, key: str) -> bytes | None:
        """See Shelves."""
        return self._answers.get(key)

    def withheld(self, project: str, day: date) -> int:
        """See Shelves."""
        return self._withheld.count((project, day))

    def row_counts(self, fingerprint: bytes) -> list[RowCount]:
        """See Shelves."""
        return [known for known in self._row_counts if known.fingerprint == fingerprint]

    def account(self) -> Account:
        """See Shelves."""
        return self._account

    def known(self, kind: str) -> ReleasedSets:
        """See Shelves."""
        if kind not in self._known:
            bodies = self._bodies.setdefault(kind, [])
            self._known[kind] = ReleasedSets(bodies.__getitem__)
        return self._known[kind]
