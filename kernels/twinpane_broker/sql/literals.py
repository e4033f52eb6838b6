"""Numbers as written in SQL: what both readings make of the same digits."""

import math
import re
from decimal import Decimal
from typing import get_args

from twinpane_broker.aggregates.quantile import Percent
from twinpane_broker.errors import Refused

from .refusals import PERCENTS

SYSTEM = ("information_schema", "pg_catalog", "system", "temp")
"""Schemas of the engine's own tables. Any other schema before a table's name says nothing."""


def number_of(text: str) -> int | float:
    """A number as written in SQL; raises Refused for one that a plan cannot hold."""
    text = re.sub(r"(?<=\d)_(?=\d)", "", text)
    if re.fullmatch(r"-?\d{1,18}", text):
        return int(text)
    try:
        value = float(text)
    except ValueError:
        value = math.inf
    if not math.isfinite(value) or "_" in text:
        raise Refused(f"{text[:40]} is not a number that a plan can hold.")
    return value


def percent_of(text: str) -> int:
    """The percent of a fraction as written; raises Refused for one that is not released."""
    percent = Decimal(text) * 100 if re.fullmatch(r"[0-9]*\.?[0-9]{1,8}", text) else Decimal(-1)
    if percent not in get_args(Percent):
        raise Refused(PERCENTS)
    return int(percent)
