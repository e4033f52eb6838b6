"""The hospital that the attacks are tried on, and what attackers have in common."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from reference.hospital import TEN_FIVE, Hospital
from twinpane_broker.catalogue.catalogue import Catalogue
from twinpane_broker.errors import RefusalCode, Refused
from twinpane_broker.release.release import Refusal
from twinpane_broker.rules.policy import Rules
from twinpane_broker.sql import parse_sql
from unit.broker_world import CATALOGUE, drugs, people, visits

WITHHELD = RefusalCode.withheld


def hospital(folder: Path, rules: Rules = TEN_FIVE, catalogue: Catalogue = CATALOGUE, **tables: Any) -> Hospital:
    """A thousand patients, except for the tables that an attack brings along."""
    frames: dict[str, pd.DataFrame] = {"person": people(), "visit": visits(), "drug": drugs(), **tables}
    return Hospital(folder, catalogue, {table.name: frames[table.name] for table in catalogue.tables}, rules)


def refused(sql: str, catalogue: Catalogue = CATALOGUE) -> str:
    """The reason for which the grammar or the catalogue refuses a text; fails if neither does."""
    from twinpane_broker.check.resolve import check

    with pytest.raises(Refused) as caught:
        check(parse_sql(sql, catalogue), catalogue)
    return caught.value.reason


def is_withheld(answer: object) -> bool:
    """Whether the answer was withheld because of the data."""
    return isinstance(answer, Refusal) and answer.code is WITHHELD
