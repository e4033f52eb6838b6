"""Browsing the catalogue, and ``%%twin``."""

import pytest
import tp_sites
from IPython.core.interactiveshell import InteractiveShell

import twinpane as tp
from twinpane import _host
from twinpane.catalogues import completion
from twinpane.catalogues.bin_width import sensible_width
from twinpane.rehearsal import is_rehearsal
from twinpane_broker.catalogue.catalogue import Catalogue, Code, Column, ColumnType, Role, Table
from twinpane_broker.question.plan import Difference


def catalogue(site, missing=0.0, extra=()):
    """A small catalogue."""
    female = Code(value="F", label="female", share=0.5)
    columns = (
        Column(name="person_id", type=ColumnType.integer, role=Role.key),
        Column(name="sex", type=ColumnType.varchar, missing=missing, role=Role.dimension, codes=(female,)),
        Column(name="cd4", type=ColumnType.double, role=Role.measure, bounds=(0, 1200), unit="cells/mm³"),
        Column(name="secret", type=ColumnType.varchar, role=Role.hidden),
    )
    tables = (Table(name="person", person_key="person_id", columns=columns), *extra)
    return Catalogue(site=site, title=f"<b>{site}</b>", snapshot="s1", persons=1200, tables=tables).model_dump(mode="json")


@pytest.fixture
def sites(monkeypatch):
    """Two sites that differ in completeness, one with a table more."""
    lab = Table(name="lab", person_key="pid", columns=(Column(name="pid", type=ColumnType.integer, role=Role.key),))
    reply = {"sites": {"site-b": catalogue("site-b", 0.1), "site-a": catalogue("site-a", extra=(lab,))}}
    monkeypatch.setattr(_host, "call", lambda _kind, **_args: reply)


def test_the_catalogue_shows_what_each_site_has_of_each_column(sites):
    """The catalogue shows roles, codes, bounds and completeness per site. What may be grouped, averaged and joined, at a glance."""
    shown = repr(tp.catalogue())
    assert "sex  dimension  varchar  F female  site-a 100%, site-b 90%" in shown
    assert "cd4  measure  double  0 to 1,200 cells/mm³  100%" in shown
    assert "lab  Only at site-a." in shown


def test_hidden_columns_do_not_exist(sites):
    """Not even by name."""
    assert "secret" not in repr(tp.catalogue()) + tp.catalogue()._repr_html_()


def test_titles_are_escaped(sites):
    """They are texts of the sites."""
    assert "&lt;b&gt;site-a&lt;/b&gt;" in tp.catalogue()._repr_html_()


def test_one_table_is_shown_by_name(sites):
    """And a wrong name lists the right ones."""
    assert "lab" not in repr(tp.catalogue()["person"])
    with pytest.raises(tp.TwinpaneError, match="there are person, lab"):
        tp.catalogue()["persons"]


@pytest.fixture
def hospitals(monkeypatch):
    """Three hospitals with codes and labels; nothing is known before they are asked."""
    monkeypatch.setattr(_host, "call", tp_sites.answer)
    completion.keep({})
    yield
    completion.keep({})


def test_one_column_is_shown_with_all_codes_and_each_sites_words(hospitals):
    """One column is shown with all its codes and what each site says. Completeness where it differs, codes with labels and shares."""
    page = tp.catalogue()["person"]["sex"]
    assert page.codes == {"F": "female", "M": "male"}
    assert list(page.frame().columns) == ["code", "label", "coast", "metro", "valley"]
    assert "80% of rows at Coast Medical Center" in repr(tp.catalogue().column("person", "age"))
    with pytest.raises(tp.TwinpaneError, match="Did you mean sex"):
        tp.catalogue()["person"]["sexx"]
    with pytest.raises(tp.TwinpaneError, match="no site has a column 'mrn'"):
        tp.catalogue()["person"]["mrn"]


def test_search_finds_columns_and_codes_by_their_words(hospitals):
    """In names and labels, whatever their case; all words have to fit."""
    found = tp.catalogue().find("CREATININE")
    assert [(hit.table, hit.column, hit.code) for hit in found] == [("lab", "concept", 3016723)]
    assert found.codes("concept") == [3016723]
    assert [hit.column for hit in tp.catalogue().find("discharge letter")] == ["note"]
    assert not tp.catalogue().find("creatinine weight")
    assert "Nothing in the catalogue fits" in repr(tp.catalogue().find("mrn"))
    assert "3016723  Creatinine" in repr(found)
    assert found.frame().loc[0, "complete"] == 1.0


def test_search_narrows_by_role_completeness_and_table(hospitals):
    """The worst site counts."""
    browser = tp.catalogue()
    assert [hit.column for hit in browser.find(role="measure")] == ["age", "weight"]
    assert [hit.column for hit in browser.find(role="measure", complete=0.9)] == ["weight"]
    assert [hit.column for hit in browser["lab"].find()] == ["person_id", "concept"]
    with pytest.raises(tp.TwinpaneError, match="dimension, measure, date"):
        browser.find(role="number")


def test_names_complete_from_the_catalogue_at_hand_alone(hospitals, monkeypatch):
    """Names complete from the catalogue at hand and never by asking.

    Before any cell asked for it there is nothing to complete from; afterwards everything is there.
    """
    question = tp.table("person").join("lab", "person_id")
    assert question._ipython_key_completions_() == []
    tp.catalogue()
    monkeypatch.setattr(_host, "call", lambda *_a, **_k: pytest.fail("asked"))
    assert dir(question.columns) == ["age", "birth", "note", "person_id", "sex", "weight"]
    assert question._ipython_key_completions_()[-2:] == ["lab.person_id", "lab.concept"]
    assert "years" in question["age"].__doc__
    assert "measure, age at entry" in repr(question.columns)


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ('t["se', ["sex"]),
        ("t.columns.we", ["weight"]),
        ('c["per', ["person"]),
        ("t.cross", ["crosstab"]),
        ("tp.histo", ["histogram"]),
        ("tp.wor", []),
    ],
)
def test_the_notebooks_completion_offers_names_and_steps(hospitals, shell, monkeypatch, typed, offered):
    """IPython's own completer, as it runs in a kernel; no call is made, and the package's own modules are not offered."""
    from IPython.core.completer import provisionalcompleter

    shell.run_cell("import twinpane as tp\nc = tp.catalogue()\nt = tp.table('person')")
    monkeypatch.setattr(_host, "call", lambda *_a, **_k: pytest.fail("asked"))
    with provisionalcompleter():
        assert [found.text for found in shell.Completer.completions(typed, len(typed))] == offered


def test_a_completed_name_is_the_columns_name(hospitals):
    """Text, wherever a column is named."""
    question = tp.table("person")
    assert question.columns.sex == question["sex"] == "sex"
    assert question.group_by(question.columns.sex).persons().plan.group_by[0].column == "person.sex"
    with pytest.raises(AttributeError):
        _ = question.columns._private


def test_before_the_catalogue_names_complete_from_twin_files(tmp_path, monkeypatch, hospitals):
    """Before the catalogue, names complete from the twin's files. They hold the project's columns and nothing else."""
    import pandas as pd

    pd.DataFrame({"person_id": [1], "sex": ["F"]}).to_parquet(tmp_path / "person.parquet")
    monkeypatch.setattr(completion, "DATA", tmp_path)
    assert list(tp.table("person").columns) == ["person_id", "sex"]
    assert completion.tables() == ["person"]
    assert list(tp.table("../person").columns) == []


def test_tables_and_columns_of_the_catalogue_complete_too(hospitals):
    """``tp.catalogue()["per…"]["se…"]``."""
    browser = tp.catalogue()
    assert browser._ipython_key_completions_() == ["person", "lab"]
    assert browser["lab"]._ipython_key_completions_() == ["person_id", "concept"]
    with pytest.raises(TypeError):
        list(browser)


@pytest.mark.parametrize(
    ("source", "rehearsal"),
    [
        ("%%twin\nx", True), ("\n\n  %%twin  \nx", True), ("%%twin", True), ("%%twin now\nx", True),
        ("x\n%%twin", False), ("%%twins\nx", False), ("%twin", False), ("", False), ("# %%twin", False),
    ],
)  # fmt: skip
def test_a_rehearsal_is_a_cell_that_starts_with_twin(source, rehearsal):
    """The kernel and the pane go by one rule."""
    assert is_rehearsal(source) is rehearsal


@pytest.fixture
def shell():
    """An IPython shell with the extension."""
    made = InteractiveShell.instance()
    tp.load_ipython_extension(made)
    tp.load_ipython_extension(made)  # loading twice changes nothing
    yield made
    InteractiveShell.clear_instance()


def test_a_twin_cell_runs_as_an_ordinary_cell(shell):
    """Its last expression is displayed, its names stay."""
    result = shell.run_cell("%%twin\na = 20\na + 22")
    assert result.result == 42
    assert shell.user_ns["a"] == 20


def test_a_twin_cells_errors_keep_their_line_numbers(shell):
    """The second line fails as line 2."""
    result = shell.run_cell("%%twin\n1 / 0")
    assert isinstance(result.error_in_exec, ZeroDivisionError)
    assert result.error_in_exec.__traceback__.tb_next.tb_lineno == 2


def test_another_magic_may_follow(shell):
    """``%%twin`` over ``%%capture`` does both."""
    shell.run_cell("%%twin\n%%capture out\nprint('held')")
    assert shell.user_ns["out"].stdout == "held\n"


def test_the_magic_is_known_by_name(shell):
    """To completion and %lsmagic."""
    assert "twin" in shell.magics_manager.magics["cell"]


def test_a_histogram_of_named_days_finds_its_width(monkeypatch):
    """As of any measure: the bounds of days between two dates follow from the catalogues."""
    columns = (
        Column(name="person_id", type="integer", role="key"),
        Column(name="day", type="date", role="date", days=("2019-01-01", "2020-01-01")),
        Column(name="out", type="date", role="date", days=("2019-01-01", "2020-01-01"), after="day", longest=100),
    )
    visits = Catalogue(
        site="north", title="", snapshot="s", persons=100, tables=(Table(name="v", person_key="person_id", columns=columns),)
    )
    monkeypatch.setattr(_host, "call", lambda *_, **__: {"sites": {"north": visits.model_dump(mode="json")}})
    stay = Difference(name="v.stay", since="v.day", until="v.out")
    assert sensible_width("v.stay", (), (stay,)) == 10


def test_a_histogram_of_days_from_events_asks_for_a_width(sites):
    """Their bounds are in no catalogue."""
    first = tp.table("person").first("dx", "visit", date="day")
    with pytest.raises(tp.Refused, match=r"give a width, as in .histogram\('wait', 1000\)"):
        first.days("wait", "dx.day", "birth").histogram("wait")
