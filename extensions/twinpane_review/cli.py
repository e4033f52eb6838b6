"""``twinpane receipt``: check, offline, that a released file is what a site's reviewers let out."""

import re
import sys
from pathlib import Path

import click

from twinpane_wire.receipt import ENDING, Receipt, ReceiptError, check

_KEY = re.compile(r"[0-9a-f]{64}")
_FOLDERS_UP = 4
"""How far above the file a ``keys`` folder is looked for: the file's folder, its request, its site, the release folder."""


@click.group()
def receipt() -> None:
    """Receipts of released items."""


@receipt.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--key", metavar="HEX", help="The site's public key: 64 hexadecimal digits, as the site or its catalogue gives it.")
@click.option("--site-key", type=click.Path(path_type=Path), help="A file with the site's public key (the site's keys/site.pub).")
def verify(file: Path, key: str | None, site_key: Path | None) -> None:
    """Check FILE against its receipt, FILE.receipt.json beside it (FILE may also be the receipt).

    The site's key is taken from --key or --site-key, else from keys/<site>.pub in the release folder above the file. Without any,
    the receipt can be unbroken and still be anybody's: that does not pass.

    Exit status 0: the file is what the site released. 1: it is not, or it cannot be said.
    """
    try:
        click.echo(verified(file, key, site_key))
    except ReceiptError as why:
        click.echo(f"NOT VERIFIED  {file}\n{why}", err=True)
        sys.exit(1)


def verified(file: Path, key: str | None = None, site_key: Path | None = None) -> str:
    """What the command prints of a file that verifies; raises ReceiptError with the reason otherwise."""
    released = file.with_name(file.name.removesuffix(ENDING)) if file.name.endswith(ENDING) else file
    note = released.with_name(released.name + ENDING)
    content = _read(released, "The released file")
    text = _read(note, "The receipt")
    if key is not None and site_key is not None:
        raise ReceiptError("Give one of --key and --site-key, not both.")
    if key is not None:
        known, source = _hexadecimal(key, "--key"), "given with --key"
    elif site_key is not None:
        known, source = _hexadecimal(_read(site_key, "The site's key").decode("ascii", "replace"), str(site_key)), str(site_key)
    else:
        unsure = check(text, content, None)
        found = _beside(released, unsure.site)
        if found is None:
            raise ReceiptError(
                f"File and receipt fit each other, but nothing here says that the key is site {unsure.site}'s.\n"
                f"Give the key as you know it from the site: --key HEX or --site-key FILE. The receipt was signed with\n{unsure.public_key}"
            )
        known, source = _hexadecimal(_read(found, "The site's key").decode("ascii", "replace"), str(found)), str(found)
    return _told(released, check(text, content, known), source)


def _told(released: Path, receipt: Receipt, source: str) -> str:
    what = f"cell {receipt.cell}" if receipt.cell is not None else f"file {receipt.path}"
    return "\n".join((
        f"VERIFIED  {released}",
        f"  released by   site {receipt.site}, {receipt.released_at}",
        f"  to            {receipt.recipient}, project {receipt.project}",
        f"  purpose       {receipt.purpose}",
        f"  from          {what} of request {receipt.request}, as {receipt.form}, {receipt.size} bytes",
        f"  approved by   {receipt.approvals} reviewers ({receipt.quorum} needed), policy {receipt.policy or 'unnamed'}",
        f"  SHA-256       {receipt.sha256}",
        f"  ledger        entry {receipt.ledger.seq}, {receipt.ledger.hash}",
        f"  site's key    {receipt.public_key} ({source})",
    ))  # fmt: skip


def _beside(released: Path, site: str) -> Path | None:
    folders = released.resolve().parents[:_FOLDERS_UP]
    return next((path for folder in folders if (path := folder / "keys" / f"{site}.pub").is_file()), None)


def _hexadecimal(text: str, source: str) -> str:
    key = text.strip().lower()
    if not _KEY.fullmatch(key):
        raise ReceiptError(f"This is not a site's public key (64 hexadecimal digits): {source}.")
    return key


def _read(path: Path, what: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ReceiptError(f"{what} cannot be read: {path} ({error.strerror}).") from None
