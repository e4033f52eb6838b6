"""The release folder: the items that reviewers let out, byte for byte, each with its signed receipt beside it."""

import base64
from collections.abc import Mapping
from pathlib import Path

from twinpane_ground import limits
from twinpane_sandbox.errors import UnsafePath
from twinpane_sandbox.files import safe_read, safe_walk, safe_write
from twinpane_wire import messages as wire

from .cell_report import ExportedReport

FOLDER = "releases"
"""In the workspace. Cells can write there too, so nothing in it is believed without its receipt, and no link in it is followed."""
ENTRIES = 5_000


class ReleaseError(ValueError):
    """An exported item does not match its receipt. It is not kept, and never will be."""


def keep(workspace: Path, site: str, export: wire.Export, public_key: str) -> list[tuple[wire.ExportedItem, ExportedReport]]:
    """Write the items of an export into the release folder; returns them with what the strip shows of each.

    Raises ReleaseError unless the receipt of each is signed with ``public_key`` and is for these bytes of this request and site, and
    OSError where the folder cannot be written. A second copy of an export changes nothing.
    """
    kept = []
    for item in export.items:
        content = _vouched(site, export, item, public_key)
        folder = f"{export.request[:12]}-{site}"
        name = f"{item.index:02d}-{item.name.rpartition('/')[2][-120:]}"
        _write(workspace, f"{folder}/{name}", content)
        _write(workspace, f"{folder}/{name}.receipt.json", item.receipt.encode())
        report = ExportedReport(
            site=site, request=export.request, form=item.form, name=f"{folder}/{name}", sha256=item.sha256, content=item.content
        )
        kept.append((item, report))
    if kept:
        _write(workspace, f"keys/{site}.pub", (public_key + "\n").encode())
    return kept


def _vouched(site: str, export: wire.Export, item: wire.ExportedItem, public_key: str) -> bytes:
    from twinpane_wire.receipt import ReceiptError, check  # cryptography is slow to import, and a kernel's start does not need it

    try:
        content = base64.b64decode(item.content, validate=True)
        receipt = check(item.receipt, content, public_key)
    except ReceiptError as error:
        raise ReleaseError(f"item {item.index} of request {export.request} at {site}: {error}") from None
    except ValueError:
        raise ReleaseError(f"item {item.index} of request {export.request} at {site} is not base64") from None
    claimed = (receipt.site, receipt.request, receipt.index, receipt.sha256, receipt.form, receipt.name)
    if claimed != (site, export.request, item.index, item.sha256, item.form, item.name):
        raise ReleaseError(f"item {item.index} of request {export.request} at {site} is not the one its receipt is for")
    return content


def _write(workspace: Path, name: str, content: bytes) -> None:
    try:
        if safe_read(workspace, f"{FOLDER}/{name}", len(content)) == content:
            return
    except (OSError, UnsafePath):
        pass  # not there, or something that a cell put there
    try:
        safe_write(workspace, f"{FOLDER}/{name}", content)
    except UnsafePath as error:
        raise OSError(f"the release folder cannot be written: {error}") from None


def listed(workspace: Path, keys: Mapping[str, str]) -> list[dict[str, str]]:
    """The items in the release folder with a valid receipt, for ``tp.exports()``. ``keys``: site -> its public key."""
    from twinpane_wire.receipt import ENDING, ReceiptError, check

    found = []
    try:
        names = sorted(entry.path for entry in safe_walk(workspace / FOLDER, ENTRIES) if entry.path.endswith(ENDING))
    except (OSError, UnsafePath):
        return []
    for name in names:
        site = name.partition("/")[0][13:]
        try:
            text = safe_read(workspace, f"{FOLDER}/{name}", 20_000)
            content = safe_read(workspace, f"{FOLDER}/{name.removesuffix(ENDING)}", limits.FRAME)
            if site in keys and check(text, content, keys[site]).site == site:
                found.append({"file": name.removesuffix(ENDING), "site": site})
        except (OSError, UnsafePath, ReceiptError):
            continue
    return found
