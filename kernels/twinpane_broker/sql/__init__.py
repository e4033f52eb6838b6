"""SQL of one SELECT, read into a plan. The text itself is never run: every part is allow-listed, the rest is refused by name.

Two independent parsers read the text: sqlglot's and DuckDB's own. The plan is asked only if both reach the same one, so that one parser
stops what the other misreads. The site's own check (``check``) cannot do that. It sees the plan and never the text, so a misread ``AND``
would get a right answer to a question that nobody asked. Both parsers run where the question is asked, in the researcher's kernel.
"""

import re

from pydantic import ValidationError

from twinpane_broker.catalogue.catalogue import Catalogue
from twinpane_broker.errors import Refused
from twinpane_broker.question.plan import Plan
from twinpane_ground.mistakes import first

from . import duck, glot
from .compose import compose
from .duck_tree import Unread, grammar
from .refusals import TWO_WAYS

__all__ = ["MAX_TEXT", "parse_sql"]

MAX_TEXT = 200_000
"""Characters of a query: ten thousand codes fit."""
ODD = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff\ufff0-\uffff]")
"""Control characters, invisible marks and halves of characters: what is not seen is not asked."""


def parse_sql(text: str, catalogue: Catalogue | None = None) -> Plan:
    """The plan that a SELECT asks for.

    With a ``catalogue``, names are matched whatever their case, and a column of joined tables may be written without its table.
    Raises Refused with a reason that names the construct and says what to write instead.
    """
    if len(text) > MAX_TEXT:
        raise Refused(f"The query is longer than {MAX_TEXT:,} characters.")
    if found := ODD.search(text):
        raise Refused(f"The query has a character that no keyboard types (U+{ord(found[0]):04X}): write it again by hand.")
    try:
        plan = compose(glot.read(text), catalogue)
    except RecursionError:
        raise Refused("The query is nested too deeply.") from None
    except ValidationError as error:
        raise Refused(_validation_text(error)) from None
    try:
        second = compose(duck.read(text, grammar()), catalogue)
    except (Unread, Refused, ValidationError, RecursionError):
        raise Refused(TWO_WAYS) from None
    if second.canonical() != plan.canonical():
        raise Refused(TWO_WAYS)
    return plan


def _validation_text(error: ValidationError) -> str:
    mistake = first(error)
    where = ".".join(part for part in mistake.location if isinstance(part, str))
    return f"This is too much or too little for one plan{f' ({where})' if where else ''}: {mistake.text}."[:600]
