"""``twinpane site …``: what a steward does at a terminal of the site. Thin: each command calls one thing and prints what it said.
``twinpane site serve`` is in ``twinpane_cli``: it puts site and review together.

Exit status: 0 done; 1 it did not work, and the message says why; 2 wrong usage; 3 (``query``) withheld or refused.
"""

import getpass
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import click

from twinpane_sandbox.errors import SandboxError, SandboxUnavailable

from .errors import SiteError

FOLDER = click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
REFUSED = 3


def _now() -> datetime:
    return datetime.now(UTC)


@contextmanager
def plainly() -> Iterator[None]:
    """What stops a site, as one message and exit status 1."""
    try:
        yield
    except (SiteError, SandboxUnavailable, SandboxError) as error:
        raise click.ClickException(str(error)) from None


@click.group()
def site() -> None:
    """Set up and run a site: its data stays here."""


@site.command()
@FOLDER
@click.option("--id", "identity", required=True, help="Short name of the site: small letters, digits, dashes.")
@click.option("--data", required=True, type=click.Path(path_type=Path), help="Folder of Parquet or CSV files, or a DuckDB file.")
@click.option("--person-key", default="person_id", show_default=True, help="The column that tells persons apart.")
@click.option("--title", default="", help="What people read.")
@click.option("--project", "projects", multiple=True, help="A project that this site accepts (repeatable).")
@click.option("--member", "members", multiple=True, help="A member of these projects, by the name at the hub (repeatable).")
@click.option("--reviewer", "reviewers", multiple=True, help="Who decides on exports, by the name at the hub (repeatable).")
@click.option("--hub", default="http://127.0.0.1:8000", show_default=True, help="The hub's address, as people open it in the browser.")
@click.option("--review-port", default=8443, show_default=True, help="Port of the review pages.")
@click.option("--review-url", default="", help="How reviewers' browsers reach the review pages.")
@click.option(
    "--review-sign-in",
    type=click.Choice(["site", "hub"]),
    default="site",
    show_default=True,
    help="Whose accounts reviewers sign in with: this site's own, or the hub's too. A hostile hub can then pose as a reviewer.",
)
def init(
    folder: Path, identity: str, data: Path, person_key: str, title: str, projects: tuple[str, ...], members: tuple[str, ...],
    reviewers: tuple[str, ...], hub: str, review_port: int, review_url: str, review_sign_in: Literal["site", "hub"],
) -> None:  # fmt: skip
    """Scan the data and draft DIR: site.toml, catalogue.toml, policy.toml, and the site's key."""
    from pydantic import ValidationError

    from twinpane_ground.mistakes import first

    from .config import Project
    from .init import NewSite, make_site
    from .terminal_text import catalogue_text

    try:
        accepted = tuple(Project(id=name, members=members) for name in projects)
    except ValidationError as error:
        raise click.UsageError(f"--project or --member: {first(error).text}") from None
    new = NewSite(
        id=identity, data=data, person_key=person_key, title=title, projects=accepted, reviewers=reviewers, hub=hub,
        review_port=review_port, review_url=review_url, review_sign_in=review_sign_in,
    )  # fmt: skip
    with plainly():
        made = make_site(folder, new, _now())
    click.echo(catalogue_text(made.catalogue))
    for note in made.notes:
        click.echo(f"note: {note}")
    table = "person" if made.catalogue.table("person") else made.catalogue.tables[0].name
    example = f"select count(*) n from {table}"  # noqa: S608 - printed, not run
    click.echo(
        f"\n{folder} is drafted. Now read and edit\n"
        f"  {folder}/catalogue.toml   which columns exist, their roles and codes\n"
        f"  {folder}/policy.toml      what may leave: rules, meter, reviewers\n"
        f"  {folder}/site.toml        projects and their members\n"
        f'then try   twinpane site query {folder} "{example}"\n'
        f"and run    twinpane site serve {folder} --hub URL\n"
        f"Back up {folder}/keys: releases and the ledger verify with that key alone."
    )


@site.command()
@FOLDER
@click.argument("sql", metavar="SQL")
@click.option("--project", default=None, help="Ask as a member of this project would (default: all approved tables).")
@click.option("--json", "as_json", is_flag=True, help="Print the release or refusal as JSON.")
@click.pass_context
def query(context: click.Context, folder: Path, sql: str, project: str | None, as_json: bool) -> None:
    """Ask the broker as a researcher would."""
    from .terminal_query import ask
    from .terminal_text import release_text

    with plainly():
        answer = ask(folder, sql, project, _now())
    if as_json:
        click.echo(json.dumps(answer.as_json(), ensure_ascii=False, indent=2))
    elif answer.release is not None:
        click.echo(release_text(answer.release))
    else:
        click.echo(f"{answer.code}: {answer.reason}", err=True)
    context.exit(0 if answer.release is not None else REFUSED)


@site.group()
def ledger() -> None:
    """The site's record of everything that left."""


@ledger.command("verify")
@FOLDER
@click.option(
    "--key", metavar="HEX|FILE", help="The site's public key as known from elsewhere, or a file with it (default: DIR/keys/site.pub)."
)
def verify(folder: Path, key: str | None) -> None:
    """Check every line and the signed head; exit status 1 names the first bad line."""
    from . import keys, ledger_verification

    with plainly():
        report = ledger_verification.verify(folder, None if key is None else keys.public(key))
    if not report.ok:
        raise click.ClickException(f"The ledger of {folder} does not hold: {report.fault}. {report.entries} lines before that do.")
    click.echo(f"The ledger of {folder} holds: {report.entries} lines.")
    if report.head:
        click.echo(f"Head to keep elsewhere: {report.head.seq} {report.head.hash}")


@site.command()
@FOLDER
@click.option("--user", required=True, help="Who gets the bits, by the name at the hub.")
@click.option("--project", required=True)
@click.option("--bits", required=True, type=click.FloatRange(min=0, min_open=True), help="Added to today and to the total.")
@click.option("--by", default=None, help="The steward, for the ledger; default: your login name.")
def grant(folder: Path, user: str, project: str, bits: float, by: str | None) -> None:
    """Grant a user more bits for verdicts and reveals."""
    from .steward import grant_bits

    with plainly():
        left = grant_bits(folder, user, project, bits, by or getpass.getuser(), _now())
    click.echo(f"{user} has {left:,.1f} bits left today in {project}.")


@site.command()
@FOLDER
def status(folder: Path) -> None:
    """What this site is, what it keeps, and what is left on its meters."""
    from .steward import status_lines

    with plainly():
        for line in status_lines(folder, _now()):
            click.echo(line)
