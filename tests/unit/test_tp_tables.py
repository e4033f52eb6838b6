"""Released tables: what is shown is what was released, what is suppressed or missing is said, and both runs show the same bytes."""

import pandas as pd
import pytest
import tp_sites

import twinpane as tp
from twinpane import _host
from twinpane.ask.ask_sites import ask
from twinpane_broker.aggregates.registry import measure_of
from twinpane_broker.aggregates.value import Value
from twinpane_broker.question.category import Category
from twinpane_broker.question.plan import Group, Order, Plan
from twinpane_broker.release.release import FIXED_REASONS, Release, ReleasedColumn, Row

PLAN = Plan(table="person", group_by=(Group(column="person.sex"),), measures=(measure_of("persons", label="n"),))
SEXES = (Category(value="F", label="female"), Category(value="M", label="male"), Category(kind="missing"))


def release(site, counts, kind="persons", keys=SEXES, weights=None, name="n", **more):
    """A release of one measure by sex; None is suppressed."""
    rows = tuple(
        Row(key=(key,), persons=value if kind != "mean" else 100, values=(Value(value=value, n=weights[i] if weights else None),))
        for i, (key, value) in enumerate(zip(keys, counts, strict=False))
    )
    columns = (ReleasedColumn(name="sex", kind="dimension"), ReleasedColumn(name=name, kind=kind))
    parts = {"id": site[-1] * 32, "site": site, "plan_hash": "0" * 64, "snapshot": "2026-06", "policy": "10-5 ab12", "persons": 100}
    parts |= {"rules": ({"code": "threshold", "numbers": {"persons": 10}},), "columns": columns, "rows": rows}
    return Release(**parts | more).model_dump(mode="json")


def refusal(site, code="withheld", reason=FIXED_REASONS["withheld"]):
    """A site's refusal."""
    return {"status": "refused", "site": site, "plan_hash": "0" * 64, "code": code, "reason": reason}


@pytest.fixture
def answer(monkeypatch):
    """Makes the host answer queries with these sites; returns the plans it was asked."""
    plans = []

    def give(sites, missing=None, titles=()):
        def call(kind, **args):
            if kind == "catalogue":
                return {"sites": {}}
            assert kind == "query"
            plans.append(args["plan"])
            return {"sites": sites, "missing": missing or {}, "titles": titles}

        monkeypatch.setattr(_host, "call", call)
        return plans

    return give


TWO = {"site-a": release("site-a", [520, 480, None]), "site-b": release("site-b", [1200, 1255, 15])}


def test_every_site_and_the_pool_have_a_column(answer):
    """Counts add up, with thousands set apart."""
    answer(TWO)
    lines = repr(ask(PLAN)).splitlines()
    assert lines[1].split() == ["sex", "site-a", "site-b", "pooled"]
    assert lines[2].split() == ["female", "520", "1,200", "1,720"]


def test_a_suppressed_part_is_said_and_its_pool_is_marked(answer):
    """A suppressed part is said in words, and its pool is marked.

    A pooled number that lacks a suppressed part never passes for the whole.
    """
    answer(TWO)
    table = ask(PLAN)
    assert repr(table).splitlines()[4].split() == ["(missing)", "suppressed", "15", "15*"]
    assert "* without a site that suppressed its part: it is at least so much." in repr(table)
    html = table._repr_mimebundle_()["text/html"]
    assert '<td class="s">suppressed</td>' in html
    assert "without a site that" in html


def test_the_caption_says_rules_and_missing_sites_and_why(answer):
    """A reader knows under which rule the numbers came and whose are not in them."""
    answer(TWO | {"site-c": refusal("site-c")}, {"site-d": "offline", "site-e": "late"})
    shown = repr(ask(PLAN))
    assert "Released by site-a and site-b under 10-5 ab12: cells of fewer than 10 persons are suppressed" in shown
    assert "site-d (offline); site-e (did not answer in time: it is busy, or its steward froze it" in shown
    assert "; site-c (Withheld by the site's disclosure rules" in shown


def test_sites_go_by_their_titles_in_the_projects_order(answer):
    """As in the strip under the cell; code that goes on with the numbers has the ids."""
    answer(TWO, {"site-c": "offline"}, [["site-b", "Beta Clinic"], ["site-a", "Alpha <i>Hospital</i>"], ["site-c", "Gamma Hospital"]])
    table = ask(PLAN)
    assert repr(table).splitlines()[1].split("  ")[-3:] == ["Beta Clinic", "Alpha <i>Hospital</i>", "pooled"]
    assert "Released by Beta Clinic and Alpha <i>Hospital</i> under" in repr(table)
    assert "Not in this table: Gamma Hospital (offline)." in repr(table)
    assert "<i>" not in table._repr_mimebundle_()["text/html"]
    assert set(table.frame()["site"]) == {"site-a", "site-b", "pooled"}


def test_means_keep_their_digits(answer):
    """6.8 beside 6.82 would look less exact than it is."""
    answer({"site-a": release("site-a", [6.8, 1230.0, 0.07], kind="mean", weights=[100, 100, 100])})
    assert [line.split()[-1] for line in repr(ask(PLAN)).splitlines()[2:5]] == ["6.80", "1,230", "0.0700"]


def test_both_runs_show_the_same_bytes(answer):
    """The same answer gives the same table, whatever order its sites came in and however often it is shown."""
    answer(TWO)
    once = ask(PLAN)._repr_mimebundle_()
    answer(dict(reversed(TWO.items())))
    assert ask(PLAN)._repr_mimebundle_() == once


def test_the_frame_has_a_row_per_cell_and_site_with_na(answer):
    """The frame has one row per cell and site, with NA where suppressed. Code goes on with whole numbers and NA, not with text."""
    answer(TWO)
    frame = ask(PLAN).frame()
    assert list(frame.columns) == ["sex", "site", "n", "partial", "about", "note", "n_low", "n_high"]
    assert frame["n"].tolist()[:3] == [520, 1200, 1720]
    assert frame["n"].dtype == pd.Int64Dtype()
    assert pd.isna(frame["n"][6])


def test_the_frame_says_which_pooled_numbers_are_at_least_so(answer):
    """115 were pooled of 212, as two sites suppressed theirs, and no column said so; a file of it says so too."""
    answer(TWO)
    frame = ask(PLAN).frame()
    assert frame["partial"].tolist() == [False] * 8 + [True]
    assert ask(PLAN).pooled["partial"].tolist() == [False, False, True]
    assert ask(PLAN).frame().to_csv(index=False).splitlines()[-1] == ",pooled,15,True,False,n: without site-a,,"


ABOUT = "≈ about: do not subtract it from other numbers. It is the number of a near group, or of the same one; before rounding, they "
ABOUT += "differ by fewer than 20 persons (40 or more where it was added up, or others stand between). A pooled number is about "
ABOUT += "if a part of it is."


def of_another_group(site, place, persons):
    """A release of which one cell has the number of a group that was released before."""
    made = release(site, [520, 480, None])
    made["rows"][place] |= {"persons": persons, "about": True, "values": [{"value": persons, "about": True}]}
    return made


def test_a_small_number_that_is_about_says_how_far_it_may_be_off(answer):
    """What is left of a line may be 15 of 6 persons and 9 others: it says so, and which suppressed category these may be of."""
    first = release("site-a", [500, 15, None])
    first["rows"][1] |= {"about": True, "values": [{"value": 15, "about": True}]}
    answer({"site-a": first})
    assert "\nmale: ≈ 15 (0–54) may hold persons of what is suppressed beside it: (missing).\n" in f"{ask(PLAN)!r}\n"


def test_a_pooled_number_that_is_about_says_its_range(answer):
    """Two sites' 20 and 25, of none to 59 and to 64 persons, were pooled as 45: as many as 123 may be meant, or nobody."""
    answer({"site-a": of_another_group("site-a", 1, 20), "site-b": of_another_group("site-b", 1, 25)})
    table = ask(PLAN)
    assert repr(table).splitlines()[3].split() == ["male", "≈", "20", "(0–59)", "≈", "25", "(0–64)", "≈", "45", "(0–123)"]
    assert "<td>≈ 25 (0–64)</td>" in table._repr_mimebundle_()["text/html"]
    assert "≈ 45 (0–123)" in table._repr_mimebundle_()["text/html"]
    pooled = table.pooled.loc[1]
    assert (pooled["note"], pooled["n_low"], pooled["n_high"]) == ("n: 0–123", 0, 123)


def test_a_pooled_share_that_is_about_says_its_range(answer):
    """10 of 100 persons at one site, where the ten are about, and 50 of 100 at the other: 30 % may be 19 to 42."""

    def of(site, n, about):
        return shares(site, (n, 100)) | {"rows": [{**shares(site, (n, 100))["rows"][0], "about": about}]}

    first = of("site-a", 10, True)
    first["rows"][0]["values"][0] |= {"value": 10.0, "about": True}
    answer({"site-a": first, "site-b": of("site-b", 50, False)})
    assert repr(ask(PLAN)).splitlines()[2].endswith(" %)")
    assert "≈ 10.0 % (0–81 %)" in repr(ask(PLAN))
    low, high = ask(PLAN).pooled.loc[0, ["n_low", "n_high"]]
    assert low <= 100 * 50 / 200 < 100 * (50 + 49) / 200 <= high


def test_a_large_number_that_is_about_needs_no_span(answer):
    """39 persons of 1,255 are within what a reader expects of *about*."""
    answer({"site-a": of_another_group("site-a", 1, 1255)})
    assert "≈ 1,255\n" in repr(ask(PLAN))
    assert ask(PLAN).frame()["note"].isna().all()


def test_a_number_that_is_about_is_marked_and_explained(answer):
    """As text and as HTML, at the site and where it is pooled; the note gives the number of persons of the site's rules."""
    answer({"site-a": of_another_group("site-a", 1, 110), "site-b": TWO["site-b"]})
    table = ask(PLAN)
    assert repr(table).splitlines()[2].split() == ["female", "520", "1,200", "1,720"]
    assert repr(table).splitlines()[3].endswith("≈ 110 (71–149)   1,255  ≈ 1,365")
    html = table._repr_mimebundle_()["text/html"]
    assert "<td>≈ 110 (71–149)</td>" in html
    for shown in (repr(table), html):
        assert shown.count(ABOUT) == 1


def test_an_answer_without_such_numbers_explains_no_mark(answer):
    """A note about a mark that is not there would puzzle; the rules may name it."""
    answer(TWO)
    assert "≈" not in repr(ask(PLAN))


def test_the_frame_and_its_file_say_which_numbers_are_about(answer):
    """One site's line, and the pooled line that it is part of."""
    answer({"site-a": of_another_group("site-a", 1, 110), "site-b": TWO["site-b"]})
    frame = ask(PLAN).frame()
    assert frame["n"].tolist()[3:6] == [110, 1255, 1365]
    assert frame["about"].tolist() == [False, False, False, True, False, True, False, False, False]
    assert ask(PLAN).pooled["about"].tolist() == [False, True, False]
    assert frame.to_csv(index=False).splitlines()[4] == "M,site-a,110,False,True,n: 71–149,71,149"


def test_the_persons_of_the_question_bear_the_mark_too(answer):
    """They are folded away with the release's id."""
    answer({"site-a": release("site-a", [520, 480, None], persons=1000, about=True)})
    assert "≈ 1,000 persons" in ask(PLAN)._repr_mimebundle_()["text/html"]


def test_a_pool_without_a_silent_site_is_partial(answer):
    """Its persons are missing from every number."""
    answer({"site-a": TWO["site-a"], "site-b": refusal("site-b")})
    assert ask(PLAN).pooled["partial"].tolist() == [True, True, False]


def test_pooled_is_a_frame_of_its_own(answer):
    """One row per cell."""
    answer(TWO)
    pooled = ask(PLAN).pooled
    assert list(pooled.columns) == ["sex", "n", "partial", "about", "note", "n_low", "n_high"]
    assert pooled["n"].tolist() == [1720, 1735, 15]


def test_means_are_pooled_by_their_weights(answer):
    """Not the mean of means; at three significant digits, like the sites' own."""
    answer({
        "site-a": release("site-a", [10.0, None], kind="mean", weights=[100, None]),
        "site-b": release("site-b", [20.0, 7.0], kind="mean", weights=[300, 50]),
    })  # fmt: skip
    assert ask(PLAN).pooled["n"].tolist() == [17.5, 7.0]


def test_means_without_their_numbers_are_not_suppressed(answer):
    """Beside a number that is about, a site does not say over how many values its mean is: the sites' means stand, and none is pooled."""
    answer({
        "site-a": release("site-a", [10.0, None], kind="mean"),
        "site-b": release("site-b", [20.0, None], kind="mean"),
    })  # fmt: skip
    shown = repr(ask(PLAN))
    assert shown.splitlines()[2].split() == ["female", "10.0", "20.0", "see", "sites"]
    assert shown.splitlines()[3].split() == ["male", "suppressed", "suppressed", "suppressed"]
    assert "see sites: a site does not say over how many values" in shown


def test_no_mean_is_pooled_without_a_site_that_shows_its_own(answer):
    """A site beside a number that is about does not weigh its mean of 1,750: the pool was the other's 125, starred as *at least*."""
    answer({
        "site-a": release("site-a", [1750.0, 30.0], kind="mean"),
        "site-b": release("site-b", [125.0, 40.0], kind="mean", weights=[75, 50]),
    })  # fmt: skip
    shown = repr(ask(PLAN))
    assert shown.splitlines()[2].split()[1:] == ["1,750", "125", "see", "sites"]
    assert "see sites: a site does not say over how many values its number is, so it cannot be pooled." in shown
    assert "*" not in shown
    assert ask(PLAN).pooled["partial"].tolist() == [False, False]


def test_a_share_without_a_site_is_not_at_least_so_much(answer):
    """Neither its persons nor those that it is of are in a pooled share: it may be smaller with them."""
    answer({"site-a": shares("site-a", (10, 100)), "site-b": shares("site-b", None)})
    shown = repr(ask(PLAN))
    assert shown.splitlines()[2].split()[-2:] == ["10.0", "%*"]
    assert "* without a site that suppressed its part: it is of the other sites alone." in shown


def test_counts_and_means_say_each_what_they_are_without_a_site(answer):
    """A line's count may be whole where its mean is not: the note of the frame names the number that lacks a site."""

    def both(site, weight):
        made = release(site, [100])
        made["columns"].append({"name": "m", "kind": "mean"})
        made["rows"][0]["values"].append({"value": weight and 5.0, "n": weight})
        return made

    two = PLAN.model_copy(update={"measures": (measure_of("count"), measure_of("mean", column="person.age"))})
    answer({"site-a": both("site-a", 100), "site-b": both("site-b", None)})
    table = ask(two)
    assert repr(table).splitlines()[2].split()[1:] == ["100", "100", "200", "5.00", "suppressed", "5.00*"]
    assert table.pooled[["partial", "note"]].values.tolist() == [[True, "m: without site-b"]]
    assert "* without a site that suppressed its part: it is of the other sites alone." in repr(table)


def shares(site, of):
    """A share of one category; None is suppressed."""
    made = release(site, [None if of is None else 10.0], kind="share")
    made["rows"][0]["values"][0] |= {} if of is None else {"n": of[0], "of": of[1]}
    return made


def test_where_nobody_is_nothing_is_suppressed_or_missing(answer):
    """A site that shows zeros says that nobody is there: there is no mean to suppress, and the pool is whole."""
    nobody = release("site-b", [None, 30.0], kind="mean", weights=[None, 50])
    nobody["rows"][0]["persons"] = 0
    answer({"site-a": release("site-a", [10.0, 20.0], kind="mean", weights=[100, 50]), "site-b": nobody})
    table = ask(PLAN)
    assert repr(table).splitlines()[2].split()[-3:] == ["10.0", "–", "10.0"]
    assert "suppressed" not in "".join(repr(table).splitlines()[:4])
    assert table.pooled["partial"].tolist() == [False, False]
    answer({"site-a": nobody | {"site": "site-a"}, "site-b": nobody})
    assert repr(ask(PLAN)).splitlines()[2].split()[-3:] == ["–", "–", "–"]


def test_a_description_has_no_empty_column(answer):
    """A column *values* stood empty where no site says over how many values its numbers are."""
    described = PLAN.model_copy(update={"measures": (measure_of("mean", column="person.age", label="n"),)})
    for weights, head in (([None, None], ["site", "mean"]), ([100, None], ["site", "values", "mean"])):
        answer({"site-a": release("site-a", [5.0, 6.0], kind="mean", weights=weights)})
        shown = repr(ask(described).seen_as("describe")).splitlines()
        assert shown[1].split()[1:] == head
        assert shown[3].split()[1:] == ["site-a", *(["not", "said"] if "values" in head else []), "6.00"]


def test_an_absent_site_is_named_once_not_at_every_number(answer):
    """The caption says it; the mark is for parts that a site of the table suppressed."""
    answer(TWO, {"site-c": "offline"})
    assert repr(ask(PLAN)).splitlines()[2].split()[-1] == "1,720"


def test_a_cell_that_a_site_does_not_have_is_no_suppressed_one(answer):
    """An unlisted code at one site shows a dash there, and the pool says that a part is missing."""
    answer({"site-a": release("site-a", [520, 480]), "site-b": release("site-b", [1200], keys=SEXES[:1])})
    table = ask(PLAN)
    assert repr(table).splitlines()[3].split() == ["male", "480", "–", "480*"]
    assert len(table.frame()) == 5


def test_order_and_limit_are_done_on_the_joined_table(answer):
    """The sites are asked the plain question; suppressed values come last either way."""
    plans = answer({"site-a": release("site-a", [50, 480, None])})
    table = ask(PLAN.model_copy(update={"order_by": (Order(by="n", descending=True),), "limit": 2}))
    assert [line.key[0].value for line in table.cells.rows] == ["M", "F"]
    assert "1 row is left out by LIMIT or HAVING; 1 of them has suppressed numbers" in repr(table)
    assert plans[0]["order_by"] == []
    assert plans[0]["limit"] is None


def test_one_site_needs_no_pool(answer):
    """Its numbers are shown once."""
    answer({"site-a": TWO["site-a"]})
    assert "pooled" not in repr(ask(PLAN))


def test_when_all_sites_refuse_alike_there_is_one_sentence(answer):
    """One reason, not three."""
    answer({site: refusal(site) for site in ("site-a", "site-b")}, {"site-c": "offline"})
    with pytest.raises(tp.Refused) as caught:
        ask(PLAN)
    assert str(caught.value).count("Withheld by") == 1
    assert "site-c: offline" in str(caught.value)


def test_when_sites_refuse_for_different_reasons_each_is_named(answer):
    """The reader sees which site says what."""
    answer({"site-a": refusal("site-a"), "site-b": refusal("site-b", "catalogue", "person has no column shoe_size")})
    with pytest.raises(tp.Refused, match=r"site-a: Withheld .* site-b: person has no column shoe_size"):
        ask(PLAN)


def test_when_no_site_answers_the_error_says_why(answer):
    """Offline sites are no refusal."""
    answer({}, {"site-a": "offline"})
    with pytest.raises(tp.TwinpaneError, match=r"no site answered \(site-a: offline\)"):
        ask(PLAN)


def test_everything_others_wrote_is_escaped(answer):
    """Labels, rules and policies are texts of the sites."""
    bad = "<img src=x onerror=alert(1)>"
    answer({"site-a": release("site-a", [50], keys=(Category(value="F", label=bad),), rules=(bad,), policy=bad, snapshot=bad)})
    table = ask(PLAN)
    assert "<img" not in table._repr_mimebundle_()["text/html"]


def test_a_plot_is_drawn_from_the_release(answer):
    """One bar per released number; a suppressed one is a hatched strip beyond the axis, and a note says what that means."""
    answer(TWO)
    axes = ask(PLAN).plot()
    drawn = [bar for bars in axes.containers for bar in bars]
    assert sorted(bar.get_width() for bar in drawn if not bar.get_hatch()) == [15, 480, 520, 1200, 1255]
    assert [bar.get_width() for bar in drawn if bar.get_hatch()] == [-0.04 * 1255]
    assert "hatched: suppressed" in axes.figure.get_supxlabel()


def test_sql_that_a_plan_cannot_say_is_refused_by_name(answer):
    """The researcher reads which construct, and no site's ledger is troubled."""
    plans = answer(TWO)
    with pytest.raises(tp.Refused) as caught:
        tp.sql("select * from person")
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    assert plans == []


def test_sql_and_builder_ask_the_same(answer):
    """Two ways to say it, one plan."""
    plans = answer(TWO)
    tp.sql("select sex, count(distinct person_id) from person where sex in ('F', 'M') group by sex")
    tp.table("person").where(sex=["F", "M"]).group_by("sex").persons()
    asked = [Plan.model_validate(plan).question for plan in plans]
    assert asked[0] == asked[1]


def test_an_error_of_ours_shows_its_sentence_and_the_cells_line(answer):
    """An error of ours shows as its sentence and the cell's line. No frames of this package in the researcher's face."""
    from IPython.core.interactiveshell import InteractiveShell

    answer({}, {"site-a": "offline"})
    shell = InteractiveShell.instance()
    try:
        result = shell.run_cell("import twinpane as tp\n\ntp.table('person').count()")
        assert result.error_in_exec._render_traceback_()[1].startswith("TwinpaneError: no site answered")
        assert result.error_in_exec._render_traceback_()[0].endswith("line 3")
    finally:
        InteractiveShell.clear_instance()


def test_a_withheld_answer_says_what_it_used_of_the_account(answer):
    """It costs as much as numbers do, and nothing said so: a morning of withheld tables emptied a condition's account."""
    lines = [
        {"attribute": "person.smoker", "told": 83, "most": 120, "used": 4},
        {"attribute": "person.race", "told": 3, "most": 120, "used": 3},
    ]
    said = "this used 4 of 120 sets of persons of person.smoker, and 37 are left; so of 1 more attributes, see tp.account()."
    answer({"site-a": refusal("site-a") | {"account": lines}})
    with pytest.raises(tp.Refused, match="site-a") as refused:
        ask(PLAN)
    assert f"When it was given first, at site-a: {said}" in str(refused.value)
    answer({"site-a": refusal("site-a") | {"account": lines}, "site-b": release("site-b", [520, 480, None]) | {"account": lines}})
    shown = repr(ask(PLAN))
    assert f"When it was given first, {said[:-1]})" in shown
    assert f"site-b: When it was given first, {said}" in shown
    assert said in ask(PLAN)._repr_mimebundle_()["text/html"].partition("<summary>rules and releases")[2]


def test_what_a_question_may_cost_is_said_before_it_is_asked(monkeypatch):
    """By site, of SQL and of a question of the builder, without a word to a site."""
    asked = []
    monkeypatch.setattr(_host, "call", lambda kind, **args: asked.append(kind) or tp_sites.answer(kind, **args))
    plain = tp.cost("select sex, count(*) from person group by sex")
    assert dict(plain) == {"Metro General Hospital": 4, "Valley Clinic": 4, "Coast Medical Center": 4}
    assert "Valley Clinic: at most 4 sets of persons" in repr(plain)
    assert tp.table("person").group_by("sex").cost() == plain
    assert set(tp.table("person").group_by("sex").totals().cost("persons", mean="age", sum="age").values()) == {12}
    below = tp.cohort("c", entry=tp.event("lab", concept=[3016723], descendants=True))
    assert tp.table("person", cohort=below).group_by("sex").cost() == plain, "which codes are below others is the site's to say"
    with pytest.raises(tp.Refused, match="no table nothing"):
        tp.cost("select count(*) from nothing")
    assert set(asked) == {"catalogue"}
