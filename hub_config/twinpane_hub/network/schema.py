"""The tables of the store. A change here needs a migration in ``migrations/versions``; a test compares both."""

from sqlalchemy import JSON, Column, DateTime, Integer, MetaData, PrimaryKeyConstraint, String, Table, Text

METADATA = MetaData()

DECLARED = Table(
    "declared", METADATA, Column("kind", String(10)), Column("name", String(30)), Column("document", JSON, nullable=False),
    PrimaryKeyConstraint("kind", "name", name="pk_declared"),
)  # fmt: skip
"""One row for each project and site: what the administrator declared, as ``twinpane_hub.projects`` has it. One query reads all of it."""

REVISION = Table(
    "revision", METADATA, Column("only", Integer, autoincrement=False), Column("number", Integer, nullable=False),
    PrimaryKeyConstraint("only", name="pk_revision"),
)  # fmt: skip
"""One row, whose number grows with each change. Whoever changes something takes it first, so that changes wait for each other."""

ANSWERS = Table(
    "answers", METADATA, Column("project", String(30)), Column("site", String(30)), Column("document", JSON, nullable=False),
    Column("at", DateTime, nullable=False), PrimaryKeyConstraint("project", "site", name="pk_answers"),
)  # fmt: skip
"""What each site last said to each project that names it."""

VISITS = Table(
    "visits", METADATA, Column("site", String(30)), Column("last_seen", DateTime, nullable=False),
    PrimaryKeyConstraint("site", name="pk_visits"),
)  # fmt: skip

COUNTS = Table(
    "counts", METADATA, Column("project", String(30)), Column("site", String(30)), Column("crossing", String(20)),
    Column("number", Integer, nullable=False), PrimaryKeyConstraint("project", "site", "crossing", name="pk_counts"),
)  # fmt: skip
"""How many crossings of each kind came to a project from a site. None of their content."""

CHANGES = Table(
    "changes", METADATA, Column("number", Integer), Column("at", DateTime, nullable=False), Column("who", String(255), nullable=False),
    Column("what", Text, nullable=False), PrimaryKeyConstraint("number", name="pk_changes"),
)  # fmt: skip
"""Who changed what of the network, in words."""
