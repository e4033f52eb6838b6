"""How times are written in the site's database: in UTC, so that texts compare as times do."""

from datetime import UTC, datetime


def stamp(time: datetime) -> str:
    """ISO 8601 with microseconds, in UTC."""
    return time.astimezone(UTC).isoformat(timespec="microseconds")
