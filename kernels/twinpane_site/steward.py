"""A steward's commands beside a running agent: grant bits, and show the state of the site."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from twinpane_broker import Rules, sets_told
from twinpane_sandbox.cgroups import kept

from . import keys, ledger_verification
from .brokers import FOLDER as BROKER
from .brokers import MEMORY
from .config import KEYS, Policy, SiteConfig, load_site
from .db import Database
from .errors import ConfigError
from .grants import grant
from .held import HeldStore
from .ledger import Ledger
from .mailbox import Mailbox
from .meter import Meter
from .projects import projects_of
from .reviewers import reviewers_of

SHOWN = 5
"""Attributes of the account that are listed."""


def grant_bits(folder: Path, user: str, project: str, bits: float, by: str, now: datetime) -> float:
    """Grant bits, with the ledger's line; returns what the user has left today. A running agent tells the user. Raises SiteError."""
    site, key, user = load_site(folder), keys.load(folder / KEYS), user.lower()
    db = Database.open(folder)
    try:
        ledger = Ledger(db, key)
        if not projects_of(db, ledger, site.config, lambda: now).admits(user, project):
            raise ConfigError(f"The site has no member {user} in a project {project}: see `twinpane site project list {folder}`.")
        return grant(ledger, Meter(db, site.policy.meter.budget, lambda: now), user, project, bits, by, now)
    finally:
        db.close()


def status_lines(folder: Path, now: datetime) -> Iterator[str]:
    """Lines for a terminal; raises SiteError where the folder is not a site."""
    site = load_site(folder)
    config, policy = site.config, site.policy
    yield f"{config.id}: {config.title or config.id}"
    yield f"public key  {keys.load_public(folder / KEYS)}"
    frozen = (folder / "snapshots" / site.catalogue.snapshot).is_dir()
    yield f"data        {site.source}"
    yield f"snapshot    {site.catalogue.snapshot}" + ("" if frozen else ", not made yet: the first question or start makes it")
    yield f"catalogue   {len(site.catalogue.tables)} tables, about {site.catalogue.persons:,} persons"
    yield f"rules       {policy.rules.version}, threshold {policy.rules.threshold}"
    yield from _projects(folder, config, now)
    if policy.rules.dp is None:
        yield from _account(folder, policy.rules, site.catalogue.persons)
    names = _reviewers(folder, policy, now)
    yield f"reviewers   {', '.join(names) or 'none'}; {policy.review.quorum} have to agree" + (
        "" if len(names) >= policy.review.quorum else ": too few, so no export can be released"
    )
    report = ledger_verification.verify(folder)
    session = policy.session
    yield f"kernels     {session.memory_mb:,} MB each; /project of {session.project_mb:,} MB " + (
        "NOT KEPT: a plain folder, which one cell can fill the disk with" if session.volume == "folder" else f"kept by {session.volume}"
    )
    if warning := kept(session.limits).warning:
        yield f"LIMITS      {warning}"
    yield f"ledger      {report.entries} lines, " + ("holds" if report.ok else f"DOES NOT HOLD: {report.fault}")
    db = Database.open(folder)
    try:
        yield from _counts(db, Meter(db, policy.meter.budget, lambda: now))
    finally:
        db.close()


def _projects(folder: Path, config: SiteConfig, now: datetime) -> Iterator[str]:
    db = Database.open(folder)
    try:
        found = projects_of(db, Ledger(db, keys.load(folder / KEYS)), config, lambda: now).all()
    finally:
        db.close()
    for one in found:
        yield f"project     {one.project.id}, {one.state.value}: {', '.join(one.project.members) or 'no members'}"
    if not found:
        yield "project     none: accept what the hub proposes, or add [[projects]] to site.toml"


def _reviewers(folder: Path, policy: Policy, now: datetime) -> tuple[str, ...]:
    db = Database.open(folder)
    try:
        return reviewers_of(db, Ledger(db, keys.load(folder / KEYS)), policy.review.reviewers, lambda: now).now()
    finally:
        db.close()


def _account(folder: Path, rules: Rules, persons: int) -> Iterator[str]:
    """What is left of the account of what was released: the attributes that have least."""
    most, told = rules.most_sets(persons), sets_told(folder / BROKER / MEMORY)
    yield f"account     at most {most:,} sets of persons tell of one attribute; {len(told):,} attributes were told of"
    for attribute, sets in sorted(told.items(), key=lambda item: (-item[1], item[0]))[:SHOWN]:
        yield f"            {attribute}: {sets:,} told, {max(0, most - sets):,} left"


def _counts(db: Database, meter: Meter) -> Iterator[str]:
    HeldStore(db)
    mailbox = Mailbox(db)
    held = db.row("SELECT count(*) n, coalesce(sum(stored), 0) size FROM held")
    yield f"held        {held['n']} cells, {held['size'] / 2**20:,.1f} MB" if held else "held        nothing"
    yield f"sessions    {len(mailbox.open_sessions())} open, {len(mailbox.unreceived())} crossings on their way"
    for user, project in meter.accounts():
        account = meter.account(user, project)
        yield f"meter       {user} in {project}: {account.left():,.1f} bits left today, {account.left_total:,.1f} in all"
