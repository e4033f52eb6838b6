"""What a question's answer looks like: layouts that can be read, frames that code goes on with, words that say what is missing."""

import pandas as pd
import pytest
import tp_sites

import twinpane as tp
from twinpane import _host
from twinpane.ask import account
from twinpane.ask.result import Result


@pytest.fixture(autouse=True)
def calls(monkeypatch):
    """Three hospitals; the calls that were made of them, by kind."""
    made = []

    def call(kind, **args):
        made.append(kind)
        return tp_sites.answer(kind, **args)

    monkeypatch.setattr(_host, "call", call)
    return made


def lines(table):
    """The text's lines as lists of words."""
    return [line.split() for line in repr(table).splitlines()]


def html(shown):
    """What a notebook shows."""
    return shown._repr_mimebundle_()["text/html"] if isinstance(shown, Result) else shown._repr_html_()


def test_a_description_has_a_line_per_group_and_site():
    """Seven numbers of three sites would be a table that nobody can read."""
    shown = lines(tp.describe("person", "age"))
    assert shown[0] == ["age", "(years)"]
    assert shown[1] == ["site", "values", "mean", "sd", "5", "%", "25", "%", "50", "%", "75", "%", "95", "%"]
    assert shown[2] == ["Metro", "General", "Hospital", "1,800", "53.0", "10", "27", "37", "50", "62", "72"]
    assert shown[5][:4] == ["pooled", "2,580", "52.3", "10"]


def test_quantiles_are_not_pooled_and_the_table_says_what_to_do():
    """No empty column of pooled numbers."""
    shown = repr(tp.quantiles("person", "age"))
    assert "pooled" not in shown.splitlines()[1]
    assert "Quantiles are per site: they cannot be pooled; a histogram can." in shown
    assert tp.quantiles("person", "age").pooled.drop(columns=["partial", "about", "note"]).isna().all(axis=None)


def test_a_correlation_over_sites_says_that_it_is_within_them():
    """Two sites' clouds can lie apart."""
    shown = repr(tp.correlation("person", "age", "weight"))
    assert "0.35†" in shown
    assert "† within the sites: differences between the sites' means are not in it." in shown


def test_a_pooled_standard_deviation_asks_for_the_means():
    """The result has no dagger."""
    assert "†" not in repr(tp.table("person").sd("age"))


def test_shares_stand_beside_the_persons_they_are_made_of():
    """``720 (40.0 %)``: a percentage alone says little."""
    shown = html(tp.crosstab("person", "sex", "birth", birth="year", share="rows", margins=False))
    assert "birth_year: persons (share)" in shown
    assert "<td>288 (16.0 %)</td>" not in shown
    assert "<td>285 (15.8 %)</td>" in shown


def test_totals_are_the_last_row_and_the_last_column():
    """``all``, set apart by weight and lines, not by colour."""
    shown = html(tp.crosstab("person", "sex", "birth", birth="year"))
    head = shown.split("<thead>")[1].split("</thead>")[0]
    assert head.endswith('<th class="p" scope="col">all</th></tr>')
    assert shown.split("</tbody>")[0].split("<tr")[-1].startswith(' class="t b"><th class="g" scope="row">all</th>')
    flat = lines(tp.table("person").group_by("sex").totals().persons())
    assert flat[5][0] == "all"


def test_what_was_withheld_and_why_is_said_in_words():
    """The site's own number of persons, not a code."""
    table = tp.table("person").group_by("sex", birth="year").persons()
    assert "suppressed: ask for fewer, larger groups. The number is of fewer than 10 persons, or would tell of" in repr(table)
    assert "<details><summary>rules and releases</summary>" in html(table)
    assert "Not in this table: Hill Hospital (offline)." in html(table)


def test_rules_that_name_no_number_are_not_given_one(monkeypatch):
    """Words of another policy stay true."""
    monkeypatch.setattr(tp_sites, "RULES", ("Noise is added to every count.",))
    shown = repr(tp.table("person").group_by("sex", birth="year").persons())
    assert "suppressed: ask for fewer, larger groups. The number is of too few persons, or would" in shown


def test_frames_hold_totals_bins_and_each_kinds_numbers():
    """Codes, lower ends of bins, ``(all)``; whole numbers for counts, floats for the rest."""
    frame = tp.table("person").group_by("sex", age=20).totals().measures("persons", mean="age").frame()
    assert list(frame.columns) == ["sex", "age", "site", "persons", "mean_age", "partial", "about", "note", "persons_low", "persons_high"]
    assert set(frame["age"].dropna()) == {0, 20, 40, 60, 80, "(all)"}
    assert frame["persons"].dtype == pd.Int64Dtype()
    assert frame["mean_age"].dtype == pd.Float64Dtype()


def test_several_columns_are_described_one_below_the_other(calls):
    """A question each, one frame of all."""
    several = tp.describe("person", "age", "weight", by="sex")
    assert list(several) == ["age", "weight"]
    assert calls == ["query", "query"]
    frame = several.frame()
    assert list(frame.columns) == ["sex", "site", "column", "mean", "sd", "p5", "p25", "p50", "p75", "p95", "partial", "about", "note"]
    assert len(frame) == 2 * 3 * 4
    assert html(several).count("<table>") == 2
    assert list(tp.describe("person")) == ["age", "weight"]


def test_a_column_that_is_refused_does_not_hide_the_others(monkeypatch):
    """Its reason stands in its place."""

    def call(kind, **args):
        reply = tp_sites.answer(kind, **args)
        if kind == "query" and args["plan"]["measures"][0]["column"] == "person.weight":
            refused = {"status": "refused", "plan_hash": "0" * 64, "code": "catalogue", "reason": "person.weight is closed."}
            return {"sites": {"metro": {**refused, "site": "metro"}}, "missing": {}, "titles": []}
        return reply

    monkeypatch.setattr(_host, "call", call)
    several = tp.describe("person", "age", "weight")
    assert list(several) == ["age"]
    assert "weight: person.weight is closed." in repr(several)
    with pytest.raises(tp.Refused, match="is closed"):
        several["weight"]


def test_a_histogram_takes_a_width_that_suits_every_catalogue(calls):
    """A histogram takes a width that suits every site's catalogue.

    A round one, allowed at all sites, with about a dozen bins where most values are.
    """
    table = tp.histogram("person", "age")
    assert (table.plan.group_by[0].width, calls) == (5, ["catalogue", "query"])
    assert tp.histogram("person", "weight").plan.group_by[0].width == 50
    assert tp.histogram("person", "age", 20).plan.group_by[0].width == 20


@pytest.mark.parametrize(("column", "says"), [("agee", "Did you mean age"), ("sex", "only measures have histograms")])
def test_a_histogram_of_what_has_none_is_refused_before_asking(calls, column, says):
    """A histogram of what has none is refused before it is asked. With what to write instead."""
    with pytest.raises(tp.Refused, match=says):
        tp.histogram("person", column)
    assert calls == ["catalogue"]


@pytest.mark.parametrize(
    ("view", "says"),
    [
        ("crosstab", "two groups and one measure"), ("histogram", "bins of a measure"), ("describe", "measures of one column"),
        ("correlation", "needs correlations"), ("pie", "no view 'pie'"),
    ],
)  # fmt: skip
def test_a_view_that_does_not_fit_is_refused_by_what_it_needs(view, says):
    """Pictures never show what the numbers are not."""
    table = tp.table("person").group_by("sex").measures("persons", mean="age")
    with pytest.raises(tp.TwinpaneError, match=says):
        table.seen_as(view)
    assert tp.table("person").group_by("sex", birth="year").persons().seen_as("crosstab").view == "crosstab"


def test_a_profile_is_catalogue_page_description_and_picture(calls):
    """A profile is the catalogue's page, a description and a picture.

    Role, unit, bounds, completeness by site, percentiles; then the releases.
    """
    profile = tp.profile("person", "age", sex="F")
    assert calls == ["catalogue", "query", "catalogue", "query"]
    shown = html(profile)
    for words in ("measure (integer)", "years", "0 to 100", "80% of rows at Coast Medical Center", "22, 52, 80 (rounded)", "<svg"):
        assert words in shown
    assert profile["description"].plan.where.codes == ("F",)
    assert profile.frame().equals(profile["description"].frame())
    assert "mean" in repr(profile)


def test_profiles_of_codes_and_dates_are_counts(calls):
    """Bars by name, bars by year; text has no more than its page."""
    codes, years, note = tp.profile("person", "sex"), tp.profile("person", "birth"), tp.profile("person", "note")
    assert ">female</text>" in html(codes)
    assert str(years["rows by year"].plan.group_by[0].bin) == "year"
    assert note.tables == {}
    with pytest.raises(tp.TwinpaneError, match="no releases"):
        note.frame()


def test_a_profile_shows_the_same_bytes_in_both_runs():
    """Its picture too."""
    assert html(tp.profile("person", "age")) == html(tp.profile("person", "age"))


def test_everything_that_sites_wrote_is_escaped_in_every_view(monkeypatch):
    """Labels of codes and columns."""
    bad = "<img src=x onerror=alert(1)>"
    monkeypatch.setattr(tp_sites, "SEXES", tuple(c.model_copy(update={"label": bad}) if c.value else c for c in tp_sites.SEXES))
    monkeypatch.setattr(tp_sites, "TITLES", [[site, bad] for site, _ in tp_sites.TITLES])
    catalogue = tp.catalogue()
    for shown in (
        tp.crosstab("person", "sex", "birth", birth="year"), tp.describe("person", "age", by="sex"), tp.profile("person", "sex"),
        catalogue, catalogue["person"]["sex"], catalogue.find("img"), tp.describe("person", "age", "weight"),
    ):  # fmt: skip
        assert "<img" not in html(shown)


@pytest.fixture
def told(monkeypatch):
    """Lines of the account that the metro's answers bear; no earlier ones."""
    lines = {"person.smoker": 150}

    def call(kind, **args):
        reply = tp_sites.answer(kind, **args)
        if kind == "query":
            given = [{"attribute": name, "told": told, "most": 200} for name, told in lines.items()]
            reply["sites"]["metro"]["account"] = given
        return reply

    monkeypatch.setattr(_host, "call", call)
    monkeypatch.setattr(account, "_heard", {})
    return lines


def test_what_is_left_of_the_account_is_shown_per_site(told):
    """Of every attribute that was asked about, as the answer that told most said; with least left first."""
    assert repr(tp.account()) == "No site was asked about an attribute yet, since the kernel started."
    tp.table("person").count()
    told |= {"person.smoker": 100, "visit.ward = <icu>": 180}
    tp.table("person").count()
    assert repr(tp.account()).splitlines() == [
        "Metro General Hospital  visit.ward = <icu>: 180 of 200 sets told, 20 left",
        "Metro General Hospital  person.smoker: 150 of 200 sets told, 50 left",
    ]
    frame = tp.account().frame()
    assert list(frame.columns) == ["site", "attribute", "told", "left", "most"]
    assert frame.iloc[0].tolist() == ["metro", "visit.ward = <icu>", 180, 20, 200]
    assert '<td class="g">visit.ward = &lt;icu&gt;</td><td>180</td><td>20</td><td>200</td>' in html(tp.account())


def test_a_table_says_where_little_is_left(told):
    """Less than a quarter; otherwise no word of it."""
    assert "fewer groups" not in repr(tp.table("person").count())
    told["person.smoker"] = 1151
    low = "Ask with fewer groups: Metro General Hospital has few sets of persons left for person.smoker (0 of 200); tp.account() shows all."
    assert low in repr(tp.table("person").count())
    assert low in html(tp.table("person").count())


def test_a_refusal_tells_of_the_account_too(told, monkeypatch):
    """Also where no site released anything."""
    line = {"attribute": "person.smoker", "told": 7, "most": 8}
    refused = {"status": "refused", "site": "metro", "plan_hash": "0" * 64, "code": "spent", "reason": "No room.", "account": [line]}
    monkeypatch.setattr(_host, "call", lambda _, **__: {"sites": {"metro": refused}, "missing": {}, "titles": []})
    with pytest.raises(tp.Refused):
        tp.table("person").count()
    assert [(one.site, one.line.left) for one in tp.account()] == [("metro", 1)]
    monkeypatch.setattr(_host, "call", lambda _, **__: {"sites": {"metro": refused | {"account": "much"}}})
    with pytest.raises(ValueError, match="tuple"):
        tp.table("person").count()


def test_a_long_account_is_cut_where_it_is_shown(told):
    """The frame has all of it."""
    told |= {f"lab.code = {number}": number for number in range(1, account.SHOWN)}
    tp.table("person").count()
    told.clear()
    told["last"] = 1
    tp.table("person").count()
    assert repr(tp.account()).splitlines()[-1] == "101 lines, the first 100 shown; .frame() has them all."
    assert len(tp.account().frame()) == 101
