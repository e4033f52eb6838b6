"""The first draft of a site's catalogue, made from its data and itself kept within the disclosure rules.

``source`` opens the data, ``typed`` reads it in the catalogue's types, ``evidence`` measures, ``columns`` and ``rounding`` judge, and
``names`` says what a name alone tells.
"""

from .build import Draft, draft_catalogue
from .column_types import DUCKDB_TYPES
from .source import DraftError

__all__ = ["DUCKDB_TYPES", "Draft", "DraftError", "draft_catalogue"]
