"""What came from sites: when each was last here, what it said to each project, and how many crossings of each kind."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import ValidationError
from sqlalchemy import Connection, Engine, Table, delete, insert, select, update
from sqlalchemy.exc import SQLAlchemyError

from twinpane_wire.messages import Standing

from .database import StoreError, plain, writing
from .schema import ANSWERS, COUNTS, VISITS


@dataclass(frozen=True)
class Answer:
    """The last word of a site's steward on a project, and when it came."""

    standing: Standing
    at: datetime


@dataclass(frozen=True)
class FromSites:
    """All of it, as of now."""

    answers: Mapping[tuple[str, str], Answer]
    """By project and site."""
    seen: Mapping[str, datetime]
    """By site: when it was last connected."""
    crossings: Mapping[tuple[str, str, str], int]
    """By project, site and kind: how many came."""


def note(engine: Engine, now: datetime, online: Iterable[str], crossings: Mapping[tuple[str, str, str], int]) -> None:
    """Note who is here, and how many crossings came since the last note. Raises StoreError."""
    at = _stored(now)
    try:
        with writing(engine) as connection:
            for site in online:
                _put(connection, VISITS, {"site": site}, {"last_seen": at})
            for (project, site, kind), number in crossings.items():
                where = {"project": project, "site": site, "crossing": kind}
                if not _updated(connection, COUNTS, where, {"number": COUNTS.c.number + number}):
                    connection.execute(insert(COUNTS).values(**where, number=number))
    except SQLAlchemyError as error:
        raise StoreError(f"the hub's store cannot be written: {plain(error)}") from None


def keep_answer(engine: Engine, now: datetime, site: str, standing: Standing) -> None:
    """Keep a steward's word on a project, in place of an earlier one. Raises StoreError."""
    document = standing.model_dump(mode="json")
    try:
        with writing(engine) as connection:
            _put(connection, ANSWERS, {"project": standing.project, "site": site}, {"document": document, "at": _stored(now)})
    except SQLAlchemyError as error:
        raise StoreError(f"the hub's store cannot be written: {plain(error)}") from None


def read(engine: Engine) -> FromSites:
    """What came up to now. An answer that this version cannot read counts as none. Raises StoreError."""
    try:
        with engine.begin() as connection:
            answers = list(connection.execute(select(ANSWERS.c.project, ANSWERS.c.site, ANSWERS.c.document, ANSWERS.c.at)))
            seen = {site: _shown(at) for site, at in connection.execute(select(VISITS.c.site, VISITS.c.last_seen))}
            counted = select(COUNTS.c.project, COUNTS.c.site, COUNTS.c.crossing, COUNTS.c.number)
            crossings = {(project, site, kind): number for project, site, kind, number in connection.execute(counted)}
    except SQLAlchemyError as error:
        raise StoreError(f"the hub's store cannot be read: {plain(error)}") from None
    found = {}
    for project, site, document, at in answers:
        try:
            found[project, site] = Answer(Standing.model_validate(document), _shown(at))
        except ValidationError:
            continue
    return FromSites(found, seen, crossings)


def forget(connection: Connection, site: str) -> None:
    """Forget a site that is no longer in the network: another may come under its name."""
    for table in (ANSWERS, VISITS):
        connection.execute(delete(table).where(table.c.site == site))


def _put(connection: Connection, table: Table, where: Mapping[str, object], values: Mapping[str, object]) -> None:
    if not _updated(connection, table, where, values):
        connection.execute(insert(table).values(**where, **values))


def _updated(connection: Connection, table: Table, where: Mapping[str, object], values: Mapping[str, object]) -> bool:
    changed = connection.execute(update(table).where(*(table.c[name] == value for name, value in where.items())).values(**values))
    return bool(changed.rowcount)


def _stored(at: datetime) -> datetime:
    """Databases keep times without a zone: here, of UTC."""
    return at.astimezone(UTC).replace(tzinfo=None, microsecond=0)


def _shown(at: datetime) -> datetime:
    return at.replace(tzinfo=UTC)
