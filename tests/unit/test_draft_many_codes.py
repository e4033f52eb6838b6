"""Columns with as many codes as a vocabulary has: drafted whole, with *(other)* for what is too rare, and searched at once."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from twinpane_broker.catalogue.catalogue import Catalogue, Code, Column, Table
from twinpane_broker.check.axes import axis_of
from twinpane_broker.question.category import CategoryKind
from twinpane_broker.question.plan import Group
from twinpane_site.catalogue_toml import dump_catalogue, load_catalogue
from twinpane_site.draft import draft_catalogue
from twinpane_site.draft.evidence import Evidence
from unit.broker_world import TEN_FIVE

PERSONS, COMMON, RARE = 12_000, 700, 400
"""Seven hundred codes of sixteen persons, and four hundred of two."""


@pytest.fixture(scope="module")
def drafted(tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    """A site with as many conditions, and a number beside each."""
    folder = tmp_path_factory.mktemp("many")
    pd.DataFrame({"person_id": range(PERSONS)}).to_parquet(folder / "person.parquet")
    codes = np.concatenate([np.repeat(np.arange(COMMON), 16) + 4_000_000, np.repeat(np.arange(RARE), 2) + 5_000_000])
    rng = np.random.default_rng(5)
    frame = pd.DataFrame({
        "person_id": np.arange(PERSONS),
        "condition_concept_id": codes,
        "condition_source_value": [f"written {code}" for code in codes],
        "value": (codes % 7 + rng.normal(0, 1, PERSONS)).round(1),
    })  # fmt: skip
    frame.to_parquet(folder / "condition_occurrence.parquet")
    return draft_catalogue(folder, "person_id", "north", "North", TEN_FIVE, "s").catalogue


def condition(catalogue: Catalogue) -> Column:
    """The drafted concepts."""
    return catalogue.known_table("condition_occurrence").known_column("condition_concept_id")


def test_every_code_that_enough_persons_hold_is_listed(drafted: Catalogue) -> None:
    """However many they are; the others are a share."""
    column = condition(drafted)
    assert {code.value for code in column.codes} == set(range(4_000_000, 4_000_000 + COMMON))
    assert column.others == pytest.approx(2 * RARE / PERSONS, abs=0.001)


def test_the_rest_is_a_row_whenever_there_are_other_codes(drafted: Catalogue) -> None:
    """Rounded shares of many codes need not tell it."""
    axis = axis_of(Group(column="condition_occurrence.condition_concept_id"), condition(drafted), None)
    assert len(axis.categories) == COMMON + 1
    assert axis.categories[-1].kind is CategoryKind.other
    # Half of the rows, in a catalogue from before it said so.
    hundred = Column(name="c", type="integer", role="dimension", codes=tuple(Code(value=i, share=0.005) for i in range(100)))
    assert axis_of(Group(column="t.c"), hundred, None).categories[-1].kind is CategoryKind.other
    none = hundred.model_copy(update={"codes": tuple(Code(value=i, share=0.01) for i in range(100))})
    assert axis_of(Group(column="t.c"), none, None).categories[-1].kind is CategoryKind.code


def test_few_other_codes_are_not_told(tmp_path: Path) -> None:
    """If fewer persons than the threshold hold them, the catalogue says nothing of them."""
    pd.DataFrame({"person_id": range(1000), "kind": ["a"] * 600 + ["b"] * 391 + ["c"] * 9}).to_parquet(tmp_path / "person.parquet")
    (table,) = draft_catalogue(tmp_path, "person_id", "north", "North", TEN_FIVE, "s").catalogue.tables
    assert table.known_column("kind").others == 0
    pd.DataFrame({"person_id": range(1000), "kind": ["a"] * 600 + ["b"] * 390 + list("cdefghijkl")}).to_parquet(tmp_path / "person.parquet")
    (table,) = draft_catalogue(tmp_path, "person_id", "north", "North", TEN_FIVE, "s").catalogue.tables
    assert table.known_column("kind").others == 0.01


def test_the_share_of_other_codes_is_written_and_read(drafted: Catalogue, tmp_path: Path) -> None:
    """As TOML, by hand."""
    (tmp_path / "catalogue.toml").write_text(dump_catalogue(drafted, 10))
    assert load_catalogue(tmp_path / "catalogue.toml") == drafted


def test_texts_of_many_values_stay_hidden(drafted: Catalogue) -> None:
    """They may be free text."""
    assert drafted.known_table("condition_occurrence").column("condition_source_value") is None


def test_numbers_by_code_are_those_of_each_code_alone(tmp_path: Path) -> None:
    """One pass over all codes finds the same quantiles as a pass for each."""
    rng = np.random.default_rng(2)
    codes = np.repeat([1, 2, 3], 400)
    frame = pd.DataFrame({"person_id": range(1200), "measurement_concept_id": codes, "value": codes * 10 + rng.normal(0, 2, 1200).round(2)})
    pd.DataFrame({"person_id": range(1200)}).to_parquet(tmp_path / "person.parquet")
    frame.to_parquet(tmp_path / "measurement.parquet")
    table = draft_catalogue(tmp_path, "person_id", "north", "North", TEN_FIVE, "s").catalogue.known_table("measurement")
    value = table.known_column("value")
    assert [given.code for given in value.given] == [1, 2, 3]
    for given in value.given:
        of = frame[frame.measurement_concept_id == given.code].value
        assert given.knots[0] == pytest.approx(of.quantile(0.05), abs=0.3)
        assert given.knots[-1] == pytest.approx(of.quantile(0.95), abs=0.3)


def test_columns_measured_together_are_as_measured_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A draft does not depend on how many columns one query looks at."""
    rng = np.random.default_rng(4)
    frame = pd.DataFrame({"person_id": np.repeat(np.arange(400), 3)})
    for place in range(12):
        frame[f"n{place}"] = rng.normal(place, 3, 1200).round(place % 3)
        frame[f"k{place}"] = pd.array(np.where(rng.random(1200) < 0.2, np.nan, rng.integers(0, 5 + place, 1200)), "Int64")
        frame[f"t{place}"] = rng.choice(["x", "y", "z"], 1200)
    frame.to_parquet(tmp_path / "person.parquet")
    drafts = []
    for together in (1, 50):
        monkeypatch.setattr(f"{Evidence.__module__}.WIDE", together)
        drafts.append(draft_catalogue(tmp_path, "person_id", "north", "North", TEN_FIVE, "s"))
    assert drafts[0] == drafts[1]


def test_a_table_may_have_columns_of_any_name(tmp_path: Path) -> None:
    """Also the names that the draft's own queries use."""
    names = ["code", "x", "n", "i", "name", "person", "v0", "held", "counted"]
    frame = pd.DataFrame(
        {"person_id": range(300), **{name: [(i * 7 + place) % 40 / 10 for i in range(300)] for place, name in enumerate(names)}}
    )
    frame.to_parquet(tmp_path / "person.parquet")
    (table,) = draft_catalogue(tmp_path, "person_id", "north", "North", TEN_FIVE, "s").catalogue.tables
    assert all(table.known_column(name).measured for name in names if name != "name")


def test_a_catalogue_of_ten_thousand_codes_crosses_a_link() -> None:
    """What a site with four such columns publishes is within the limits of the link and the hub."""
    from twinpane_hub.switchboard.router import CATALOGUE

    codes = tuple(
        Code(value=40_000_000 + i, label=f"a name of about fifty letters, as vocabularies have {i}", share=0.001) for i in range(10_000)
    )
    columns = tuple(Column(name=f"c{i}_concept_id", type="integer", role="dimension", codes=codes) for i in range(4))
    table = Table(name="t", person_key="person_id", columns=(Column(name="person_id", type="integer", role="key"), *columns))
    catalogue = Catalogue(site="north", snapshot="s", persons=10, tables=(table,))
    assert len(catalogue.model_dump_json()) < CATALOGUE
