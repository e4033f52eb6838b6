"""The category that a row of an answer stands for, along one dimension."""

from enum import StrEnum

from twinpane_broker.catalogue.catalogue import Text
from twinpane_broker.model import Closed

from .predicates import CodeValue


class CategoryKind(StrEnum):
    """The kind of category that a row of the table stands for, along one dimension."""

    code = "code"  # an approved code, or a bin of dates
    missing = "missing"  # no value
    other = "other"  # every code that is not approved, together
    total = "total"  # all rows, whatever they hold


class Category(Closed):
    """One category of one dimension: ``value`` is the code, or a bin of dates as ``2019``, ``2019-Q2`` or ``2019-04``."""

    kind: CategoryKind = CategoryKind.code
    value: CodeValue | None = None
    label: Text = ""
    """The catalogue's words for the code; empty where it has none."""

    @property
    def text(self) -> str:
        """The text to show: the label, else the code, else ``(missing)`` or ``(other)``."""
        if self.kind is CategoryKind.total:
            return "all"
        if self.kind is not CategoryKind.code:
            return f"({self.kind})"
        return self.label or str(self.value)
