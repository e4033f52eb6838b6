"""catalogue.toml: the catalogue as a file that a steward reads and edits by hand. Reading back what was written gives the same value."""

import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from twinpane_broker import Catalogue
from twinpane_ground import strict_toml

from .errors import ConfigError

HEADER = """\
# What the project may know of this site's data. You decide; edit freely.
#
# role of a column:
#   dimension   may group and filter, by the codes listed here
#               with `bounds` on numbers it is a measure too
#   measure     a number that may be averaged; contributions are clipped to `bounds`
#   date        binned to month, quarter or year in results
#   key         joins tables; never shown
#   text, image never queried, but in the files that notebooks read inside
#   hidden      does not exist for the project: not in files, twin or queries
#
# edges and cuts of a measure: where ranges may cut, beside `bounds`, `knots` and an even grid; quantiles snap to edges, not to cuts.
#
# sensitive = false on a dimension: that nearly all of a group hold one code tells nothing of its persons (sex, age, the kind of a visit).
#
# routine = true on a code: a test that so many persons have that nearly all of a group may have had it.
#
# others of a dimension: the share of rows with codes that are not listed, shown as *(other)*. If you take codes out, raise it above 0.
#
# `missing`, shares, `knots` and `days` are the recipe of the synthetic twin: rounded, and only what {threshold} or more persons share.
#
# few_missing = true: a few persons may lack a value, or none; which, nobody is told. Take it out only where every row must have a value,
# as by NOT NULL in the database: if you did it because the data lack none today, that would be told.
#
# After a change of columns or roles give `snapshot` a new name if the data changed as well.

"""
WIDTH = 100


def load_catalogue(path: Path) -> Catalogue:
    """The catalogue in a file; raises ConfigError naming file, key and remedy."""
    return strict_toml.read(path, Catalogue, ConfigError)


def dump_catalogue(catalogue: Catalogue, threshold: int | None = None) -> str:
    """The TOML text of a catalogue, one block per table and column, lists of codes one to a line; defaults are left out."""
    data = catalogue.model_dump(mode="json", exclude_defaults=True)
    tables = data.pop("tables", [])
    lines = [HEADER.format(threshold="enough" if threshold is None else threshold), *_pairs({"version": catalogue.version, **data})]
    for table in tables:
        columns = table.pop("columns", [])
        lines += ["", "", "[[tables]]", *_pairs(table)]
        for column in columns:
            lines += ["", "[[tables.columns]]", *_pairs(column)]
    return "\n".join(lines) + "\n"


def _pairs(values: Mapping[str, Any]) -> Iterator[str]:
    for key, value in values.items():
        if value is not None:
            yield f"{key} = {_value(key, value)}"


def _value(key: str, value: Any, flat: bool = False) -> str:
    if not isinstance(value, Sequence) or isinstance(value, str):
        return _scalar(value)
    items = [_inline(item) if isinstance(item, Mapping) else _scalar(item, date=key == "days") for item in value]
    line = f"[{', '.join(items)}]"
    if flat or (len(line) <= WIDTH and not any(isinstance(item, Mapping) for item in value)):
        return line
    if any(isinstance(item, Mapping) for item in value):
        return "[\n" + "".join(f"  {item},\n" for item in items) + "]"
    lines = textwrap.wrap(", ".join(items) + ",", WIDTH, break_long_words=False, break_on_hyphens=False)
    return "[\n" + "".join(f"  {line}\n" for line in lines) + "]"


def _inline(value: Mapping[str, Any]) -> str:
    return "{ " + ", ".join(f"{key} = {_value(key, part, flat=True)}" for key, part in value.items() if part is not None) + " }"


def _scalar(value: Any, date: bool = False) -> str:
    if date and isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\d", value):
        return value
    import tomlkit  # slow to import, and only who writes needs it

    text: str = tomlkit.item(value).as_string()
    return text
