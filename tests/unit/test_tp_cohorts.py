"""Cohorts in the notebook: what the builder says, what it refuses at once, what is saved, and the attrition table."""

import json

import matplotlib
import numpy as np
import pytest

import twinpane as tp
from twinpane import _host
from twinpane.cohorts.builder import CohortBuilder
from twinpane_broker.aggregates.value import Value
from twinpane_broker.question.cohort import Cohort, Happened
from twinpane_broker.question.plan import Plan
from twinpane_broker.release.release import Refusal, Release, ReleasedColumn, Row

METFORMIN = tp.event("drug_exposure", drug_concept_id=[1503297], descendants=True)
INSULIN = tp.event("drug_exposure", drug_concept_id=1516766)
DIABETES = tp.event("condition_occurrence", condition_concept_id=201826, descendants=True)


def new_users():
    """The cohort of the documentation."""
    return (
        tp.cohort("new metformin users", entry=METFORMIN, prior_days=365)
        .require("T2DM before", DIABETES, days=(None, 0), at_least=1)
        .exclude("insulin before", INSULIN, days=(None, -1))
        .aged(40, 64)
    )


# ---------------------------------------------------------------- building


def test_an_event_is_conditions_on_its_own_table():
    """Bare names are the table's columns; descendants go with whole numbers only."""
    made = tp.event("measurement", {"measurement.value_as_number": (6.5, None)}, measurement_concept_id=np.int64(3004410), descendants=True)
    terms = {type(term).__name__: term for term in made.where.terms}
    assert terms["In"].descendants
    assert terms["In"].codes == (3004410,)
    assert terms["Range"].low == 6.5
    assert tp.event("condition_occurrence").where is None


def test_a_column_called_like_an_argument_goes_into_the_mapping():
    """date, first and descendants are arguments; columns of these names are not out of reach."""
    made = tp.event("visit", {"date": ("2019-01-01", "2019-12-31")}, date="visit_start_date", first=True)
    assert made.where.column == "visit.date"
    assert (made.date, made.first) == ("visit_start_date", True)


def test_steps_go_on_in_order_and_leave_the_cohort_before_alone():
    """Steps go on in order and leave the cohort before as it was. A cohort can be branched."""
    base = tp.cohort("x", entry=METFORMIN)
    longer = base.require("a", DIABETES, days=(-30, 0)).exclude("b", INSULIN)
    assert base.definition.steps == ()
    assert [(step.name, step.exclude) for step in longer.definition.steps] == [("a", False), ("b", True)]
    window = longer.definition.steps[0].criteria[0]
    assert isinstance(window, Happened)
    assert (window.start, window.end, window.times, window.count) == (-30, 0, "at_least", 1)


def test_several_events_are_any_of_them_or_each_at_most():
    """At least one of either; at most so many of each."""
    cohort = tp.cohort(entry=[METFORMIN, INSULIN]).require("either", DIABETES, INSULIN).require("none", [DIABETES, INSULIN], exactly=0)
    assert len(cohort.definition.entry.events) == 2
    assert [(len(step.criteria), step.any) for step in cohort.definition.steps] == [(2, True), (2, False)]


def test_index_windows_and_ages_have_both_ends_in_them():
    """As everywhere in tp; the plan has half-open windows."""
    cohort = tp.cohort(entry=METFORMIN).indexed("2015-01-01", "2019-12-31").aged(np.int64(18))
    window, age = (step.criteria[0] for step in cohort.definition.steps)
    assert (str(window.start), str(window.end)) == ("2015-01-01", "2020-01-01")
    assert (age.low, age.high) == (18, None)


def test_days_of_observation_are_asked_for_only_when_named():
    """Nought days mean: within a period of observation."""
    assert tp.cohort(entry=METFORMIN).definition.entry.observation is None
    assert tp.cohort(entry=METFORMIN, prior_days=0).definition.entry.observation.prior_days == 0
    named = tp.cohort(entry=METFORMIN, post_days=30, observation=("enrolled", "begin", "stop")).definition.entry.observation
    assert (named.table, named.start, named.end, named.post_days) == ("enrolled", "begin", "stop", 30)


def test_the_earliest_that_is_left_can_be_chosen_after_a_step():
    """For entries that are all tried."""
    cohort = tp.cohort(entry=METFORMIN, first=False).require("a", DIABETES).earliest().aged(18)
    assert [step.first for step in cohort.definition.steps] == [True, False]
    assert tp.cohort(entry=METFORMIN, first=False).earliest().definition.entry.first


@pytest.mark.parametrize(
    ("step", "says"),
    [
        (lambda c: c.require("x"), "needs an event"),
        (lambda c: c.require("x", "drug_exposure"), "needs an event"),
        (lambda c: c.require("x", DIABETES, days=365), "two ends"),
        (lambda c: c.require("x", DIABETES, days=(0, -1)), "begins before it ends"),
        (lambda c: c.require("x", DIABETES, days=(-4000, 0)), "3650"),
        (lambda c: c.require("x", DIABETES, days=(-0.5, 0)), "cannot be asked"),
        (lambda c: c.require("x", DIABETES, at_least=0), "holds for everybody"),
        (lambda c: c.require("x", DIABETES, at_least=1, at_most=3), "only one"),
        (lambda c: c.require("x", DIABETES, atleast=1), "no atleast"),
        (lambda c: c.aged(), "low or a high"),
        (lambda c: c.aged(64, 40), "rises"),
        (lambda c: c.indexed("2015"), "no date"),
        (lambda c: c.indexed(), "start or an end"),
        (lambda c: c.require("x", *[DIABETES] * 9), "at most 8"),
        (lambda c: c.require("x" * 121, DIABETES), "120"),
        (lambda c: tp.event("drug", name="x", descendants=True), "numbers"),
        (lambda c: tp.event("drug", sex=("F", "M")), "as a list"),
        (lambda c: tp.event("drug", {"person.sex": "F"}), "told by columns of drug"),
        (lambda c: tp.cohort(entry=[]), "cannot be asked"),
        (lambda c: tp.cohort(entry=METFORMIN, prior_days=-1), "cannot be asked"),
    ],
)  # fmt: skip
def test_what_is_no_cohort_is_refused_at_once(step, says):
    """Before any site hears of it, and with what to write instead."""
    with pytest.raises(tp.Refused, match=says):
        step(tp.cohort("c", entry=METFORMIN))


def test_a_cohort_says_what_it_is():
    """In words, with days and codes, so that a colleague can read it."""
    text = repr(new_users())
    for part in ("new metformin users", "365 days before", "1503297 and below", "1 days before", "leave out", "age from 40 to 64"):
        assert part in text


# ---------------------------------------------------------------- keeping


def test_a_cohort_is_saved_and_read_back(tmp_path):
    """One canonical JSON; equal cohorts give equal files."""
    path = new_users().save(tmp_path / "cohorts" / "new_users.json")
    assert tp.load_cohort(path) == new_users()
    assert path.read_text() == new_users().to_json() + "\n"
    assert Cohort.model_validate_json(new_users().to_json()) == new_users().definition


@pytest.mark.parametrize(
    ("text", "says"),
    [("", "not JSON"), ("[1]", "no cohort"), ('{"entry": {}}', "no cohort"), ("[" * 100_000, "not JSON"),
     ('{"PrimaryCriteria": {}}', "from_circe"), (json.dumps({"entry": {"events": [{"table": "drug", "sql": "x"}]}}), "no cohort")],
)  # fmt: skip
def test_a_file_that_is_no_cohort_is_refused(tmp_path, text, says):
    """With what it might be instead."""
    (tmp_path / "c.json").write_text(text)
    with pytest.raises(tp.Refused, match=says):
        tp.load_cohort(tmp_path / "c.json")


def test_a_file_that_is_not_there_is_named(tmp_path):
    """Reading and writing say where they looked."""
    with pytest.raises(tp.TwinpaneError, match=r"gone\.json"):
        tp.load_cohort(tmp_path / "gone.json")
    (tmp_path / "file").write_text("")
    with pytest.raises(tp.TwinpaneError, match="cannot be written"):
        new_users().save(tmp_path / "file" / "c.json")


# ---------------------------------------------------------------- asking


def test_a_cohort_goes_into_every_question(monkeypatch):
    """The builder, the functions, and other builders' cohort= take the same thing."""
    from twinpane.ask import question

    asked = []
    monkeypatch.setattr(question, "asked", lambda plan: asked.append(plan) or _Anything())
    cohort = new_users()
    tp.table("person", cohort=cohort).persons()
    tp.table("person").cohort(cohort).group_by("gender_concept_id").count()
    tp.crosstab("person", "gender_concept_id", "race_concept_id", cohort=cohort)
    tp.quantiles("measurement", "value_as_number", cohort=cohort)
    cohort.persons()
    assert [plan.cohort for plan in asked] == [cohort.definition] * 5


class _Anything:
    def seen_as(self, _view):
        return self


class Sites:
    """Two sites that answer how many persons are left after so many steps; None is withheld, a text another refusal's code."""

    def __init__(self, **persons):
        self.persons = persons
        self.asked = []

    def __call__(self, kind, **args):
        assert kind == "query"
        plan = Plan.model_validate(args["plan"])
        self.asked.append(plan)
        sites, missing = {}, {}
        for site, counts in self.persons.items():
            count = counts[len(plan.cohort.steps)]
            if count == "offline":
                missing[site.replace("_", "-")] = "offline"
            else:
                sites[site] = self.answer(site.replace("_", "-"), plan, count).model_dump(mode="json")
        return {"sites": {site.replace("_", "-"): one for site, one in sites.items()}, "missing": missing,
                "titles": {site.replace("_", "-"): site.replace("_", " ").title() for site in self.persons}}  # fmt: skip

    @staticmethod
    def answer(site, plan, count):
        """A release of one number, or a refusal."""
        if not isinstance(count, int):
            code = count or "withheld"
            reason = {"reason": "There is no table drug_exposure."} if code == "catalogue" else {}
            return Refusal(site=site, plan_hash=plan.hash, code=code, **reason)
        return Release(
            id="0" * 32, site=site, plan_hash=plan.hash, snapshot="s", policy="10-5/abc", persons=count,
            rules=({"code": "threshold", "numbers": {"persons": 10}},),
            columns=(ReleasedColumn(name="persons", kind="persons"),),
            rows=(Row(persons=count, values=(Value(value=count, about=isinstance(count, About)),)),),
        )  # fmt: skip


class About(int):
    """A number of persons of another group, which the site released before."""


def attrition(monkeypatch, **persons):
    """The attrition of the documentation's cohort at these sites."""
    monkeypatch.setattr(_host, "call", Sites(**persons))
    return new_users().attrition()


def test_attrition_asks_one_question_per_step(monkeypatch):
    """The entry, then each step added in order; names of steps do not go with prefixes they do not have."""
    sites = Sites(site_a=[1000, 800, 700, 400])
    monkeypatch.setattr(_host, "call", sites)
    new_users().attrition()
    assert [len(plan.cohort.steps) for plan in sites.asked] == [0, 1, 2, 3]
    assert {str(measure.kind) for plan in sites.asked for measure in plan.measures} == {"persons"}


def test_attrition_shows_persons_per_site_and_pooled(monkeypatch):
    """As a frame, as text and as HTML; what a step left out is the difference of what was released."""
    made = attrition(monkeypatch, site_a=[1000, 800, 700, 400], site_b=[500, 450, 445, 200])
    pooled = made.frame().query("site == 'pooled'")
    assert pooled["persons"].tolist() == [1500, 1250, 1145, 600]
    assert pooled["left_out"].iloc[1:].tolist() == [250, 105, 545]
    assert pooled["name"].tolist()[:3] == ["entry", "T2DM before", "without insulin before"]
    assert "Site A" in repr(made)
    assert "  545" in repr(made)
    assert "<td>1,145</td>" in made._repr_html_()


def test_a_withheld_step_does_not_stop_the_others(monkeypatch):
    """It is named, explained, and the next step's loss is counted from the last step that was told."""
    made = attrition(monkeypatch, site_a=[1000, 800, None, 400])
    assert made.persons(2) is None
    assert made.left_out(2) is None
    assert made.left_out(3) == 400
    assert "withheld" in repr(made)
    assert "too few persons" in repr(made)


def test_a_step_that_one_site_withheld_is_marked_when_pooled(monkeypatch):
    """A step that one site withheld is marked in the pooled numbers. And compared only with a step that the same sites told."""
    made = attrition(monkeypatch, site_a=[1000, 800, 700, 400], site_b=[500, 450, None, 200])
    assert made.lacking(2)
    assert made.left_out(2) is None
    assert made.left_out(3) == 650
    assert "700*" in repr(made)


def test_an_absent_site_is_not_called_withheld(monkeypatch):
    """Offline is not the data's doing."""
    made = attrition(monkeypatch, site_a=[1000, 800, 700, 400], site_b=["offline"] * 4)
    assert "Not in this table: Site B (offline)" in repr(made)
    assert "withheld" not in repr(made)
    late = attrition(monkeypatch, site_a=[1000, 800, 700, 400], site_b=[500, 450, "offline", "catalogue"])
    assert "withheld" not in repr(late).partition("*")[0]
    assert "– Site B: offline" in repr(late)


def test_a_cap_is_said(monkeypatch):
    """Steps that were not counted any more are not mistaken for small ones."""
    made = attrition(monkeypatch, site_a=[1000, 800, "capped", "capped"])
    assert "tomorrow" in repr(made)


def test_what_the_catalogue_refuses_stops_the_attrition(monkeypatch):
    """The site's reason is shown, not a column of withheld."""
    with pytest.raises(tp.Refused, match="no table drug_exposure"):
        attrition(monkeypatch, site_a=["catalogue"] * 4)


def test_a_cohort_of_which_nothing_is_told_says_so(monkeypatch):
    """Instead of an empty table."""
    with pytest.raises(tp.TwinpaneError, match="too few persons"):
        attrition(monkeypatch, site_a=[None] * 4)


def test_a_step_with_another_groups_number_is_marked(monkeypatch):
    """So are the pooled number, and the differences on both sides of it; the note says how far the exact number may be."""
    made = attrition(monkeypatch, site_a=[1000, About(1000), 700, 400], site_b=[500, 450, 445, 200])
    shown = repr(made)
    assert shown.splitlines()[3].split()[-7:] == ["1,000", "450", "≈", "1,450", "≈", "50", "(11–89)"]
    assert shown.count("≈ about: do not subtract it from other numbers.") == 1
    assert "fewer than 20 persons" in shown
    assert "<td>≈ 1,450</td>" in made._repr_html_()
    pooled = made.frame().query("site == 'pooled'")
    assert pooled["about"].tolist() == [False, True, True, False]
    assert made.frame().query("site == 'site-b'")["about"].tolist() == [False] * 4


def test_the_funnel_marks_such_a_step_and_says_what_it_means(monkeypatch):
    """In the bar, with the note below."""
    matplotlib.use("Agg")
    ax = attrition(monkeypatch, site_a=[1000, About(1000), 700, 400]).plot()
    assert [text.get_text() for text in ax.texts] == ["1,000", "≈ 1,000 (100 %)", "700 (70 %)", "400 (40 %)"]
    assert "fewer than 20 persons" in " ".join(ax.figure._supxlabel.get_text().split())


def test_the_funnel_is_drawn_from_the_released_numbers(monkeypatch):
    """One bar per step, a withheld one hatched and without a number."""
    matplotlib.use("Agg")
    ax = attrition(monkeypatch, site_a=[1000, 800, None, 400]).plot()
    assert [bar.get_width() for bar in ax.patches] == [1000, 800, 800, 400]
    assert [bool(bar.get_hatch()) for bar in ax.patches] == [False, False, True, False]
    assert [text.get_text() for text in ax.texts] == ["1,000", "800 (80 %)", "400 (40 %)"]


# ---------------------------------------------------------------- ATLAS

CIRCE = {
    "ConceptSets": [
        {"id": 0, "name": "metformin", "expression": {"items": [{"concept": {"CONCEPT_ID": 1503297}, "includeDescendants": True}]}}
    ],
    "PrimaryCriteria": {
        "CriteriaList": [{"DrugExposure": {"CodesetId": 0}}],
        "ObservationWindow": {"PriorDays": 365, "PostDays": 0},
        "PrimaryCriteriaLimit": {"Type": "First"},
    },
    "EndStrategy": {"DateOffset": {"DateField": "StartDate", "Offset": 30}},
}  # fmt: skip


def test_an_atlas_definition_is_a_file_a_text_or_a_dict(tmp_path):
    """An ATLAS definition is read from a file, a text or a dict. A file's name is the cohort's where it has none; notes are shown."""
    (tmp_path / "metformin users.json").write_text(json.dumps(CIRCE))
    made = tp.cohort.from_circe(tmp_path / "metformin users.json")
    assert isinstance(made, CohortBuilder)
    assert made.name == "metformin users"
    assert made.definition.entry == tp.cohort.from_circe(json.dumps(CIRCE)).definition.entry == tp.cohort.from_circe(CIRCE).definition.entry
    assert "EndStrategy" in repr(made)


def test_what_atlas_can_say_and_a_cohort_not_is_named(tmp_path):
    """In the notebook too."""
    with pytest.raises(tp.Refused, match="CensoringCriteria"):
        tp.cohort.from_circe({**CIRCE, "CensoringCriteria": [{"Death": {}}]})
    with pytest.raises(tp.Refused, match="not JSON"):
        tp.cohort.from_circe("{")
    with pytest.raises(tp.TwinpaneError, match="cannot be read"):
        tp.cohort.from_circe(tmp_path / "gone.json")
