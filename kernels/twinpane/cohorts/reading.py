"""Read cohorts: files that ``.save(…)`` wrote, and definitions of OHDSI ATLAS."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from twinpane.errors import Refused, TwinpaneError
from twinpane_broker import Cohort
from twinpane_broker import Refused as RefusedByBroker
from twinpane_ground import mistakes

from .builder import CohortBuilder

MAX_BYTES = 5_000_000
"""Of a file with a cohort."""


def load(path: str | os.PathLike[str]) -> CohortBuilder:
    """See ``twinpane.load_cohort``."""
    raw = _json(_read(path), str(path))
    if isinstance(raw, dict) and ("PrimaryCriteria" in raw or "expression" in raw):
        raise Refused(f"{path} is an ATLAS definition: read it with tp.cohort.from_circe({str(path)!r})", "grammar")
    try:
        return CohortBuilder(Cohort.model_validate(raw))
    except ValidationError as error:
        raise Refused(f"{path} is no cohort that .save(…) wrote: {mistakes.first(error)}", "grammar") from None


def from_circe(source: str | os.PathLike[str] | Mapping[str, Any], name: str = "") -> CohortBuilder:
    """See ``twinpane.cohort.from_circe``."""
    from twinpane_broker import read_circe

    if isinstance(source, Mapping):
        raw: Any = dict(source)
    elif isinstance(source, str) and source.lstrip("\ufeff \t\r\n")[:1] in ("{", "["):
        raw = source
    else:
        raw, name = _read(source), name or Path(source).stem
    try:
        read = read_circe(raw, name)
    except RefusedByBroker as refusal:
        # The whole list of what is not supported: a site's refusal would have no room for it.
        raise Refused(str(refusal), "grammar") from None
    return CohortBuilder(read.cohort, read.notes)


def _read(path: str | os.PathLike[str]) -> str:
    file = Path(path)
    try:
        if file.stat().st_size > MAX_BYTES:
            raise Refused(f"{file} is larger than {MAX_BYTES // 1_000_000} MB, more than any cohort needs", "files")
        return file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not text"
        raise TwinpaneError(f"{file} cannot be read: {why}. Paths are under /project, or relative to the notebook.", "files") from None


def _json(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise Refused(f"{where} is not JSON; was it written by .save(…)?", "grammar") from None
