"""Makes a site folder: drafts the catalogue from the data, writes the files the steward edits, creates the key and the ledger."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from twinpane_broker import Catalogue
from twinpane_ground import atomic
from twinpane_ground.strict_toml import parse

from . import keys
from .catalogue_toml import dump_catalogue
from .config import CATALOGUE_FILE, KEYS, POLICY_FILE, SITE_FILE, Policy, Project, SiteConfig, load_site
from .db import FILE, Database
from .draft import draft_catalogue
from .errors import ConfigError
from .ledger import Ledger
from .ledger_events import LedgerEvent
from .ledger_head import HEAD_FILE
from .templates import policy_toml, site_toml

MADE = (SITE_FILE, POLICY_FILE, CATALOGUE_FILE, KEYS, FILE, HEAD_FILE)
"""What ``make_site`` makes, and never overwrites."""


@dataclass(frozen=True)
class NewSite:
    """What to make a site folder from; addresses have the defaults of a trial on one machine."""

    id: str
    data: Path
    person_key: str = "person_id"
    title: str = ""
    projects: Sequence[Project] = ()
    reviewers: Sequence[str] = ()
    hub: str = "http://127.0.0.1:8000"
    review_host: str = "127.0.0.1"
    review_port: int = 8443
    review_url: str = ""
    review_sign_in: Literal["site", "hub"] = "site"


@dataclass(frozen=True)
class Made:
    """The drafted catalogue and the notes of its drafting, for the steward alone."""

    catalogue: Catalogue
    notes: tuple[str, ...]


def make_site(folder: Path, new: NewSite, now: datetime) -> Made:
    """Make the site folder; raises ConfigError, DraftError or KeyFault, and overwrites nothing. The data is only read."""
    if there := [name for name in MADE if (folder / name).exists()]:
        raise ConfigError(f"{folder} holds a site already ({', '.join(there)}); nothing was changed. Choose another folder.")
    review_url = new.review_url or f"http://{new.review_host}:{new.review_port}"
    site_text = site_toml(
        id=new.id, title=new.title or new.id, source=_source(folder, new.data), person_key=new.person_key.lower(), hub=new.hub,
        host=new.review_host, port=new.review_port, public_url=review_url,
        sign_in=new.review_sign_in, projects=new.projects,
    )  # fmt: skip
    parse(site_text, SiteConfig, f"{folder / SITE_FILE} as asked for", ConfigError)
    policy_text = policy_toml(new.reviewers)
    rules = parse(policy_text, Policy, POLICY_FILE, ConfigError).rules
    snapshot = now.strftime("%Y-%m-%d")
    draft = draft_catalogue(new.data, new.person_key, new.id, new.title or new.id, rules, snapshot)

    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
        key = keys.create(folder / KEYS)
        atomic.write(folder / CATALOGUE_FILE, dump_catalogue(draft.catalogue, rules.threshold).encode())
        atomic.write(folder / POLICY_FILE, policy_text.encode())
        db = Database.open(folder)
        try:
            Ledger(db, key).append(LedgerEvent.created, {"site": new.id, "public_key": key.public_hex}, now)
        finally:
            db.close()
        atomic.write(folder / SITE_FILE, site_text.encode())
    except OSError as error:
        raise ConfigError(f"{folder} cannot be written: {error.strerror}. Empty it and try again.") from None
    load_site(folder)  # what is written is what will be read
    return Made(draft.catalogue, draft.notes)


def _source(folder: Path, data: Path) -> str:
    place, home = data.resolve(), folder.resolve()
    return os.path.relpath(place, home) if place.is_relative_to(home) else str(place)
