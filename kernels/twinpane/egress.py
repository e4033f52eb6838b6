"""Ask sites to let numbers and items out: ``reveal``, ``request_export``, ``exports``."""

import math
import os
from collections.abc import Iterable
from html import escape
from typing import Any

from twinpane_ground import limits

from . import _host
from .errors import TwinpaneError
from .joined import joined


def reveal(value: Any, name: str, digits: int = 3) -> None:
    """Let one number out of every site, rounded to ``digits`` significant digits (1 to 9) and paid from the meter.

    ``value`` is a number or a boolean, numpy's too. Each site's number, from its real rows, appears under the cell as it arrives: as True
    or False where the twin's is a boolean. Missing values, NaN and infinities appear as "not a number". Costs digits × 3.3 + 9 bits of the
    meter at each site, plus the bits of its tick. Raises TwinpaneError for an invalid name, for digits out of range, and for a value whose
    type is never a number.
    """
    if not isinstance(name, str) or not 1 <= len(name.strip()) <= limits.NAME:
        raise TwinpaneError(f"a reveal needs a name of 1 to {limits.NAME} characters: tp.reveal(value, “AUC”)", "name")
    if isinstance(digits, bool) or not isinstance(digits, int) or not 1 <= digits <= limits.DIGITS:
        raise TwinpaneError(f"digits is a whole number from 1 to {limits.DIGITS}, not {digits!r}", "digits")
    _host.call("reveal", name=name.strip(), digits=digits, value=_number(value))


def _number(value: Any) -> float | bool | None:
    """The value as a float or a boolean, None where it is neither (missing, NaN, infinite, too large)."""
    if getattr(value, "shape", None) == () and hasattr(value, "item"):
        value = value.item()  # numpy scalars and zero-dimensional arrays
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return None
    if isinstance(value, bool):
        return value
    try:
        if isinstance(value, str | bytes):
            raise TypeError
        number = float(value)
    except OverflowError:
        return None
    except (TypeError, ValueError):
        raise TwinpaneError(f"a reveal lets out one number, and a {type(value).__name__} is not one", "value") from None
    return number if math.isfinite(number) else None


class ExportRequest:
    """A request that was sent: the sites it went to, and what happens next."""

    def __init__(self, request: str, sites: Iterable[str]) -> None:
        """Keep the request's id and the titles of the sites it went to."""
        self.request = request
        self.sites = tuple(sites)

    def __repr__(self) -> str:
        """Plain sentences for the notebook."""
        if not self.sites:
            return "Export not sent: no site of this project is connected. Ask again when one is."
        return (
            f"Export asked of {joined(self.sites)} (request {self.request[:8]}).\n"
            "Each site's reviewers now see your code and purpose, the real items and their\n"
            "synthetic twins. What they approve appears under the cell that made it and in\n"
            "the release folder. tp.exports() shows how far it is."
        )

    def _repr_html_(self) -> str:
        return "".join(f"<p>{escape(part)}</p>" for part in _flowing(repr(self)))


_STATES = {"submitted": "with the reviewers", "changes": "changes asked for", "rejected": "rejected", "released": "released"}


class Exports(list[dict[str, Any]]):
    """All export requests of this session, oldest first, and the files in the release folder; shown as plain lines."""

    def __repr__(self) -> str:
        """A few lines per request, one per released file."""
        asked = [f"export {one['request'][:8]}: {', '.join(_states(one))}" for one in self if "request" in one]
        found = [one["released"] for one in self if "released" in one]
        files = [f"released by {file.get('title') or file['site']}: releases/{file['file']}" for file in found]
        return "\n".join(asked + files) or "No export has been asked for in this session."


def request_export(
    cells: int | Iterable[int] | None = None,
    files: str | os.PathLike[str] | Iterable[str | os.PathLike[str]] | None = None,
    *,
    purpose: str,
    population: str = "",
    controls: str = "",
) -> ExportRequest:
    """Ask every site's reviewers to let out what cells showed inside, or files that cells wrote.

    ``cells`` are execution counts (the number in ``[7]``), ``files`` paths under /project or relative to the notebook. ``purpose``
    says what the items are for, ``population`` whom they describe, ``controls`` what was done against disclosure; reviewers read
    all three. Raises TwinpaneError when nothing is named, or a cell or path cannot be one.
    """
    counts = [cells] if isinstance(cells, int) else list(cells or ())
    paths = [os.fspath(p) for p in ([files] if isinstance(files, str | os.PathLike) else list(files or ()))]
    if not counts and not paths:
        raise TwinpaneError("name what to let out: tp.request_export(cells=[7], purpose=…) or files=[“figure2.png”]", "nothing")
    if any(isinstance(count, bool) or not isinstance(count, int) or count < 1 for count in counts):
        raise TwinpaneError("cells are execution counts: the whole numbers in the square brackets left of each cell", "cells")
    if any(not path or "\x00" in path for path in paths):
        raise TwinpaneError("a file is named by its path under /project", "files")
    if not isinstance(purpose, str) or not purpose.strip():
        raise TwinpaneError("the reviewers need a purpose: purpose=“figure 2 of the protocol paper”", "purpose")
    if any(not isinstance(text, str) or len(text) > limits.PURPOSE for text in (purpose, population, controls)):
        raise TwinpaneError(f"purpose, population and controls are texts of at most {limits.PURPOSE:,} characters", "purpose")
    if len(counts) + len(paths) > limits.ITEMS:
        raise TwinpaneError(f"one request names at most {limits.ITEMS} cells and files; ask in several", "items")
    value = _host.call("export", purpose=purpose.strip(), population=population, controls=controls, cells=counts, files=paths)
    return ExportRequest(value["request"], value["sites"])


def exports() -> Exports:
    """Every export request of this session and its state at each site: with the reviewers, changes asked for, rejected, released."""
    return Exports(_host.call("exports"))


def _states(request: dict[str, Any]) -> list[str]:
    titles = request.get("titles", {})
    return [f"{titles.get(site, site)} {_STATES.get(state, state)}" for site, state in request["sites"].items()]


def _flowing(text: str) -> list[str]:
    """The first line, and the rest joined into one paragraph for the caller to wrap."""
    first, _, rest = text.partition("\n")
    return [part for part in (first, rest.replace("\n", " ")) if part]
