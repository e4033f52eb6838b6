"""The part of a site's OMOP vocabulary that code sets need: the descendants of each code.

Vocabulary tables hold no persons and are not in the catalogue. Nobody can query them; they only help to resolve a plan.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeGuard

import duckdb
import numpy as np
from numpy.typing import NDArray

from twinpane_broker.catalogue.catalogue import Catalogue, Column, ColumnType, Role
from twinpane_broker.errors import EngineError
from twinpane_broker.question.predicates import (
    CodeOrder,
    CodeSet,
    CodeValue,
    Concept,
    ConceptSet,
    In,
    Predicate,
    code_order,
    has_unlisted_number,
)

from .listed import not_allowed

ANCESTORS = "concept_ancestor.parquet"
NAMES = "concept.parquet"
Codes = NDArray[np.int32] | NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """Codes and their descendants: two arrays of the same length, sorted by ancestor. Frozen, safe to share between threads."""

    ancestors: Codes = field(repr=False)
    below: Codes = field(repr=False)
    names: Path | None = None
    """The ``concept`` table, looked into only to name a code in a refusal."""

    @classmethod
    def load(cls, folder: Path, only: Iterable[int] | None = None) -> "Vocabulary | None":
        """Read ``folder/concept_ancestor.parquet``; None if there is no such file.

        With ``only`` (``codes_of(catalogue)`` and the engine's ``unlisted_codes``) keep just the pairs whose descendant is one of these
        codes. A full vocabulary has some 80 million pairs (600 MB); a site's codes need a small part. Raises EngineError, for a steward,
        if the file is not such a table.
        """
        file = folder / ANCESTORS
        if not file.is_file():
            return None
        wanted = None if only is None else np.unique(np.fromiter(only, dtype=np.int64))
        try:
            with duckdb.connect() as connection:
                chosen = "TRUE"
                if wanted is not None:
                    connection.register("wanted", {"code": wanted})
                    chosen = "descendant_concept_id IN (SELECT code FROM wanted)"
                pairs = connection.execute(
                    "SELECT ancestor_concept_id::BIGINT AS a, descendant_concept_id::BIGINT AS b FROM read_parquet(?) "  # noqa: S608
                    f"WHERE a IS NOT NULL AND b IS NOT NULL AND {chosen} ORDER BY a",
                    [str(file)],
                ).fetchnumpy()
        except duckdb.Error:
            raise EngineError(
                f"{file.name} cannot be read as OMOP's table of ancestors: it needs the columns ancestor_concept_id and "
                "descendant_concept_id. Replace it, or remove it to go without descendants"
            ) from None
        names = folder / NAMES
        wide = [np.ascontiguousarray(np.ma.getdata(pairs[column]), dtype=np.int64) for column in ("a", "b")]
        narrow = all(array.size == 0 or (array.min() >= -(2**31) and array.max() < 2**31) for array in wide)
        ancestors, below = [array.astype(np.int32) for array in wide] if narrow else wide
        for array in (ancestors, below):
            array.setflags(write=False)
        return cls(ancestors, below, names if names.is_file() else None)

    def under(self, code: int) -> Codes:
        """The descendants of a code, in no order. The code itself may or may not be among them."""
        low, high = (np.searchsorted(self.ancestors, code, side=side) for side in ("left", "right"))
        return self.below[low:high]

    def name(self, code: int) -> str:
        """The vocabulary's name of a code; empty if it has none."""
        if self.names is None:
            return ""
        try:
            with duckdb.connect() as connection:
                found = connection.execute(
                    "SELECT concept_name FROM read_parquet(?) WHERE concept_id = ? LIMIT 1", [str(self.names), code]
                ).fetchone()
        except duckdb.Error:
            return ""
        return str(found[0])[:80] if found and found[0] else ""


def codes_of(catalogue: Catalogue) -> frozenset[int]:
    """The whole-number codes that a catalogue approves in any column. A vocabulary is narrowed to these and those that the data hold."""
    return frozenset(
        code.value
        for table in catalogue.tables
        for column in table.columns
        if column.role is Role.dimension and column.type is ColumnType.integer
        for code in column.codes
        if _is_id(code.value)
    )


def resolved(term: In | ConceptSet, column: Column, vocabulary: Vocabulary | None) -> In:
    """All codes that match a code set with descendants, or a concept set: approved ones, and those too rare to be approved.

    Which of the latter the data hold is known inside alone, so the set names the codes that were asked for too, held or not. Raises
    Refused, with a static reason, if the site has no vocabulary, the column holds no concepts, or no code can be in the column.
    """
    items = term.items if isinstance(term, ConceptSet) else tuple(Concept(code=code, descendants=True) for code in term.codes)
    if any(item.descendants for item in items):
        if vocabulary is None:
            raise not_allowed(
                "This site has no vocabulary (concept_ancestor), so it cannot look up descendants: list the codes themselves; "
                f"tp.catalogue() shows those of {term.column}."
            )
        if column.type is not ColumnType.integer:
            raise not_allowed(f"{term.column} does not hold concept ids, so its codes have no descendants: list the codes themselves.")
    approved = {code_order(code.value): code.value for code in column.codes}
    inside = _found(items, vocabulary, excluded=False) - _found(items, vocabulary, excluded=True)
    codes: list[CodeValue] = [
        approved[key] if key in approved else key[1] for key in sorted(inside) if key in approved or _may_hold(column, key)
    ]
    if not codes:
        asked = [item.code for item in items if not item.excluded]
        raise not_allowed(
            f"No approved code of {term.column} is in this code set ({_named(asked, vocabulary)}): the site has none of these codes, "
            "too few persons with them, or its steward has not approved them."
        )
    # Not validated: a set that a few lines stand for may be longer than a plan may list.
    return CodeSet.model_construct(column=term.column, codes=tuple(codes))


def is_code_set(term: Predicate) -> bool:
    """Whether the site resolves the comparison's codes."""
    return isinstance(term, ConceptSet) or (isinstance(term, In) and term.descendants)


def _found(items: Iterable[Concept], vocabulary: Vocabulary | None, *, excluded: bool) -> set[CodeOrder]:
    """The codes, by their sort keys, that match these lines of a set."""
    found: set[CodeOrder] = set()
    for item in items:
        if item.excluded is not excluded:
            continue
        found.add(code_order(item.code))
        if item.descendants and vocabulary is not None and _is_id(item.code):
            found.update(code_order(code) for code in vocabulary.under(item.code).tolist())
    return found


def _may_hold(column: Column, code: CodeOrder) -> bool:
    return column.type is ColumnType.integer and has_unlisted_number(code[1])


def _is_id(code: CodeValue) -> TypeGuard[int]:
    return isinstance(code, int) and not isinstance(code, bool) and abs(code) < 2**63


def _named(codes: list[CodeValue], vocabulary: Vocabulary | None) -> str:
    shown = []
    for code in codes[:3]:
        name = vocabulary.name(code) if vocabulary is not None and _is_id(code) else ""
        shown.append(f"{str(code)[:40]}{f' {name}' if name else ''}")
    return ", ".join(shown) + (f" and {len(codes) - 3} more" if len(codes) > 3 else "")
