"""Which of the provider's subjects each name here belongs to. A name is given once: whoever comes second under it is refused.

A provider may know two people by names that are one here, as ``mia`` and ``MIA``, and may give a name that became free to somebody else.
The subject (``sub``) is what stays (OpenID Connect Core 1.0, section 5.7).
"""

from pathlib import Path

from twinpane_ground import sqlite

FILE = "subjects.sqlite"
"""In the hub's state folder."""
TABLE = """create table if not exists subjects (
    name text primary key, issuer text not null, subject text not null, unique (issuer, subject)
) strict"""


class Taken(Exception):
    """The name belongs to another subject, or the subject has another name."""


class Subjects:
    """The names that were given."""

    def __init__(self, state: Path) -> None:
        """Open the file in the hub's state folder; it is made where it is missing."""
        sqlite.private(state / FILE)
        self._db = sqlite.opened(state / FILE, ("pragma journal_mode = wal", TABLE), seconds=10)

    def bind(self, name: str, issuer: str, subject: str) -> None:
        """Give the name to the subject, or see that it has it; raises Taken."""
        self._db.execute("insert or ignore into subjects values (?, ?, ?)", (name, issuer, subject))
        found = self._db.execute("select issuer, subject from subjects where name = ?", (name,)).fetchone()
        if found != (issuer, subject):
            raise Taken

    def check(self, name: str, issuer: str, subject: str) -> None:
        """See that the name is nobody else's, and give it to nobody; raises Taken."""
        found = self._db.execute("select issuer, subject from subjects where name = ?", (name,)).fetchone()
        if found not in (None, (issuer, subject)):
            raise Taken

    def name_of(self, issuer: str, subject: str) -> str | None:
        """The name here of a subject, whatever the provider calls it now; None where it has none yet."""
        found = self._db.execute("select name from subjects where issuer = ? and subject = ?", (issuer, subject)).fetchone()
        return None if found is None else str(found[0])

    def move(self, before: str, issuer: str) -> None:
        """Write the issuer where an earlier version of this hub wrote the address of its sign-in page."""
        self._db.execute("update or ignore subjects set issuer = ? where issuer = ?", (issuer, before))

    def free(self, name: str) -> bool:
        """Take the name from whoever has it; whether anybody had."""
        return self._db.execute("delete from subjects where name = ?", (name,)).rowcount > 0
