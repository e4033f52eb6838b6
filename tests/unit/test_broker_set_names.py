"""What a question calls the sets that it describes: the same name only where the set is the same, whatever the data hold."""

from datetime import date

import pytest
from broker_world import CATALOGUE, bound_to

from twinpane_broker.catalogue.catalogue import Column, Table
from twinpane_broker.check.resolve import ResolvedPlan, check
from twinpane_broker.disclosure.set_names import SetNames, meaning_of
from twinpane_broker.sql import parse_sql

N = "count(distinct person.person_id)"


def whole(sql: str) -> bytes:
    """The name of all persons of a question."""
    return SetNames(bound_to(sql)).of((), ())


def names(sql: str) -> dict[str, bytes]:
    """The names of the cells of a table of one dimension, by the categories' texts."""
    bound = bound_to(sql)
    return {bound.axes[0].categories[place].text: SetNames(bound).of((0,), (place,)) for (place,) in bound.cells}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("sex = 'F' AND race = 'a'", "race = 'a' AND sex = 'F'"),
        ("race IN ('a', 'b')", "race = 'b' OR race = 'a'"),
        ("NOT (sex = 'F' OR race = 'a')", "race <> 'a' AND sex <> 'F'"),
        ("age >= 20 AND age < 40", "age < 40 AND age >= 20"),
    ],
)
def test_the_same_conditions_in_other_words_have_one_name(one: str, other: str) -> None:
    """Order, NOT and OR are how a question is written, not what it says."""
    assert whole(f"SELECT count(*) FROM person WHERE {one}") == whole(f"SELECT count(*) FROM person WHERE {other}")


@pytest.mark.parametrize("other", ["sex = 'M'", "sex <> 'F'", "race = 'a'", "sex = 'F' AND race = 'a'", "sex = 'F' OR race = 'a'"])
def test_other_conditions_have_another_name(other: str) -> None:
    """Even where the data make them the same persons."""
    assert whole("SELECT count(*) FROM person WHERE sex = 'F'") != whole(f"SELECT count(*) FROM person WHERE {other}")


def test_a_cell_is_named_like_the_condition_that_it_is() -> None:
    """In a table of one dimension or of two, and beside a WHERE."""
    women = whole("SELECT count(*) FROM person WHERE sex = 'F'")
    assert names("SELECT sex, count(*) FROM person GROUP BY sex")["label of F"] == women
    bound = bound_to("SELECT sex, race, count(*) FROM person GROUP BY sex, race")
    cell = SetNames(bound).of((0, 1), (0, 1))
    assert cell == whole("SELECT count(*) FROM person WHERE race = 'b' AND sex = 'F'")
    assert SetNames(bound).of((0,), (0,)) == women
    assert SetNames(bound).of((), ()) == whole("SELECT count(*) FROM person")


def test_a_code_is_named_without_a_list_of_codes_that_holds_it() -> None:
    """Among *a* or *b*, the *b* are the *b*; their total is not."""
    some = "SELECT race, count(*) FROM person WHERE race IN ('a', 'b')"
    assert names(f"{some} GROUP BY race")["label of b"] == whole("SELECT count(*) FROM person WHERE race = 'b'")
    assert SetNames(bound_to(f"{some} GROUP BY race")).of((), ()) == whole("SELECT count(*) FROM person WHERE race IN ('b', 'a')")
    other = "SELECT sex, count(*) FROM person WHERE race IN ('a', 'b') GROUP BY sex"
    assert names(other)["label of F"] == whole("SELECT count(*) FROM person WHERE sex = 'F' AND race IN ('a', 'b')")


def test_measures_and_labels_do_not_change_a_name() -> None:
    """They say nothing of who is in a set."""
    assert whole("SELECT count(*) FROM person") == whole(f"SELECT {N} AS n, avg(age) AS mean FROM person")


def test_a_table_of_events_has_its_persons_without_the_join() -> None:
    """Everybody who has a visit is a person."""
    joined = "FROM visit JOIN person ON visit.person_id = person.person_id"
    assert whole(f"SELECT count(*) {joined}") == whole("SELECT count(*) FROM visit")
    assert whole("SELECT count(*) FROM visit") != whole("SELECT count(*) FROM person")


BY_PERSON = "FROM visit JOIN drug ON drug.patient = visit.person_id"
BY_VISIT = "FROM visit JOIN drug ON drug.visit_id = visit.visit_id"


def test_rows_joined_by_other_keys_have_another_name() -> None:
    """A drug at any visit and a drug at this visit are not the same persons, though the tables are."""
    assert whole(f"SELECT count(*) {BY_PERSON}") != whole(f"SELECT count(*) {BY_VISIT}")
    swapped = "FROM drug JOIN visit ON visit.visit_id = drug.visit_id"
    assert whole(f"SELECT count(*) {swapped}") == whole(f"SELECT count(*) {BY_VISIT}")


def test_person_keys_join_the_same_rows_whatever_their_order() -> None:
    """Rows of one person join; through which table makes no difference."""
    through = "JOIN person ON visit.person_id = person.person_id JOIN drug ON drug.patient = person.person_id"
    assert whole(f"SELECT count(*) FROM visit {through}") == whole(f"SELECT count(*) {BY_PERSON}")


def cases(arms: str) -> dict[str, bytes]:
    return names(f"SELECT CASE {arms} END AS part, count(*) FROM person GROUP BY part")


def test_a_case_is_named_by_what_it_holds() -> None:
    """A category 'a' may hold any codes."""
    own = cases("WHEN race IN ('a') THEN 'a' ELSE 'rest'")
    more = cases("WHEN race IN ('a', 'b') THEN 'a' ELSE 'rest'")
    assert not set(own.values()) & set(more.values())
    assert own["a"] != names("SELECT race, count(*) FROM person GROUP BY race")["label of b"]
    assert set(cases("WHEN race IN ('a') THEN 'one' ELSE 'other'").values()) == set(own.values())


def test_the_order_of_overlapping_cases_is_part_of_the_name() -> None:
    """The first arm that holds for a row decides."""
    first = cases("WHEN race IN ('a') THEN 'x' WHEN race IN ('a', 'b') THEN 'y' ELSE 'z'")
    last = cases("WHEN race IN ('a', 'b') THEN 'y' WHEN race IN ('a') THEN 'x' ELSE 'z'")
    assert first["y"] != last["y"]


def test_a_case_that_lists_codes_is_named_like_these_codes() -> None:
    """What it is called says nothing, nor do codes that an earlier case took."""
    told = cases("WHEN race = 'a' THEN 'first' WHEN race IN ('a', 'b', 'c') THEN 'others' ELSE 'none'")
    assert told["first"] == whole("SELECT count(*) FROM person WHERE race = 'a'")
    assert told["others"] == whole("SELECT count(*) FROM person WHERE race IN ('c', 'b')")
    among = "SELECT CASE WHEN race = 'a' THEN 'first' END AS part, count(*) FROM person WHERE race IN ('a', 'b') GROUP BY part"
    assert names(among)["first"] == whole("SELECT count(*) FROM person WHERE race = 'a'")


def test_a_case_of_all_other_rows_is_not_named_like_codes() -> None:
    """Rows without a value, or with an unlisted code, are among these."""
    assert cases("WHEN race IN ('a', 'b') THEN 'some' ELSE 'rest'")["rest"] != whole("SELECT count(*) FROM person WHERE race = 'c'")
    both = cases("WHEN race = 'a' THEN 'rest' WHEN race = 'b' THEN 'b' ELSE 'rest'")
    assert both["rest"] != whole("SELECT count(*) FROM person WHERE race = 'a'")


def test_a_year_is_named_without_a_window_that_holds_it() -> None:
    """Of visits since 2019 and before 2021 those of 2020 are those of 2020, day by day; those of a year that the window cuts are not."""
    years = "SELECT date_trunc('year', day) AS y, count(*) FROM visit WHERE day >= '{}' AND day < '{}' GROUP BY y"
    told = names(years.format("2019-01-01", "2021-01-01"))
    assert told["2020"] == names(years.format("2018-06-01", "2022-01-01"))["2020"]
    assert told["2020"] == names(years.format("2020-01-01", "2021-01-01"))["2020"]
    assert told["2020"] != names(years.format("2020-02-01", "2021-01-01"))["2020"]
    assert told["2020"] != names(years.format("2019-01-01", "2020-12-01"))["2020"]
    other_words = "SELECT date_trunc('year', day) AS y, count(*) FROM visit WHERE day > '2019-12-31' AND day <= '2020-12-31' GROUP BY y"
    assert told["2020"] == names(other_words)["2020"]


def test_a_year_that_holds_a_month_is_named_like_the_year() -> None:
    """Its months are told after it, whichever window holds both."""
    within = "FROM visit WHERE day >= '2019-01-01' AND day < '2021-01-01' GROUP BY t"
    months, years = (SetNames(bound_to(f"SELECT date_trunc('{each}', day) AS t, count(*) {within}")) for each in ("month", "year"))
    assert years.of((0,), (1,)) in {name for name, _ in months.wider((0,), (12,))}


def test_the_last_bin_has_another_name_where_it_holds_more() -> None:
    """What lies beyond all bins is in the first or the last of them."""
    low = "floor(age / 20) * 20"
    every = names(f"SELECT {low} AS band, count(*) FROM person GROUP BY band")
    some = names(f"SELECT {low} AS band, count(*) FROM person WHERE age < 60 GROUP BY band")
    assert not set(every.values()) & set(some.values())


def days_of(sql: str, day: date) -> dict[str, bytes]:
    bound = check(parse_sql(sql, CATALOGUE), CATALOGUE, None, day)
    return {bound.axes[0].categories[place].text: SetNames(bound).of((0,), (place,)) for (place,) in bound.cells}


def test_days_in_no_bin_are_named_by_which_bins_there_are() -> None:
    """Bins end with today: what is earlier or later changes with it, and a year does not."""
    sql = "SELECT date_trunc('year', day) AS y, count(*) FROM visit GROUP BY y"
    then, now = days_of(sql, date(2020, 6, 1)), days_of(sql, date(2026, 6, 1))
    assert then["2019"] == now["2019"]
    assert then["(other)"] != now["(other)"]


def stays() -> ResolvedPlan:
    """Days of a stay under two names, and its columns the other way round."""
    columns = (
        Column(name="person_id", type="integer", role="key"),
        Column(name="since", type="date", role="date", days=("2019-01-01", "2020-01-01")),
        Column(name="until", type="date", role="date", days=("2019-01-01", "2020-01-01")),
        Column(name="cost", type="double", role="measure", bounds=(0, 10)),
        Column(name="pain", type="double", role="measure", bounds=(0, 10)),
    )
    catalogue = CATALOGUE.model_copy(update={"tables": (Table(name="stay", person_key="person_id", columns=columns),)})
    return check(parse_sql("SELECT avg(datediff('day', since, until)), avg(cost), avg(pain) FROM stay", catalogue), catalogue)


def test_a_difference_of_dates_is_of_one_kind_whatever_its_name() -> None:
    """Its name is the question's to choose: means of two names would not be compared."""
    bound = stays()
    (days,) = bound.plan.differences
    named = days.model_copy(update={"name": "stay.length"})
    measures = tuple(m.model_copy(update={"column": named.name}) if m.column == days.name else m for m in bound.plan.measures)
    other = check(bound.plan.model_copy(update={"differences": (named,), "measures": measures}), bound.catalogue)
    assert meaning_of(bound, days.name) == meaning_of(other, named.name) != meaning_of(bound, "stay.cost")


def test_a_correlation_is_of_one_kind_in_either_order() -> None:
    """The correlation of x and y is that of y and x."""
    bound = stays()
    assert meaning_of(bound, "stay.cost stay.pain") == meaning_of(bound, "stay.pain stay.cost") != meaning_of(bound, "stay.cost")


def test_days_from_a_first_event_are_of_one_kind() -> None:
    """However the event is described: two descriptions of the same one would be told beside near sets."""
    first = "(SELECT person_id, min(day) AS d FROM visit WHERE {} GROUP BY person_id) f ON f.person_id = visit.person_id"
    days = "SELECT avg(datediff('day', f.d, visit.day)) FROM visit JOIN "
    events = ("ward IN ('icu', 'er')", "ward = 'er' OR ward = 'icu'", "ward = 'icu'")
    kinds = {meaning_of(bound, bound.value_columns[0]) for bound in (bound_to(days + first.format(event)) for event in events)}
    assert kinds == {"visit.day-visit.day"}
