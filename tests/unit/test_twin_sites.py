"""The twin of several sites: apportioned persons, keys that never meet, and what one site lacks."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twinpane_broker.catalogue.catalogue import Catalogue, Code, Column, ColumnType, Role, Table
from twinpane_kernel.twin import make_twin
from twinpane_kernel.twin.make import apportion

KEY = Column(name="person_id", type=ColumnType.integer, role=Role.key)


def _column(name, kind=ColumnType.integer):
    return Column(name=name, type=kind, role=Role.measure, bounds=(0, 9), knots=(1.0, 8.0), precision=1.0)


def _site(site, persons, *columns, extra=()):
    table = Table(name="person", person_key="person_id", columns=(KEY, *columns))
    return Catalogue(site=site, snapshot="s1", persons=persons, tables=(table, *extra))


def _event(*columns, name="event"):
    keys = (KEY, Column(name=f"{name}_id", type=ColumnType.integer, role=Role.key))
    return Table(name=name, person_key="person_id", columns=(*keys, *columns), rows_per_person=(0.5, 0.2, 0.3))


def _code(value):
    return Column(name="code", type=ColumnType.varchar, role=Role.dimension, codes=(Code(value=value, share=1.0),))


def test_persons_are_apportioned_by_the_sites_sizes():
    twin = make_twin([_site("a", 3000, _code("a")), _site("b", 1000, _code("b"))], persons=100)
    assert twin["person"]["code"].to_pandas().value_counts().to_dict() == {"a": 75, "b": 25}


def test_keys_never_meet_across_sites():
    twin = make_twin([_site("a", 50, extra=(_event(),)), _site("b", 50, extra=(_event(),))], persons=200)
    assert twin["person"]["person_id"].to_pylist() == list(range(1, 201))
    assert twin["event"].to_pandas()["event_id"].is_unique
    assert set(twin["event"]["person_id"].to_pylist()) <= set(range(1, 201))


def test_the_order_of_the_catalogues_does_not_matter():
    sites = [_site("a", 50, _column("x")), _site("b", 70, _column("y")), _site("c", 10, extra=(_event(),))]
    assert make_twin(sites) == make_twin(sites[::-1])


def test_a_column_that_one_site_lacks_is_null_in_its_part():
    frame = make_twin([_site("a", 50, _column("x"), _code("a")), _site("b", 50, _code("b"))], persons=100)["person"].to_pandas()
    assert frame.loc[frame["code"] == "a", "x"].notna().all()
    assert frame.loc[frame["code"] == "b", "x"].isna().all()


def test_a_table_that_one_site_lacks_has_only_the_others_rows():
    twin = make_twin([_site("a", 50), _site("b", 50, extra=(_event(),))], persons=100)
    assert set(twin["event"]["person_id"].to_pylist()) <= set(range(51, 101))


def test_whole_numbers_and_another_sites_fractions_are_fractions():
    """Whole numbers at one site and fractions at another are fractions."""
    twin = make_twin([_site("a", 50, _column("x")), _site("b", 50, _column("x", ColumnType.double))])
    assert str(twin["person"].schema.field("x").type) == "double"
    assert twin["person"]["x"].null_count == 0


def test_a_type_that_does_not_fit_stops_no_session():
    """A type that does not fit gives null at the later site, and stops no session."""
    twin = make_twin([_site("a", 50, _column("code")), _site("b", 50, _code("z"))], persons=100)
    assert str(twin["person"].schema.field("code").type) == "int64"
    assert twin["person"]["code"].null_count == 50


def test_a_site_draws_the_same_persons_whoever_else_takes_part():
    alone = make_twin([_site("a", 50, _column("x"))], persons=50)["person"]["x"].to_pylist()
    together = make_twin([_site("a", 50, _column("x")), _site("b", 50, _column("x"))], persons=100)["person"]["x"].to_pylist()
    assert together[:50] == alone


@given(st.integers(1, 5000), st.lists(st.integers(0, 10**8), min_size=1, max_size=9))
def test_every_seat_is_given_and_every_site_has_one_if_possible(seats, sizes):
    """Every seat is given, and every site has one where they suffice."""
    shares = apportion(seats, sizes)
    assert sum(shares) == seats
    assert min(shares) >= (1 if seats >= len(sizes) else 0)


@pytest.mark.parametrize(
    ("catalogues", "persons", "says"),
    [
        ([], 10, "at least one site"),
        ([_site("a", 5), _site("a", 5)], 10, "named twice"),
        ([_site("a", 5)], 0, "at least one person"),
    ],
)
def test_a_twin_of_nothing_is_refused(catalogues, persons, says):
    with pytest.raises(ValueError, match=says):
        make_twin(catalogues, persons=persons)


def test_fewer_persons_than_sites_leaves_the_tables_whole():
    """If there are fewer persons than sites, some sites are empty and the tables are still whole."""
    frame = make_twin([_site(s, 50, _code(s)) for s in "abc"], persons=2)["person"].to_pandas()
    assert isinstance(frame, pd.DataFrame)
    assert len(frame) == 2
