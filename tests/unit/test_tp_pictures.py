"""Pictures are drawn from the release alone: every released number is in them, none that was suppressed, and a note says which."""

import matplotlib as mpl
import numpy as np
import pytest
import tp_sites
from matplotlib.text import Annotation

import twinpane as tp
from twinpane import _host
from twinpane.plots.axes import COLOURS

mpl.use("Agg")
WHY = "The number is of fewer than 10 persons, or would tell of so few, or of nearly all of a group"


@pytest.fixture(autouse=True)
def sites(monkeypatch):
    """Three hospitals; every figure is closed again."""
    import matplotlib.pyplot as plt

    monkeypatch.setattr(_host, "call", tp_sites.answer)
    yield
    plt.close("all")


def texts(ax):
    """What is written in Axes, but for what its lines are."""
    return [text.get_text() for text in ax.texts if not isinstance(text, Annotation)]


def hatched(ax):
    """The patches that stand for something suppressed."""
    return [patch for patch in ax.patches if patch.get_hatch()]


def test_a_crosstab_is_a_heat_map_of_all_pooled_and_of_each_site():
    """Titles, categories, numbers and totals; suppressed cells are hatched and carry no number."""
    axes = tp.crosstab("person", "sex", "birth", birth="year").plot()
    assert [ax.get_title() for ax in axes] == ["pooled", "Metro General Hospital", "Valley Clinic", "Coast Medical Center"]
    assert [label.get_text() for label in axes[0].get_xticklabels()] == ["2018", "2019", "2020", "2021", "all"]
    assert [label.get_text() for label in axes[0].get_yticklabels()] == ["female", "male", "(missing)", "all"]
    assert len(texts(axes[1])) + len(hatched(axes[1])) == 20
    assert len(hatched(axes[1])) == 0
    assert len(hatched(axes[3])) == 5
    assert WHY in note(axes[0])


def test_a_partial_pooled_number_has_its_star_in_the_picture_too():
    """And the note says what it means."""
    axes = tp.crosstab("person", "sex", "birth", birth="year").plot()
    assert any(text.endswith("*") for text in texts(axes[0]))
    assert not any(text.endswith("*") for ax in axes[1:] for text in texts(ax))
    assert "* without a site that suppressed its part: it is at least so much" in note(axes[0])


def test_a_partial_bar_of_a_histogram_has_its_star_too():
    """A bar that is too low says so."""
    table = tp.histogram("person", "age", 10)
    axes = table.plot()
    marked = [line for line in repr(table).splitlines() if line.endswith("*") and line[0].isdigit()]
    assert texts(axes[0]).count("*") == len(marked) > 0
    assert all("*" not in texts(ax) for ax in axes[1:])


@pytest.fixture
def stand_ins(monkeypatch):
    """The hospitals' numbers of 300 persons or more are those of groups that they released before."""
    monkeypatch.setattr(_host, "call", lambda kind, **args: with_stand_ins(kind, 300, **args))


@pytest.fixture
def small_stand_ins(monkeypatch):
    """All of the hospitals' numbers are those of groups that they released before."""
    monkeypatch.setattr(_host, "call", lambda kind, **args: with_stand_ins(kind, 0, **args))


def with_stand_ins(kind, least, **args):
    """What the hospitals say where a number from so many on is that of a group that was released before."""
    reply = tp_sites.answer(kind, **args)
    for site in reply["sites"].values():
        for value in (value for row in site.get("rows", ()) for value in row["values"]):
            value["about"] = value["value"] is not None and value["value"] >= least
    return reply


@pytest.mark.usefixtures("small_stand_ins")
def test_a_bar_that_may_be_off_by_much_bears_its_range():
    """70 of the coast's women may be 27 to 113: a line says so at the bar, and in a tile stand the two numbers."""
    bars = tp.table("person").group_by("sex").persons().plot()
    spans = [line for drawn in bars.containers if hasattr(drawn, "has_xerr") for line in drawn.lines[2]]
    ends = [segment[:, 0].tolist() for line in spans for segment in line.get_segments()]
    assert [27.0, 113.0] in ends
    assert not any(low <= 720 <= high for low, high in ends), "of the metro's 720 it is little"
    assert "between these lies the true number" in note(bars)
    tiles = tp.crosstab("person", "sex", "birth", birth="year").plot()
    assert "≈ 70\n(27–113)" in texts(tiles[3])
    histogram = tp.histogram("person", "age", 20).plot()
    assert any(hasattr(drawn, "has_yerr") for drawn in histogram[-1].containers)
    assert "<line " in tp.profile("person", "age")._repr_html_()


def test_each_measure_has_a_panel():
    """The mean beside a number of persons was not drawn."""
    axes = tp.table("person").group_by("sex").measures("persons", mean="age").plot()
    assert [ax.get_xlabel() for ax in axes] == ["persons", "age at entry (years)"]
    widths = [{round(patch.get_width(), 1) for patch in ax.patches} for ax in axes]
    assert {720.0, 240.0} <= widths[0]
    assert {53.0, 51.0, 50.3} <= widths[1]
    assert not hasattr(tp.table("person").group_by("sex").measures("persons", mean="age").plot("mean_age"), "__len__")


def test_a_plot_of_many_groups_is_cut_with_a_line_that_says_so():
    """A plot of hundreds of codes was 9,461 pixels high."""
    many = tp.table("person").group_by("sex", age=1)
    for made, drawn in (("bars", many.persons()), ("tiles", many.correlation("age", "weight")), ("boxes", many.quantiles("age"))):
        ax = drawn.plot()
        assert ax.figure.get_figheight() < 20, made
        assert " are drawn, in the table's order; " in note(ax), made
    heat = tp.crosstab("person", "age", "sex", age=1).plot()
    assert heat[0].figure.get_figheight() < 4 * 20
    assert heat[0].get_yticklabels()[-1].get_text() == "all", "totals stay"
    assert " rows are drawn, in the table's order; " in note(heat[0])


def note(ax):
    """The note below a picture, in one line."""
    label = ax.figure._supxlabel
    return "" if label is None else " ".join(label.get_text().split())


NOTED = "before rounding, they differ by fewer than 20 persons (40 or more where it was added up, or others stand between)"


@pytest.mark.usefixtures("stand_ins")
def test_a_number_that_is_about_is_marked_in_every_picture():
    """At the end of a bar, over a bar, in a tile; the note below says what the mark means."""
    bars = tp.table("person").group_by("sex").persons().plot()
    assert texts(bars) == [" ≈ "] * 2
    tiles = tp.crosstab("person", "sex", "birth", birth="year").plot()
    assert "≈ 720" in texts(tiles[1])
    histogram = tp.histogram("person", "age", 20).plot()
    assert texts(histogram[0]) == ["*", "≈", "≈", "*"]
    for drawn in (bars, tiles[0], histogram[0]):
        assert NOTED in note(drawn)


def test_pictures_without_such_numbers_have_no_such_note():
    """Neither mark nor note."""
    for drawn in (tp.table("person").group_by("sex").persons().plot(), tp.histogram("person", "age", 20).plot()[0]):
        assert "≈" not in note(drawn)


@pytest.mark.usefixtures("stand_ins")
def test_a_profiles_bars_bear_the_mark():
    """Beside a code's bar, and over a bin's; the note is below."""
    assert ">≈ 1,030</text>" in tp.profile("person", "sex")._repr_html_()
    assert ">≈</text>" in tp.profile("person", "age")._repr_html_()
    assert NOTED in tp.profile("person", "age")._repr_html_()


@pytest.mark.usefixtures("stand_ins")
def test_a_mark_lies_within_its_picture_beside_the_legend():
    """The mark of the longest bar stood on the legend, or was cut off above the bars."""
    for ax in (tp.table("person").group_by("sex").persons().plot(), *tp.histogram("person", "age", 20, by="sex").plot()):
        ax.figure.draw_without_rendering()
        for mark in (text for text in ax.texts if text.get_text().strip() == "≈"):
            inside = ax.get_window_extent()
            assert inside.contains(*mark.get_window_extent().min)
            assert inside.contains(*mark.get_window_extent().max)


def test_what_is_written_lies_within_its_picture(drawn_all):
    """Notes were cut off at the right, and a long name along the lines ran into the note."""
    for axes in drawn_all.values():
        whole = axes[0].figure
        whole.draw_without_rendering()
        written = [label for label in (whole._supxlabel, *(text for ax in axes for text in ax.texts)) if label is not None]
        for text in written:
            assert text.get_window_extent().x0 >= 0
            assert text.get_window_extent().x1 <= whole.bbox.x1
            assert text.get_window_extent().y1 <= whole.bbox.y1
        assert all(ax.get_ylabel() in ("", "rows") for ax in axes)


def test_long_names_leave_a_picture_its_room(monkeypatch, recwarn):
    """The name of a drug took the whole width, and matplotlib gave up: axes collapsed, names and legend cut off."""
    long = "120 ACTUAT Fluticasone propionate 0.044 MG/ACTUAT Metered Dose Inhaler, and more of it"
    named = tuple(sex.model_copy(update={"label": f"{sex.text} {long}"}) if sex.value else sex for sex in tp_sites.SEXES)
    monkeypatch.setattr(tp_sites, "SEXES", named)
    for ask in QUESTIONS.values():
        for ax in np.atleast_1d(ask().plot()):
            ax.figure.draw_without_rendering()
            assert ax.get_window_extent().width >= 100
            assert ax.yaxis.get_tightbbox().x0 >= 0
    assert not [warning for warning in recwarn if "constrained_layout" in str(warning.message)]


QUESTIONS = {
    "bars": lambda: tp.table("person").group_by("sex").persons(),
    "crosstab": lambda: tp.crosstab("person", "sex", "birth", birth="year"),
    "histogram": lambda: tp.histogram("person", "age", 20, by="sex"),
    "describe": lambda: tp.describe("person", "age", by="sex"),
    "correlation": lambda: tp.correlation("person", "age", "weight", by="sex"),
}


@pytest.fixture
def drawn_all():
    """A picture of every kind, as a list of its Axes."""
    return {name: list(np.atleast_1d(ask().plot())) for name, ask in QUESTIONS.items()}


@pytest.fixture
def nothing(monkeypatch):
    """The hospitals suppress every number."""

    def call(kind, **args):
        reply = tp_sites.answer(kind, **args)
        for site in reply["sites"].values():
            for row in site.get("rows", ()):
                row |= {"persons": None, "values": [{"value": None} for _ in row["values"]]}
        return reply

    monkeypatch.setattr(_host, "call", call)


@pytest.mark.usefixtures("nothing")
def test_where_all_is_suppressed_no_axis_has_numbers(drawn_all):
    """An axis went from −0.04 to 0. The picture says that all is suppressed, and the note what to do."""
    for name, axes in drawn_all.items():
        for ax in axes:
            assert "suppressed" in " ".join(texts(ax))
            numbers = {"bars": ax.xaxis, "describe": ax.xaxis, "histogram": ax.yaxis}.get(name)
            assert numbers is None or len(numbers.get_ticklocs()) == 0
        assert WHY in note(axes[0])


def test_a_legend_has_the_colour_of_a_site_without_a_bar(monkeypatch):
    """Its colour was another site's: whoever looks for it finds none, rather than that of somebody else."""
    monkeypatch.setattr(tp_sites, "SIZES", {"metro": 3.0, "valley": 0.02, "coast": 0.3})
    handles = tp.table("person").group_by("sex").persons().plot().get_legend().legend_handles
    assert [mpl.colors.to_hex(handle.get_facecolor()).upper() for handle in handles] == list(COLOURS[:3])


def test_a_tile_without_a_number_says_what_the_table_says(monkeypatch):
    """Nothing was drawn where the table says *see sites*: it looked as if the number were none."""

    def call(kind, **args):
        reply = tp_sites.answer(kind, **args)
        for site in reply["sites"].values():
            for value in (value for row in site.get("rows", ()) for value in row["values"]):
                value["n"] = None
        return reply

    monkeypatch.setattr(_host, "call", call)
    assert texts(tp.correlation("person", "age", "weight").plot()) == ["0.15", "0.65", "0.83", "see sites"]


def test_into_given_axes_goes_the_pooled_picture():
    """For figures that somebody composes."""
    import matplotlib.pyplot as plt

    _, ax = plt.subplots()
    assert tp.crosstab("person", "sex", "birth", birth="year").plot(ax=ax) is ax
    assert ax.get_title() == "pooled"
    _, other = plt.subplots()
    assert tp.histogram("person", "age").plot(ax=other) is other


def test_a_histogram_is_bars_along_a_measured_axis_with_its_unit():
    """Each bar begins at its bin and has its width; strips below the axis are suppressed bins."""
    table = tp.histogram("person", "age", 10)
    axes = table.plot()
    metro = axes[1]
    bars = {round(bar.get_x()): bar for container in metro.containers for bar in container if not bar.get_hatch()}
    released = {row.key[0].value: row.sites["metro"].values[0].value for row in table.cells.rows if row.key[0].kind == "code"}
    assert {x: bar.get_height() for x, bar in bars.items()} == {x: n for x, n in released.items() if n is not None}
    assert {bar.get_width() for bar in bars.values()} == {10}
    assert all(bar.get_height() < 0 for bar in hatched(axes[3]))
    assert axes[-1].get_xlabel() == "age at entry (years)"
    assert axes[0].get_ylabel() == "rows"


def test_a_histogram_names_the_bars_that_hold_all_beyond_them(monkeypatch):
    """The last bar of ages ends nowhere: its name is on the axis."""
    usual = tp_sites._categories

    def named(group, margins):
        made = usual(group, margins)
        last = max(place for place, category in enumerate(made) if category.kind == "code")
        return (*made[:last], made[last].model_copy(update={"label": "80 or more"}), *made[last + 1 :])

    monkeypatch.setattr(tp_sites, "_categories", named)
    assert tp.histogram("person", "age", 10).plot()[-1].get_xlabel().endswith("(end bars: 80 or more)")


def test_a_split_histogram_has_a_colour_per_group():
    """Bars beside each other in each bin, named in a legend."""
    axes = tp.histogram("person", "age", 20, by="sex").plot()
    assert [text.get_text() for text in axes[0].get_legend().get_texts()] == ["female", "male", "(missing)"]
    assert {round(bar.get_width(), 9) for bar in axes[0].patches if not bar.get_hatch()} == {round(20 / 3, 9)}


def test_a_descriptions_box_ends_at_the_5th_and_95th_percentile():
    """No whisker shows an extreme: the picture ends where the released quantiles end."""
    ax = tp.describe("person", "age", by="sex").plot()
    metro = [line for line in ax.lines if line.get_color() == COLOURS[0] and len(set(line.get_ydata())) == 1 and len(line.get_xdata()) == 2]
    assert min(min(line.get_xdata()) for line in metro) == 27
    assert max(max(line.get_xdata()) for line in metro) == 72
    assert ax.get_xlabel() == "age at entry (years)"
    assert "suppressed" in texts(ax)


def test_quantiles_of_a_column_are_a_box_with_its_median():
    """The middle half, and not its lower end as a bar from 0; one for each group and site."""
    ax = tp.quantiles("person", "age", by="sex").plot()
    boxes = [(patch.get_x(), patch.get_x() + patch.get_width()) for patch in ax.patches]
    assert set(boxes) == {(37, 62)}
    assert {x for line in ax.lines if line.get_color() == "black" for x in line.get_xdata()} == {50}
    assert [label.get_text() for label in ax.get_yticklabels()][1] == "female, Valley Clinic"
    assert note(ax).startswith("box: middle half; bar: median not drawn: suppressed")
    assert "suppressed" in texts(ax)


def test_a_line_between_outer_quantiles_says_which_they_are():
    """Without the quarters there is no box."""
    ax = tp.quantiles("person", "age", (10, 90)).plot()
    assert not ax.patches
    assert note(ax) == "line: 10th to 90th percentile"


def test_correlations_are_tiles_with_their_number():
    """-1 to 1, one per site and one pooled."""
    ax = tp.correlation("person", "age", "weight").plot()
    assert texts(ax) == ["0.15", "0.65", "0.83", "0.35†"]


def test_quantiles_of_several_groups_are_bars_of_the_named_one():
    """Quantiles of several groups are bars of the one that is named. A wrong name lists the right ones."""
    table = tp.quantiles("person", "age", by="sex")
    assert table.plot("p75_age").get_xlabel() == "age at entry (years)"
    with pytest.raises(tp.TwinpaneError, match="p25_age, p50_age, p75_age"):
        table.plot("p99")


def test_colours_can_be_told_apart_by_everybody():
    """Okabe and Ito's palette, and maps of even lightness."""
    from twinpane.plots.correlation_tiles import SIGNED
    from twinpane.plots.heat_map import SHADES

    assert COLOURS[:3] == ("#0072B2", "#E69F00", "#009E73")
    assert (SHADES, SIGNED) == ("Blues", "PuOr")
