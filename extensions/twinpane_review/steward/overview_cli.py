"""``twinpane site overview``: the steward's first page as lines of a terminal."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import click

from twinpane_review.store import Store
from twinpane_site.cli import FOLDER
from twinpane_site.config import load_site
from twinpane_site.running_sessions import RunningSessions
from twinpane_site.steward_cli import desk
from twinpane_wire.items import visible

from .overview import LEAVING, Overview, overview


@click.command("overview")
@FOLDER
def command(folder: Path) -> None:
    """What left today and ever, who asked, what waits, bits left, open sessions."""
    now = datetime.now(UTC)
    with desk(folder) as at:
        site = load_site(folder)
        Store(at.db, at.ledger)  # makes the review's tables of a site that never ran
        seen = overview(at.db, at.standstill, RunningSessions(at.db, at.ledger), at.projects.members(), site.policy.meter.budget, now)
    for line in lines(seen):
        click.echo(line)


def lines(seen: Overview) -> Iterator[str]:
    """The overview in words."""
    frozen = seen.freeze
    if frozen.frozen:
        yield f"FROZEN      by {frozen.by} at {frozen.since} (ledger {frozen.entry}) {visible(frozen.reason)}".rstrip()
        yield f"            agreed to unfreeze: {', '.join(frozen.agreed) or 'nobody yet'}; two stewards have to"
    else:
        yield "frozen      no"
    for count in seen.left:
        yield f"left        {LEAVING[count.kind]}: {count.today:,} today, {count.ever:,} ever"
    for one in seen.asked:
        yield f"asked       {one.user} in {one.project}: " + ", ".join(f"{n:,} {kind.value}" for kind, n in one.counts.items())
    yield f"waiting     {seen.waiting_in_all:,} requests for review"
    for request in seen.waiting:
        yield f"            {request.author} in {request.project}, {request.state.value}: {visible(request.purpose)[:100]}"
    for member in seen.members:
        yield f"bits        {member.user} in {member.project}: {member.today:,.1f} left today, {member.total:,.1f} in all"
    yield f"sessions    {seen.running:,} open"
