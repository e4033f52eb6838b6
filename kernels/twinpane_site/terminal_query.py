"""A question to the broker at the site's own terminal, answered and recorded as a researcher's would be."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from twinpane_broker import Catalogue, Refusal, Refused, Release, parse_sql

from . import keys
from .brokers import open_broker
from .config import KEYS, Site, load_site, project_catalogue
from .db import Database
from .errors import ConfigError
from .freeze import materialise
from .ledger import Ledger
from .ledger_events import LedgerEvent
from .projects import projects_of
from .signing import noise_secret, signed

USER = "(site)"
"""Who asks, in the ledger."""


@dataclass(frozen=True)
class Answer:
    """A release, or code and reason of a refusal."""

    site: str
    release: Release | None = None
    code: str = ""
    reason: str = ""

    def as_json(self) -> dict[str, Any]:
        """The release, or the refusal, as plain values."""
        if self.release is not None:
            return self.release.model_dump(mode="json")
        return {"status": "refused", "site": self.site, "code": self.code, "reason": self.reason}


def ask(folder: Path, sql: str, project: str | None, now: datetime) -> Answer:
    """Parse, run and record a question. Raises SiteError where the site does not stand; makes the snapshot where there is none yet."""
    site, key = load_site(folder), keys.load(folder / KEYS)
    catalogue = _catalogue(site, key, project, now)
    try:
        plan = parse_sql(sql, catalogue)
    except Refused as refused:
        return Answer(site.config.id, code=refused.code.value, reason=refused.reason)
    _require_open(folder, key)
    snapshot = materialise(site.config, site.catalogue, folder)
    broker = open_broker(site, catalogue, snapshot, noise_secret(key), project or "", lambda release: signed(release, key))
    result = broker.run(plan)
    body = {
        "id": getattr(result, "id", ""), "user": USER, "project": project or "", "plan": plan.hash, "snapshot": catalogue.snapshot,
        "status": result.status, "digest": hashlib.sha256(result.canonical()).hexdigest(),
    }  # fmt: skip
    if isinstance(result, Refusal):
        body["code"] = result.code.value
    db = Database.open(folder)
    try:
        Ledger(db, key).append(LedgerEvent.release, body, now)
    finally:
        db.close()
    if isinstance(result, Refusal):
        return Answer(site.config.id, code=result.code.value, reason=result.words)
    return Answer(site.config.id, release=result)


def _require_open(folder: Path, key: keys.SiteKey) -> None:
    """Raises Frozen while the site lets nothing out: then nothing is asked, remembered or charged either."""
    db = Database.open(folder)
    try:
        Ledger(db, key).require_open()
    finally:
        db.close()


def _catalogue(site: Site, key: keys.SiteKey, project: str | None, now: datetime) -> Catalogue:
    """What a project may know; of none: all that is published. Raises ConfigError for one that nobody may work in."""
    if project is None:
        return site.catalogue.published
    db = Database.open(site.folder)
    try:
        working = projects_of(db, Ledger(db, key), site.config, lambda: now).working()
    finally:
        db.close()
    for one in working:
        if one.id == project:
            return project_catalogue(site.catalogue, one)
    raise ConfigError(f"The site accepts no project {project}; accepted: {', '.join(one.id for one in working) or 'none'}.")
