"""The twin: synthetic data made from the published catalogues alone, the same bytes of values wherever it is made.

Columns are drawn independently, except for the dependences that a catalogue gives: names follow codes, laboratory values follow their
test, ends come after starts, keys join. A twin is for writing and trying code, not for learning from data. Importing this is cheap:
numpy and pyarrow are imported only to make a twin, because a kernel's start waits for the import.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from twinpane_broker import Catalogue

from .recipe import PERSONS, twin_digest

if TYPE_CHECKING:
    import pyarrow

__all__ = ["PERSONS", "make_twin", "twin_digest", "write_twin"]


def make_twin(catalogues: Sequence[Catalogue], persons: int = PERSONS, seed: int = 0) -> "dict[str, pyarrow.Table]":
    """The tables of the twin of one or several sites, by name.

    ``persons`` are apportioned over the sites by their size; keys never meet across sites; what one site lacks (a column, a
    table) is null or absent in its part. Hidden columns are not there. The order of the catalogues does not matter.
    Raises ValueError where there is no catalogue or no person, or a site is named twice.
    """
    from .make import make

    return make(catalogues, persons, seed)


def write_twin(catalogues: Sequence[Catalogue], folder: Path, persons: int = PERSONS, seed: int = 0) -> list[Path]:
    """Write the twin's tables to ``folder`` as ``<table>.parquet``, as they lie under ``/data``; return the files."""
    from .write import write

    return write(make_twin(catalogues, persons, seed), folder)
