"""The first draft of a site's catalogue, made from its data and itself kept within the disclosure rules.

``evidence`` measures, ``columns`` and ``rounding`` judge, and ``names`` says what a name alone tells.
"""

from .build import Draft, draft_catalogue
from .source import DUCKDB_TYPES, DraftError

__all__ = ["DUCKDB_TYPES", "Draft", "DraftError", "draft_catalogue"]
