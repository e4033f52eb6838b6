"""Stores of the catalogues that sites published, so that they are known while a site is offline, and of the sites' pinned keys."""

import logging
import os
import re
from pathlib import Path

from twinpane_ground import atomic
from twinpane_wire.messages import Catalogued, WireError, decode

log = logging.getLogger(__name__)


class CatalogueStore:
    """The last Catalogued of each site and project: in memory, and as small files below a folder."""

    def __init__(self, folder: Path | None) -> None:
        """``folder`` None keeps everything in memory only."""
        self._folder = folder
        self._known: dict[tuple[str, str], Catalogued] = {}
        self._sizes: dict[tuple[str, str], int] = {}
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            for path in sorted(folder.glob("*.json")):
                self._read(path)

    def _read(self, path: Path) -> None:
        site, _, _project = path.stem.partition(".")
        try:
            found = decode(Catalogued, path.read_bytes())
        except (OSError, WireError) as error:
            log.warning("catalogue %s left aside until site %s dials in again: %s", path, site, error)
            return
        self._keep(found, path.stat().st_size)

    def _keep(self, catalogued: Catalogued, size: int) -> None:
        key = catalogued.catalogue.site, catalogued.project
        self._known[key], self._sizes[key] = catalogued, size

    def put(self, catalogued: Catalogued, limit: int) -> bool:
        """Keep what a site published in place of its previous one; the caller has authenticated the site.

        Returns False where nothing changed, because it is the same again or larger than ``limit`` bytes.
        """
        key = catalogued.catalogue.site, catalogued.project
        if self._known.get(key) == catalogued:
            return False
        text = catalogued.model_dump_json()
        if (size := len(text.encode())) > limit:
            return False
        self._keep(catalogued, size)
        if self._folder is not None:
            atomic.write(self._folder / f"{key[0]}.{key[1]}.json", text.encode(), mode=None)
        return True

    def size(self, site: str, project: str) -> int:
        """Bytes of what the site published last to that project; 0 where it published nothing."""
        return self._sizes.get((site, project), 0)

    def get(self, site: str, project: str) -> Catalogued | None:
        """What the site published last to that project."""
        return self._known.get((site, project))


class PinnedKeys:
    """The public keys that sites brought on their first visit, and the one-time tokens that were used up: small files, written once."""

    def __init__(self, folder: Path | None) -> None:
        """``folder`` None keeps the keys in memory only."""
        self._folder = folder
        self._keys: dict[str, str] = {}
        self._used: set[str] = set()
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)

    def get(self, site: str) -> str | None:
        """The site's pinned key, in hexadecimal. A damaged file raises ValueError; it does not count as a first visit."""
        if self._folder is None:
            return self._keys.get(site)
        path = self._folder / f"{site}.pub"
        if not path.exists():
            return None
        key = path.read_text("ascii").strip()
        if not re.fullmatch(r"[0-9a-f]{64}", key):
            raise ValueError(f"{path} is damaged: restore it, or remove it and give the site a new one-time token")
        return key

    def sites(self) -> tuple[str, ...]:
        """Sites that have a pinned key."""
        return tuple(self._keys) if self._folder is None else tuple(sorted(path.stem for path in self._folder.glob("*.pub")))

    def use_up(self, token_hash: str) -> bool:
        """Note that a one-time token was used, before a key is pinned by it; whether it had not been used."""
        if self._folder is None:
            fresh = token_hash not in self._used
            self._used.add(token_hash)
            return fresh
        try:
            os.close(os.open(self._folder / f"{token_hash}.used", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644))
        except FileExistsError:
            return False
        atomic.sync(self._folder)
        return True

    def pin(self, site: str, key: str) -> None:
        """Pin a key; raises FileExistsError where the site already has one."""
        if self._folder is None:
            if site in self._keys:
                raise FileExistsError(site)
            self._keys[site] = key
        else:
            handle = os.open(self._folder / f"{site}.pub", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
            with os.fdopen(handle, "w", encoding="ascii") as file:
                file.write(key + "\n")
                file.flush()
                os.fsync(file.fileno())

    def forget(self, site: str) -> bool:
        """Forget a site's key, so that it can join again with a new one-time token; whether there was one."""
        if self._folder is None:
            return self._keys.pop(site, None) is not None
        path = self._folder / f"{site}.pub"
        found = path.exists()
        path.unlink(missing_ok=True)
        return found
