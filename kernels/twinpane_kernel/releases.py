"""The release folder: what reviewers let out, byte for byte, each item with its signed receipt beside it."""

import base64
import hashlib
import json
import os
from pathlib import Path

from twinpane_wire import messages as wire

from .report import ExportedReport


class ReleaseError(ValueError):
    """An exported item that does not match its own hash: it is not kept."""


def keep(folder: Path, site: str, export: wire.Export, public_key: str) -> list[tuple[wire.ExportedItem, ExportedReport]]:
    """Write the items of an export below ``folder``; returns them with what the strip shows of each.

    Raises ReleaseError where the bytes do not match the hash that the reviewers approved. Files that exist already are left as
    they are: a second copy of an export changes nothing.
    """
    kept = []
    for item in export.items:
        content = base64.b64decode(item.content)
        if hashlib.sha256(content).hexdigest() != item.sha256:
            raise ReleaseError(f"item {item.index} of request {export.request} at {site} does not match its hash")
        name = f"{item.index:02d}-{Path(item.name).name}"
        place = folder / f"{export.request[:12]}-{site}"
        place.mkdir(parents=True, exist_ok=True)
        _write(place / name, content)
        _write(place / f"{name}.receipt.json", item.receipt.encode())
        report = ExportedReport(
            site=site, request=export.request, form=item.form, name=f"{place.name}/{name}", sha256=item.sha256, content=item.content
        )
        kept.append((item, report))
    if kept:
        keys = folder / "keys"
        keys.mkdir(parents=True, exist_ok=True)
        _write(keys / f"{site}.pub", (public_key + "\n").encode())
    return kept


def _write(path: Path, content: bytes) -> None:
    """Write a new file; the folder is in the reach of cells, so a link planted there is not followed."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644)
    except FileExistsError:
        return
    with os.fdopen(handle, "wb") as file:
        file.write(content)


def listed(folder: Path) -> list[dict[str, str]]:
    """What lies in the release folder, for ``tp.exports()``."""
    found = []
    for receipt in sorted(folder.glob("*/*.receipt.json")):
        try:
            claims = json.loads(receipt.read_text())
        except (OSError, ValueError):
            continue
        if isinstance(claims, dict):
            found.append({"file": str(receipt.relative_to(folder)).removesuffix(".receipt.json"), "site": receipt.parent.name[13:]})
    return found
