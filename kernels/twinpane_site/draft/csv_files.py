"""CSV files as DuckDB reads them: every column as text, so that nothing is guessed of it here.

Fields are quoted with " as usual. Fields that tabs separate are taken as they are, unless the first line quotes its own: so OMOP's
vocabularies come.
"""

import csv
import gzip
import re
from pathlib import Path

ENDINGS = (".csv", ".csv.gz", ".tsv", ".tsv.gz")
_SEPARATORS = (",", ";", "\t", "|")
_LONGEST_LINE = 1 << 20


class Unreadable(ValueError):
    """A part of the source cannot be read, or not surely; says why and what to do."""


def relation(file: Path) -> str:
    """SQL that reads the file, with its columns as its first line names them. Raises Unreadable."""
    names, separator, quote = _header(file)
    columns = ", ".join(f"{_text(name)}: 'VARCHAR'" for name in names)
    return (
        f"read_csv({_text(str(file))}, header = true, auto_detect = false, columns = {{{columns}}}, delim = {_text(separator)}, "
        f"quote = '{quote}', escape = '{quote}', strict_mode = true, encoding = 'utf-8')"
    )


def _header(file: Path) -> tuple[list[str], str, str]:
    """Names of the columns, what separates them, and what quotes them."""
    line = _first_line(file)
    found = {separator: _fields(line, separator) for separator in _SEPARATORS}
    most = max(len(fields) for fields in found.values())
    best = [separator for separator, fields in found.items() if len(fields) == most]
    if most > 1 and len(best) > 1:
        raise Unreadable(f"{file}: what separates its columns is not clear from its first line. Separate them by commas.")
    names = found[best[0]]
    if any(not name or re.fullmatch(r"[-+]?[\d.,]+", name) for name in names):
        raise Unreadable(f"{file}: its first line has to name the columns. Add such a line.")
    if len({name.lower() for name in names}) != len(names):
        raise Unreadable(f"{file}: two columns have one name. Give one of them another.")
    return names, best[0], "" if best[0] == "\t" and '"' not in line else '"'


def _first_line(file: Path) -> str:
    try:
        with gzip.open(file) if file.suffix == ".gz" else file.open("rb") as opened:
            line = opened.readline(_LONGEST_LINE)
        text = line.decode("utf-8-sig").rstrip("\r\n")
    except (OSError, EOFError) as error:
        raise Unreadable(f"{file}: cannot be read ({error}). Repair it, or move it out of the way.") from None
    except UnicodeDecodeError:
        raise Unreadable(f"{file}: is not in UTF-8. Write it again in UTF-8, or as Parquet.") from None
    if not text.strip() or "\0" in text:
        raise Unreadable(f"{file}: has no first line that names the columns. Add one, or move the file out of the way.")
    return text


def _fields(line: str, separator: str) -> list[str]:
    try:
        return [field.strip() for field in next(csv.reader([line], delimiter=separator, strict=True))]
    except csv.Error:
        return []


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
