"""Limits the open requests of one author at a site. Further requests are turned down at once, so that nobody's requests hide others'.
While a site has no reviewers, all are: nobody could decide.

The decision falls when the ask arrives, before the site looks at, or waits for, anything inside. An ask counts from its arrival until
people have closed it, whatever kernels do with its cells meanwhile. So the answer depends only on asks and on people's decisions.
"""

from collections.abc import Callable
from datetime import datetime

from twinpane_site.db import Database
from twinpane_site.ledger import Ledger
from twinpane_site.ledger_events import LedgerEvent
from twinpane_wire.messages import Export, ExportAsk, ExportState

MIGRATIONS = (
    """
    CREATE TABLE review_asked (request TEXT PRIMARY KEY, author TEXT NOT NULL, admitted INTEGER NOT NULL) STRICT, WITHOUT ROWID;
    CREATE INDEX review_asked_author ON review_asked (author, admitted);
    """,
)
NOBODY = "This site has named no reviewers, so it lets nothing out. Ask its steward."
"""What the author is told while there are none."""


class OpenRequestLimit:
    """The open requests of each author. ``send`` puts a crossing in the outbox, inside the transaction of its evidence.

    ``attended``: whether the site has reviewers now.
    """

    def __init__(
        self, db: Database, ledger: Ledger, send: Callable[[Export], None], clock: Callable[[], datetime], most: int,
        attended: Callable[[], bool] = lambda: True,
    ) -> None:  # fmt: skip
        self._db, self._ledger, self._send, self._clock, self._most, self._attended = db, ledger, send, clock, most, attended
        db.migrate("review_asked", MIGRATIONS)

    def admits(self, author: str, project: str, ask: ExportAsk) -> bool:
        """Whether a request may be handed in; the same one gets the same answer again. Raises StoreError."""
        with self._db.transaction() as connection:
            known = connection.execute("SELECT admitted FROM review_asked WHERE request = ?", (ask.request,)).fetchone()
            if known:
                return bool(known["admitted"])
            attended = self._attended()
            admitted = attended and self._open(author) < self._most
            connection.execute("INSERT INTO review_asked VALUES (?, ?, ?)", (ask.request, author, admitted))
            if not admitted:
                self._turn_down(author, project, ask, self._remark if attended else NOBODY)
            return admitted

    def _open(self, author: str) -> int:
        row = self._db.row(
            "SELECT count(*) n FROM review_asked LEFT JOIN review_request ON id = request"
            " WHERE review_asked.author = ? AND admitted = 1 AND closed_at IS NULL",
            (author,),
        )
        return row["n"] if row else 0

    @property
    def _remark(self) -> str:
        return f"You have {self._most} open requests at this site. Ask again when its reviewers have decided on some of them."

    def _turn_down(self, author: str, project: str, ask: ExportAsk, remark: str) -> None:
        export = Export(session=ask.session, request=ask.request, state=ExportState.rejected, remark=remark)
        body: dict[str, object] = {
            "request": ask.request, "session": ask.session, "user": author, "project": project, "state": export.state.value,
            "items": [], "remark": remark,
        }  # fmt: skip
        self._ledger.append(LedgerEvent.export, body, self._clock())
        self._send(export)
