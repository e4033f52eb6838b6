"""Automatic checks on a real item, for reviewers only: the author is never told what they found.

The patterns run on hostile text: each takes time linear in it.

First comes the evidence: each check measures and points at places. Then comes the judgement: the table ``CHECKS`` says what a mark may
mean and what to do. A machine marks; a person decides. An unmarked item is not necessarily safe.
"""

import csv
import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from twinpane_wire.items import Form


@dataclass(frozen=True)
class Place:
    """Where: in text a line and its characters ``start`` to ``end``; in a table a row (0 is the header) and the column ``start``."""

    row: int
    start: int
    end: int


@dataclass(frozen=True)
class Evidence:
    """The measurements of a check. ``facts`` is a sentence about evidence that has no place."""

    places: tuple[Place, ...] = ()
    facts: str = ""

    def __bool__(self) -> bool:
        return bool(self.places or self.facts)


@dataclass(frozen=True)
class Sheet:
    """An item as the checks see it: lines of text or rows of a table, and the site's threshold."""

    form: Form
    lines: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    threshold: int

    @classmethod
    def of(cls, form: Form, content: bytes, threshold: int) -> "Sheet":
        """The sheet of an item in canonical form."""
        text = content.decode()
        if form is Form.csv:
            return cls(form, (), tuple(tuple(row) for row in csv.reader(io.StringIO(text, newline=""))), threshold)
        return cls(form, tuple(text.removesuffix("\n").split("\n")), (), threshold)

    def cells(self) -> Iterator[tuple[Place, str]]:
        """Every line of a text, every cell of a table."""
        if self.form is Form.csv:
            yield from ((Place(r, c, c + 1), cell) for r, row in enumerate(self.rows) for c, cell in enumerate(row))
        else:
            yield from ((Place(r, 0, len(line)), line) for r, line in enumerate(self.lines))


def _matches(sheet: Sheet, pattern: re.Pattern[str], keep: Callable[[str], bool] = bool) -> Evidence:
    found: list[Place] = []
    for place, text in sheet.cells():
        hits = [hit for hit in pattern.finditer(text) if keep(hit[0])]
        if hits and sheet.form is Form.csv:
            found.append(place)
        else:
            found.extend(Place(place.row, hit.start(), hit.end()) for hit in hits)
    return Evidence(tuple(found))


# ---------------------------------------------------------------- small counts (threshold rule)

_COUNT_NAMES = re.compile(
    r"\b(n|nr|no|num|number|counts?|freq|frequency|persons?|patients?|people|subjects?|participants?|cases?|events?|deaths?|"
    r"totals?|size|obs|observed|at risk|censored|rows|records|visits|samples?|support|all)\b"
)
_NOT_COUNT_NAMES = re.compile(r"\b(id|age|year|month|day|week|code|rank|index|order|level|quantile|decile|stage|grade|score|time|arm)\b")
_WHOLE = re.compile(r"\d{1,9}(\.0+)?")
_NUMBER = re.compile(r"[-+]?(\d[\d,]*\.?\d*|\.\d+)([eE][-+]?\d+)?%?|NaN|nan|<NA>|-inf|inf")
_TOKEN = re.compile(r"\S+")


def _is_small(text: str, threshold: int) -> bool:
    return bool(_WHOLE.fullmatch(text)) and 0 < float(text) < threshold


def small_counts(sheet: Sheet) -> Evidence:
    """Whole numbers from 1 to the threshold less one, where counts stand: count-like columns of a table, number columns of a text."""
    if sheet.form is Form.csv:
        columns = [c for c in range(len(sheet.rows[0]) if sheet.rows else 0) if _count_like(sheet, c)]
        return Evidence(
            tuple(
                Place(r, c, c + 1) for r, row in enumerate(sheet.rows[1:], 1) for c in columns if _is_small(row[c].strip(), sheet.threshold)
            )
        )
    found: list[Place] = []
    for row, line in enumerate(sheet.lines):
        tokens = list(_TOKEN.finditer(line))[1:]
        numbers = [token for token in tokens if len(token[0]) <= 40 and _NUMBER.fullmatch(token[0])]
        if tokens and 2 * len(numbers) >= len(tokens):
            found.extend(Place(row, t.start(), t.end()) for t in numbers if _is_small(t[0], sheet.threshold))
    return Evidence(tuple(found))


def _count_like(sheet: Sheet, column: int) -> bool:
    name = re.sub(r"[^a-z]+", " ", sheet.rows[0][column].lower())
    if _COUNT_NAMES.search(name):
        return True
    values = [row[column].strip() for row in sheet.rows[1:] if row[column].strip()]
    return column > 0 and not _NOT_COUNT_NAMES.search(name) and bool(values) and all(_WHOLE.fullmatch(value) for value in values)


# ---------------------------------------------------------------- the look of single persons

_IDENTIFIER = re.compile(
    r"(?<![\w.,-])(?:\d{7,}|\d{3}[ -]\d{3}[ -]\d{4}|\d{3}-\d{2}-\d{4}|[A-Z]{1,4}-?\d{5,}"
    r"|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f-]{17,})(?![\w.])"
)
_MAIL = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,80}\.[\w.]+")
_MONTHS = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*"
_DATE = re.compile(
    rf"\b(?:(?:1[89]|20)\d\d[-/.]\d{{1,2}}[-/.]\d{{1,2}}|\d{{1,2}}[-/.]\d{{1,2}}[-/.](?:1[89]|20)\d\d"
    rf"|\d{{1,2}}\.? {_MONTHS}\.? (?:1[89]|20)\d\d|{_MONTHS} \d{{1,2}},? (?:1[89]|20)\d\d)(?!\d)",
    re.IGNORECASE,
)
ROW_LEVEL = 30
"""Lines that differ from each other, from which on a table has the look of one line per person."""


def identifiers(sheet: Sheet) -> Evidence:
    """Long runs of digits and other strings in the shape of record numbers."""
    return _matches(sheet, _IDENTIFIER)


def contacts(sheet: Sheet) -> Evidence:
    """Mail addresses."""
    return _matches(sheet, _MAIL)


def dates(sheet: Sheet) -> Evidence:
    """Dates to the day."""
    return _matches(sheet, _DATE)


def row_level(sheet: Sheet) -> Evidence:
    """Many lines that all differ and carry numbers."""
    body = [" ".join(row) for row in sheet.rows[1:]] if sheet.form is Form.csv else [line.strip() for line in sheet.lines]
    with_numbers = {line for line in body if any(character.isdigit() for character in line)}
    if len(with_numbers) < ROW_LEVEL or len(with_numbers) < 0.9 * len(body):
        return Evidence()
    return Evidence(facts=f"{len(with_numbers)} of {len(body)} lines differ from each other and hold numbers.")


# ---------------------------------------------------------------- places to hide something

_FRACTION = re.compile(r"(?<![\w.])\d+\.\d+(?![\w.])|(?<![\w.])\d+\.\d+(?=[eE][-+]?\d)")
_BLOB = re.compile(r"(?<![\w+/=-])[A-Za-z0-9+/_=-]{40,}(?![\w+/=-])")
_WRITTEN_OUT = re.compile(r"⟨U\+[0-9A-F]{4,6}⟩")
_FORMULA = re.compile(r"^(?:[=@]|[-+](?![\d.,eE+-]*%?$)).+")


def long_numbers(sheet: Sheet) -> Evidence:
    """Fractions with seven significant digits or more."""
    return _matches(sheet, _FRACTION, lambda number: len(number.replace(".", "").lstrip("0")) >= 7)


def blobs(sheet: Sheet) -> Evidence:
    """Strings of forty characters or more without a blank, as an encoding would give."""
    return _matches(sheet, _BLOB, lambda string: len(set(string)) > 8)


def written_out(sheet: Sheet) -> Evidence:
    """Characters that would not have shown and were written out."""
    return _matches(sheet, _WRITTEN_OUT)


def foreign_letters(sheet: Sheet) -> Evidence:
    """Words that mix Latin letters with look-alikes of other scripts."""
    return _matches(sheet, re.compile(r"\b(?=\w*[A-Za-z])(?=\w*[\u0370-\u052f\u0531-\u058f\u13a0-\u13ff])\w+\b"))


def formulas(sheet: Sheet) -> Evidence:
    """Cells that a spreadsheet program would run as a formula."""
    return _matches(sheet, _FORMULA)


# ---------------------------------------------------------------- the judgement


@dataclass(frozen=True)
class Check:
    """A check: its evidence, what that may mean, and what a reviewer can ask for."""

    id: str
    title: str
    measure: Callable[[Sheet], Evidence]
    forms: tuple[Form, ...]
    meaning: str
    remedy: str


_BOTH = (Form.text, Form.csv)

CHECKS: tuple[Check, ...] = (
    Check("small-counts", "Small counts", small_counts, _BOTH,
          "A count of few persons can single someone out (threshold rule).", "Ask for coarser groups, or small cells suppressed."),
    Check("identifiers", "Identifiers", identifiers, _BOTH,
          "Long digit strings can be record or person numbers.", "Ask for the column to be left out."),
    Check("contacts", "Mail addresses", contacts, _BOTH,
          "An address names a person.", "Ask for it to be left out."),
    Check("dates", "Dates to the day", dates, _BOTH,
          "A date of birth, visit or death can identify a person.", "Ask for months, quarters or years."),
    Check("row-level", "One line per person?", row_level, _BOTH,
          "Many lines that all differ look like rows, not like a summary.", "Ask for an aggregate."),
    Check("long-numbers", "Many digits", long_numbers, _BOTH,
          "More digits than the result needs can carry single values.", "Ask for 3 significant digits."),
    Check("blobs", "Encoded strings", blobs, _BOTH,
          "A long string without blanks can carry anything.", "Ask what it is; do not approve what you cannot read."),
    Check("written-out", "Invisible characters", written_out, _BOTH,
          "Characters that do not show were written out as ⟨U+…⟩.", "Ask why they are there."),
    Check("foreign-letters", "Look-alike letters", foreign_letters, _BOTH,
          "Letters of two scripts in one word can spell something else.", "Ask why they are there."),
    Check("formulas", "Spreadsheet formulas", formulas, (Form.csv,),
          "A spreadsheet program would run these cells.", "Ask for plain values."),
)  # fmt: skip


@dataclass(frozen=True)
class Result:
    """A check and what it found; ``evidence`` is empty where it found nothing."""

    check: Check
    evidence: Evidence

    @property
    def found(self) -> bool:
        return bool(self.evidence)


def run(form: Form, content: bytes, threshold: int) -> tuple[Result, ...]:
    """All checks that apply to an item in canonical form, in the order of the table. A picture has none: no machine reads it here."""
    if form is Form.png:
        return ()
    sheet = Sheet.of(form, content, threshold)
    return tuple(Result(check, check.measure(sheet)) for check in CHECKS if form in check.forms)


@dataclass(frozen=True)
class PictureFacts:
    """What can be said of a picture without reading it."""

    width: int
    height: int
    colours: int | None
    """Different colours; None for more than 4,096."""


def picture_facts(content: bytes) -> PictureFacts:
    """Size and number of colours of a picture in canonical form."""
    from PIL import Image

    with Image.open(io.BytesIO(content), formats=["PNG"]) as picture:
        colours = picture.getcolors(4096)
        return PictureFacts(*picture.size, colours=len(colours) if colours is not None else None)
