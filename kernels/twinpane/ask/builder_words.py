"""What a site's refusal says in SQL, in the builder's words: a site does not know in which a question was written."""

from collections.abc import Mapping

from twinpane.errors import Refused
from twinpane_broker import Plan

from .ask_sites import ask
from .result import Result

WORDS: Mapping[tuple[str, ...], str] = {
    (">=", "<=", " < ", " > ", "BETWEEN"): "intervals are .where(age=(40, 64)) with both ends, slice(40, 65) without the last, "
    "(40, None) from 40 on; of dates (“2019-01-01”, “2019-12-31”)",
    ("floor(",): "bins are .group_by(age=10)",
    ("date_trunc(",): "months are .group_by(birth=“month”)",
    ("CASE ",): "named groups are .cases(“age”, child=(0, 17), otherwise=“adult”)",
    ("IN (", "WHERE "): "codes are .where(sex=[“F”, “M”]), either of two is .where_any(sex=“F”, smoker=True)",
    ("count(distinct",): "persons are counted by .persons()",
    ("COALESCE", "IS NULL"): "missing values are .where(sex=None)",
}
"""By what a message has of SQL, how the builder says it."""


def asked(plan: Plan) -> Result:
    """The sites' answer to a plan that the builder made; raises Refused in its words."""
    try:
        return ask(plan)
    except Refused as refused:
        raise Refused(_in_builder_words(str(refused)), refused.code) from None


def _in_builder_words(message: str) -> str:
    hints = [hint for marks, hint in WORDS.items() if any(mark in message for mark in marks)]
    return f"{message} In the builder, {'; '.join(hints)}." if hints else message
