"""The first draft of a site's catalogue, made from its data and itself kept within the disclosure rules.

What is *measured* is in ``evidence``, what is *judged* in ``columns`` and ``rounding``, what a name alone tells in ``names``.
"""

from .build import Draft, draft_catalogue
from .source import DUCKDB_TYPES, DraftError

__all__ = ["DUCKDB_TYPES", "Draft", "DraftError", "draft_catalogue"]
