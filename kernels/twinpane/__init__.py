"""Twinpane for notebooks: ``import twinpane as tp``.

Everything here runs twice, outside on the twin and inside on the real rows; both runs go on with the same answers.
"""

from typing import Any

from .egress import exports, request_export, reveal
from .errors import Refused, TwinpaneError

__all__ = [
    "Refused", "TwinpaneError", "account", "catalogue", "cohort", "correlation", "cost", "crosstab", "describe", "event", "exports",
    "histogram", "load_cohort", "profile", "quantiles", "request_export", "reveal", "sql", "table",
]  # fmt: skip


def sql(text: str) -> Any:
    """Ask every site of the project one SELECT, and show the real counts it lets out, per site and pooled.

    ``text`` is parsed into a plan; it never runs as SQL anywhere. Returns a ``twinpane.ask.result.Result``. Raises Refused where a plan
    cannot express a construct, naming it, and where no site answers.
    """
    from .ask.ask_sites import sql as ask

    return ask(text)


def table(name: str, cohort: Any = None) -> Any:
    """Start a question about a table: ``tp.table("person").where(age=(40, 64)).crosstab("sex", "race")``.

    ``cohort`` keeps only the persons of a cohort. Returns a ``twinpane.ask.question.Question``. Nothing is asked until a measure is called.
    """
    from .ask.question import Question

    return Question(name) if cohort is None else Question(name).cohort(cohort)


def crosstab(
    table: str, rows: str, columns: str, *, margins: bool = True, share: str | None = None, values: str | None = None,
    where: Any = None, cohort: Any = None, **bins: Any,
) -> Any:  # fmt: skip
    """Count distinct persons by two columns, with totals: ``tp.crosstab("person", "sex", "race", share="rows")``.

    ``share`` shows percentages of the ``"rows"``, the ``"columns"`` or of ``"all"``. ``values`` shows the mean of that measure instead of
    the count. ``bins`` group a date by month, quarter or year, and a measure by a width, as in ``age=10``. ``where={…}`` and ``cohort``
    restrict the persons.
    """
    return _about(table, (), where, cohort).crosstab(rows, columns, margins=margins, share=share, values=values, **bins)


def histogram(table: str, column: str, width: float | None = None, *, by: Any = (), where: Any = None, cohort: Any = None) -> Any:
    """Count rows by bins of a measure: ``tp.histogram("measurement", "value_as_number", where={"measurement_concept_id": 3016723})``.

    ``width`` is in the measure's unit; the default is chosen from the catalogue. ``by`` splits the rows, as ``group_by`` does.
    """
    return _about(table, by, where, cohort).histogram(column, width)


def quantiles(table: str, column: str, percents: Any = (25, 50, 75), *, by: Any = (), where: Any = None, cohort: Any = None) -> Any:
    """Quantiles of a measure per site: ``tp.quantiles("person", "age", by="sex")``.

    ``percents`` are some of 5, 10, 25, 50, 75, 90 and 95.
    """
    return _about(table, by, where, cohort).quantiles(column, percents)


def correlation(table: str, column: str, other: str, *, by: Any = (), where: Any = None, cohort: Any = None) -> Any:
    """Pearson's correlation of two measures, over the rows that have both: ``tp.correlation("person", "height", "weight", by="sex")``."""
    return _about(table, by, where, cohort).correlation(column, other)


def describe(table: str, *columns: str, by: Any = (), where: Any = None, cohort: Any = None) -> Any:
    """Mean, spread and quantiles of measures, without columns of all measures: ``tp.describe("person", "age", "weight", by="sex")``.

    One column gives a ``Result``; several give ``twinpane.ask.description.Described``, a mapping from each column to its Result.
    """
    from .ask.description import described

    return described(_about(table, by, where, cohort), table, columns)


def profile(table: Any, column: str, *, where: Any = None, cohort: Any = None, **more: Any) -> Any:
    """A column at a glance: what the catalogue says, then its distribution: ``tp.profile("person", "age")``.

    ``where={…}``, conditions and ``cohort`` narrow it: ``tp.profile("measurement", "value_as_number", measurement_concept_id=3016723)``.
    ``table`` may be a question too: ``tp.profile(tp.table("person").where(sex="F"), "age")``. If the measure holds many laboratory
    values, the profile lists the codes to choose from. If one code is fixed, bins and percentiles use that code's own grid.
    """
    from .ask.question import Question

    if isinstance(table, Question):
        asked = (table if cohort is None else table.cohort(cohort)).where(where)
    else:
        asked = _about(table, (), where, cohort)
    return asked.where(more).profile(column)


def _about(name: str, by: Any, where: Any, cohort: Any) -> Any:
    """The question about a table, narrowed and split: ``by`` is a column, several, or a mapping of columns to bins."""
    return table(name, cohort).where(where).split(by)


def event(table: str, conditions: Any = None, /, *, date: Any = None, first: bool = False, descendants: bool = False, **more: Any) -> Any:
    """Events for a cohort: ``tp.event("drug_exposure", drug_concept_id=[1503297], descendants=True)``.

    Conditions are on the table's own columns, as in ``where``. ``descendants`` adds the descendants of these codes in the sites'
    vocabularies. ``date`` names the event's date column, where a table has several. ``first`` keeps only the earliest such event in a
    person's history. Raises Refused for an invalid condition.
    """
    from .cohorts.builder import event as make

    return make(table, conditions, date=date, first=first, descendants=descendants, **more)


def cohort(
    name: str = "", *, entry: Any = None, prior_days: int | None = None, post_days: int | None = None, first: bool = True,
    observation: Any = None,
) -> Any:  # fmt: skip
    """Define a cohort by its entry event, whose day is the index date: ``tp.cohort("new users", entry=tp.event(…), prior_days=365)``.

    ``entry`` is one event or several, any of which lets a person in. ``prior_days`` and ``post_days`` require so many days of observation
    before and after the index date (0: the index date only has to lie in an observation period).
    ``observation=("observation_period", "start", "end")`` names another table's columns. With ``first=False`` each of a person's entry
    events is tried, not only the earliest: the index date is the earliest that meets every step. Without ``entry`` everybody is in, and
    steps count events at any time. Steps follow: ``.require(…)``, ``.exclude(…)``, ``.aged(…)``, ``.indexed(…)``; ``.attrition()`` counts
    the persons after each.
    Returns a ``twinpane.cohorts.builder.CohortBuilder``, which every question takes as ``cohort=``. Raises Refused for an invalid cohort.

    ``tp.cohort.from_circe(…)`` reads a definition of OHDSI ATLAS.
    """
    from .cohorts.builder import cohort as make

    return make(name, entry=entry, prior_days=prior_days, post_days=post_days, first=first, observation=observation)


def _from_circe(source: Any, name: str = "") -> Any:
    """Read an OHDSI Circe definition as ATLAS exports it: a path, JSON text, or the decoded JSON.

    Raises Refused, which names by key path every part that a cohort cannot express. A part that does not change who is in the cohort
    becomes a note.
    """
    from .cohorts.reading import from_circe

    return from_circe(source, name)


setattr(cohort, "from_circe", _from_circe)  # noqa: B010  type checkers know no attributes of functions


def load_cohort(path: Any) -> Any:
    """The cohort that ``.save(path)`` wrote."""
    from .cohorts.reading import load

    return load(path)


def account() -> Any:
    """What is left of the sites' accounts of what they released, for the attributes that this notebook asked about.

    A site tells of one attribute (a column of persons, a code of events) by so many sets of persons at most, to all projects together;
    questions beyond that are refused as *spent*. Returns a ``twinpane.ask.account.Account``: told, left and most per site, as the latest
    answers said; ``.frame()`` gives pandas. It asks no site.
    """
    from .ask.account import account as made

    return made()


def cost(text: str) -> Any:
    """Say what a SELECT may cost the sites' accounts, before it is asked. ``tp.table("person").group_by("smoker").cost(mean="age")`` too.

    Returns, by site, of how many sets of persons an answer tells of each attribute at most: each group is one, all together are one, and
    numbers about values cost two more of each. It asks no site: which of these sets were asked for before, when they cost nothing, a site
    alone knows. Raises Refused where the sites' catalogues do not allow the question.
    """
    from .ask.cost import cost as made

    return made(text)


def catalogue() -> Any:
    """What the sites publish about their data: tables, columns, roles, code lists and completeness, site by site.

    ``tp.catalogue()["person"]["sex"]`` is one column with its codes, ``tp.catalogue().find("creatinine")`` searches.
    """
    from .catalogues.browser import Browser

    return Browser.ask()


def __dir__() -> list[str]:
    """What completion offers after ``tp.``: the public names, without the package's own modules."""
    return __all__


def load_ipython_extension(shell: Any) -> None:
    """Register the ``%%twin`` magic, for ``%load_ext twinpane``."""
    from .ipython import load_ipython_extension as load

    load(shell)
