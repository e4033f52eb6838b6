"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "1"
down_revision = None


def upgrade() -> None:
    """Make them."""
    op.create_table(
        "declared", sa.Column("kind", sa.String(10)), sa.Column("name", sa.String(30)), sa.Column("document", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("kind", "name", name="pk_declared"),
    )  # fmt: skip
    op.create_table(
        "revision", sa.Column("only", sa.Integer, autoincrement=False), sa.Column("number", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("only", name="pk_revision"),
    )  # fmt: skip
    op.create_table(
        "answers", sa.Column("project", sa.String(30)), sa.Column("site", sa.String(30)), sa.Column("document", sa.JSON, nullable=False),
        sa.Column("at", sa.DateTime, nullable=False), sa.PrimaryKeyConstraint("project", "site", name="pk_answers"),
    )  # fmt: skip
    op.create_table(
        "visits", sa.Column("site", sa.String(30)), sa.Column("last_seen", sa.DateTime, nullable=False),
        sa.PrimaryKeyConstraint("site", name="pk_visits"),
    )  # fmt: skip
    op.create_table(
        "counts", sa.Column("project", sa.String(30)), sa.Column("site", sa.String(30)), sa.Column("crossing", sa.String(20)),
        sa.Column("number", sa.Integer, nullable=False), sa.PrimaryKeyConstraint("project", "site", "crossing", name="pk_counts"),
    )  # fmt: skip
    op.create_table(
        "changes", sa.Column("number", sa.Integer), sa.Column("at", sa.DateTime, nullable=False),
        sa.Column("who", sa.String(255), nullable=False), sa.Column("what", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_changes"),
    )  # fmt: skip
    op.execute("insert into revision values (1, 0)")
