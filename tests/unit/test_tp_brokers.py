"""The notebook's calls against real brokers of two hospitals: what is shown is what their rows say, within the rules."""

import numpy as np
import pandas as pd
import pytest
from broker_world import CATALOGUE, World, people

import twinpane as tp
from twinpane import _host
from twinpane_broker.question.plan import Plan

SIZES = {"north": 1000, "south": 600}


def rows(site):
    """A hospital's persons: the south is older and has fewer of race c."""
    older = 0 if site == "north" else 10
    return people(
        SIZES[site],
        age=lambda i: 20 + older + i * 7 % 60,
        weight=lambda i: 50.0 + older + i * 7 % 60 / 2 + i % 11,
        race=lambda i: "abc"[i % 3] if site == "north" or i % 3 < 2 or i < 9 else "a",
    )


@pytest.fixture(scope="module")
def worlds(tmp_path_factory):
    """Two sites, each with its broker."""
    made = {}
    for site in SIZES:
        catalogue = CATALOGUE.model_copy(update={"site": site})
        made[site] = World(tmp_path_factory.mktemp(site), catalogue=catalogue, person=rows(site))
    return made


@pytest.fixture(autouse=True)
def host(worlds, monkeypatch):
    """Calls go to both brokers, as the pane sends them."""

    def call(kind, **args):
        if kind == "catalogue":
            return {"sites": {site: world.catalogue.model_dump(mode="json") for site, world in worlds.items()}}
        plan = Plan.model_validate(args["plan"])
        answers = {site: world.broker.run(plan).model_dump(mode="json") for site, world in worlds.items()}
        return {"sites": answers, "missing": {}, "titles": [[site, site] for site in worlds]}

    monkeypatch.setattr(_host, "call", call)


@pytest.fixture(scope="module")
def everybody():
    """All rows of both hospitals, for comparison."""
    return pd.concat([rows(site).assign(site=site) for site in SIZES], ignore_index=True)


def test_counts_and_totals_are_those_of_the_rows(everybody):
    """Within a rounding of each site."""
    frame = tp.table("person").group_by("sex").totals().persons().pooled.set_index("sex")["persons"]
    assert abs(frame["F"] - (everybody["sex"] == "F").sum()) <= 5
    assert frame["(all)"] == len(everybody)


def test_statistics_over_sites_are_those_of_all_rows(everybody):
    """Means, spreads and correlations over sites are those of all rows. At their digits: 3 of a mean, 2 of a spread."""
    pooled = tp.table("person").measures(mean="age", sd="age").pooled.iloc[0]
    assert pooled["mean_age"] == pytest.approx(everybody["age"].mean(), rel=0.01)
    assert pooled["sd_age"] == pytest.approx(everybody["age"].std(), rel=0.06)
    within = [group[["age", "weight"]].corr().iloc[0, 1] for _, group in everybody.groupby("site")]
    assert tp.correlation("person", "age", "weight").pooled.iloc[0, 0] == pytest.approx(np.mean(within), abs=0.05)


def test_shares_are_percentages_within_their_groups(everybody):
    """Of persons, to a tenth."""
    frame = tp.table("person").group_by("sex", "smoker").share(within="sex").pooled
    women = everybody[everybody["sex"] == "F"]
    shown = frame[(frame["sex"] == "F") & (frame["smoker"] == True)]["share"].iloc[0]  # noqa: E712 - a column of codes
    assert shown == pytest.approx(100 * women["smoker"].mean(), abs=1.5)


def test_a_description_holds_each_sites_own_quantiles(everybody):
    """On the catalogue's grid; not pooled."""
    frame = tp.describe("person", "age").frame().set_index("site")
    for site, group in everybody.groupby("site"):
        assert frame.loc[site, "p50_age"] == pytest.approx(group["age"].median(), abs=2)
        assert frame.loc[site, "p5_age"] == pytest.approx(group["age"].quantile(0.05), abs=3)
        assert frame.loc[site, "p95_age"] < group["age"].max()
    assert pd.isna(frame.loc["pooled", "p50_age"])


def test_a_histogram_adds_up_to_everybody(everybody):
    """But for rounding and what is suppressed."""
    frame = tp.histogram("person", "age").pooled
    assert abs(frame["count"].fillna(0).sum() - len(everybody)) < 0.1 * len(everybody)


def test_a_crosstab_withholds_what_is_rare():
    """Three persons of race c in the south: their cell and its companions."""
    table = tp.crosstab("person", "sex", "race")
    south = {tuple(c.text for c in row.key): row.sites["south"].values[0] for row in table.cells.rows if row.sites["south"]}
    rare = [value for key, value in south.items() if key[1] == "label of c"]
    assert any(value.suppressed for value in rare)
    assert "suppressed: ask for fewer, larger groups. The number is of fewer than 10 persons, or would tell of" in repr(table)


def test_sql_and_builder_get_the_same_bytes():
    """One plan, one answer."""
    table = tp.table("person").where(age=(40, 59)).group_by("sex", age=10).measures("persons", mean="weight")
    assert repr(tp.sql(table.sql).frame()) == repr(table.frame())


def test_what_every_site_withholds_is_one_sentence():
    """With what to do."""
    with pytest.raises(tp.Refused, match=r"Withheld by the site's disclosure rules.*\(all sites that answered: north, south\)"):
        tp.table("person").where(age=(20, 24), sex="F", race="c", smoker=True).count()


def test_what_the_catalogue_denies_is_said_with_the_remedy():
    """What the catalogue does not allow is said with the remedy. By the sites, each against its own catalogue."""
    with pytest.raises(tp.Refused, match="age is a measure: group it in bins"):
        tp.table("person").group_by("age").count()
    with pytest.raises(tp.Refused, match="Did you mean weight"):
        tp.table("person").mean("wieght")


def test_a_profile_of_every_role_can_be_shown():
    """Measure, dimension, and text, which has its page alone."""
    for column in ("age", "sex", "note"):
        assert f"person.{column}" in tp.profile("person", column)._repr_html_()
    assert "<svg" in tp.profile("visit", "day")._repr_html_()


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda t: t.where_any(age=(41.5, None), smoker=True), "In the builder, intervals are .where(age=(40, 64))"),
        (lambda t: t.group_by("age"), "In the builder, bins are .group_by(age=10)"),
        (lambda t: t.where_any(*({"sex": "F", "age": (20 + 5 * i, None)} for i in range(9))), "a question takes 8 conditions at most"),
        (lambda t: t.where_any("sex"), "conditions are named by their columns"),
    ],
)
def test_a_builders_question_is_refused_in_the_builders_words(ask, words):
    """Sites speak SQL, whoever asks; or a message named the parts of a plan, or none was there."""
    with pytest.raises(tp.Refused) as refused:
        ask(tp.table("person")).persons()
    assert words in str(refused.value)


def test_a_suppressed_mean_of_many_is_not_said_to_be_of_few():
    """Told before in other words, it was withheld of 500 persons, with the advice to ask for larger groups alone."""
    told = tp.table("person").group_by("sex").mean("weight")
    assert told.pooled["mean_weight"].notna().all()
    again = tp.table("person").where(weight=slice(50, None)).group_by("sex").mean("weight")
    assert again.pooled["mean_weight"].isna().any()
    assert "however large the group is: one of its kind was told before of this group or a near one" in repr(again)
    assert "or take an earlier answer" in repr(again)
