"""A researcher and two reviewers walk through the first notebook, from sign-in to a released plot. The tests stand in the walk's order."""

import re
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from playwright.sync_api import TimeoutError as PlaywrightTimeout
from walkthrough_demo import Demo, Person
from walkthrough_lab import HELD, REAL, SITES, Lab

pytestmark = [pytest.mark.slow, pytest.mark.browser, pytest.mark.timeout(400)]

HEAD, READY, DTYPES, BY_SEX, BY_CONDITION, MEANS, CROSSTAB, FEATURES, MODEL, REVEAL, FAILS, PLOT, WIDGET, EXPORT = range(14)
"""The notebook's code cells."""
SCRATCH = EXPORT + 1
TRIES = 12
METRO = SITES[0]
PURPOSE = "Figure 1 of a talk"


@pytest.fixture(scope="module")
def lab(person: Callable[..., Person]) -> Lab:
    """The researcher, from sign-in to the open notebook."""
    researcher = person("researcher")
    researcher.page.goto(researcher.demo.url)
    researcher.shot("01-sign-in")
    researcher.sign_in()
    researcher.page.get_by_text("online").nth(2).wait_for()
    researcher.shot("02-projects")
    researcher.page.locator("section", has_text="First look").get_by_role("button", name="Open").click()
    lab = Lab(researcher).wait_open(code_cells=14)
    researcher.shot("03-notebook")
    return lab


def test_the_notebook_opens_and_twinpane_is_the_only_kernel(lab: Lab) -> None:
    assert lab.page.url.endswith("/lab/tree/notebooks/first_look.ipynb")
    specs = lab.page.evaluate("""fetch('/user/researcher/first/api/kernelspecs', {
        headers: {'X-XSRFToken': document.cookie.match(/_xsrf=([^;]+)/)[1]}}).then(answer => answer.json())""")
    assert list(specs["kernelspecs"]) == ["twinpane"]


def test_1_rows_show_the_twin_at_once_and_are_held_at_every_site(lab: Lab) -> None:
    lab.run(HEAD)
    assert "person_id" in lab.output(HEAD), "the twin is there before the sites have spoken"
    lab.wait_strip(HEAD, HELD)
    first = next(text for text in lab.history(HEAD) if text)
    assert first == "synthetic " + " ".join(f"⟳ {site} running" for site in SITES)
    lab.shot("04-head", HEAD)


def test_2_what_does_not_depend_on_rows_gets_a_small_real_mark(lab: Lab) -> None:
    for cell in (READY, DTYPES):
        lab.run(cell)
        lab.wait_strip(cell, REAL)
        assert lab.strip(cell) == REAL
        box = lab.cell(cell).locator(".twp-m").bounding_box()
        assert box is not None
        assert box["width"] < 80
        assert box["height"] < 24
    lab.shot("05-real", DTYPES)


def test_2_a_cell_without_output_ends_without_taking_room(lab: Lab) -> None:
    for cell in (FEATURES, MODEL):
        lab.run(cell)
    lab.wait_strip(FEATURES, REAL)
    lab.wait_quiet(MODEL)
    assert lab.output(MODEL) == ""
    gap = lab.cell(MODEL).evaluate("e => e.nextElementSibling.getBoundingClientRect().top - e.getBoundingClientRect().bottom")
    other = lab.cell(BY_SEX).evaluate("e => e.nextElementSibling.getBoundingClientRect().top - e.getBoundingClientRect().bottom")
    assert gap == other, "as below a cell that has not run"
    lab.shot("06-no-output", MODEL)


def test_3_counts_are_real_for_every_site_and_pooled(lab: Lab) -> None:
    lab.run(BY_SEX)
    lab.wait_strip(BY_SEX, REAL)
    shown = lab.output(BY_SEX)
    assert f"sex {' '.join(SITES)} pooled female" in shown
    rows = {row[0]: [int(number.replace(",", "")) for number in row[1:]] for row in re.findall(r"(female|male)" + r" ([\d,]+)" * 4, shown)}
    assert set(rows) == {"female", "male"}
    assert all(sum(row[:3]) == row[3] and row[3] % 5 == 0 for row in rows.values())
    assert f"Released by {METRO}, Valley Clinic and Coast Hospital under rules 10-5: cells of fewer than 10 persons" in shown
    lab.shot("07-counts", BY_SEX)
    for cell in (BY_CONDITION, MEANS, CROSSTAB):
        lab.run(cell)
        lab.wait_strip(cell, REAL)
    assert "suppressed" in lab.output(BY_CONDITION), "small cells are suppressed, and a word says so"
    lab.shot("08-suppressed", BY_CONDITION)
    lab.shot("09-crosstab", CROSSTAB)


def test_4_a_revealed_number_arrives_from_each_site(lab: Lab) -> None:
    """A revealed number arrives from each site, with the bits left on the meter."""
    lab.run(REVEAL)
    lab.wait_says(REVEAL, r"AUC( 0\.\d{3}){3}")
    shown = lab.strip(REVEAL)
    assert re.search(rf"meter: \d+ of 1,024 bits left today at {METRO} · \d+ of 1,024 at Valley Clinic · \d+ of 1,024 at Coast", shown)
    lab.shot("10-reveal", REVEAL)


def test_5_a_failure_on_real_rows_tells_class_and_line_only(lab: Lab) -> None:
    """A cell that fails only on real rows tells its class and line, and nothing else."""
    lab.run(FAILS)
    lab.wait_strip(FAILS, "Coast Hospital failed")
    expected = " ".join(f"✕ {site} failed: AssertionError in line 2" for site in SITES)
    lab.wait_strip(FAILS, expected)
    assert lab.output(FAILS) == expected
    lab.shot("11-fails-inside", FAILS)


def test_6_a_plot_is_synthetic_and_the_real_one_is_asked_for(lab: Lab) -> None:
    """A plot is synthetic, and people are asked for the real one."""
    lab.run(PLOT)
    lab.wait_strip(PLOT, HELD)
    lab.run(WIDGET)
    lab.wait_strip(WIDGET, HELD)
    count = int(lab.prompt(PLOT).strip("[]: "))
    lab.write(EXPORT, f'tp.request_export(cells=[{count}], purpose="{PURPOSE}", population="all with an HbA1c", controls="no names")')
    lab.run(EXPORT)
    assert f"Export asked of {METRO}, Valley Clinic and Coast Hospital" in lab.output(EXPORT)
    lab.wait_strip(PLOT, "with the reviewers of " + ", ".join(SITES))
    lab.shot("12-plot-synthetic", PLOT)
    lab.shot("13-request", EXPORT)


def test_6_a_researcher_cannot_review(lab: Lab, person: Callable[..., Person]) -> None:
    researcher = person("researcher").sign_in().sign_in_at(METRO)
    assert "You may not open this" in researcher.text()
    researcher.page.goto(researcher.demo.review_pages[METRO])
    assert PURPOSE not in researcher.text()
    researcher.shot("14-researcher-may-not-review")


@pytest.mark.parametrize("name", ["reviewer-a", "reviewer-b"])
def test_6_each_reviewer_sees_code_real_and_twin_and_approves(lab: Lab, person: Callable[..., Person], name: str) -> None:
    reviewer = person(name).sign_in_at(METRO)
    page = reviewer.page
    page.get_by_role("heading", name="Requests to let something out").wait_for()
    assert page.url.startswith(reviewer.demo.review_pages[METRO])
    reviewer.shot(f"15-queue-{name}")
    page.get_by_role("link", name=PURPOSE).click()
    page.locator("details.code", has_text="axes.scatter").wait_for()
    pictures = [page.get_by_alt_text(f"{kind} picture") for kind in ("real", "synthetic")]
    assert all(picture.evaluate("i => i.decode().then(() => i.naturalWidth)") > 300 for picture in pictures)
    real, twin = (picture.bounding_box() for picture in pictures)
    assert real is not None
    assert twin is not None
    assert abs(real["y"] - twin["y"]) < 30, "side by side"
    page.get_by_alt_text("real picture").evaluate("e => e.scrollIntoView({block: 'center'})")
    reviewer.shot(f"16-review-{name}")
    page.locator("#approve-1").click()
    page.locator("#decision-1 .said.approve").wait_for()
    page.get_by_role("button", name="Hand in my review").click()
    page.locator(".banner").wait_for()
    page.evaluate("scrollTo(0, 0)")
    reviewer.shot(f"17-handed-in-{name}")
    assert page.locator(".banner h2").inner_text() == ("Your review is in" if name == "reviewer-a" else "Released")


def test_6_the_real_plot_takes_the_place_of_the_synthetic_one(lab: Lab) -> None:
    lab.wait_strip(PLOT, "✓ real, released")
    assert lab.strip(PLOT).startswith(f"synthetic ✓ {METRO} released ≠ Valley Clinic differs, held")
    figure = lab.cell(PLOT).get_by_alt_text(re.compile(f"real, released by {METRO}"))
    assert figure.evaluate("i => i.decode().then(() => i.naturalWidth)") > 300
    assert not lab.cell(PLOT).locator(".jp-RenderedImage").is_visible()
    lab.shot("18-real-plot", PLOT)
    lab.cell(PLOT).get_by_text("is put away").click()
    assert lab.cell(PLOT).locator(".jp-RenderedImage").is_visible()
    lab.cell(PLOT).get_by_text("is put away").click()


def test_6_the_released_plot_verifies_until_a_byte_changes(lab: Lab, demo: Demo, tmp_path: Path) -> None:
    """The released plot verifies offline until a byte changes."""
    (picture,) = (demo.workspace("researcher") / "releases").glob("*-metro/*.png")

    def verify() -> int:
        return subprocess.run([sys.executable, "-m", "twinpane_cli", "receipt", "verify", str(picture)], check=False).returncode

    whole = picture.read_bytes()
    assert verify() == 0
    try:
        picture.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        assert verify() == 1
    finally:
        picture.write_bytes(whole)


def test_7_a_slider_moves_outside_at_once_and_inside_alike(lab: Lab) -> None:
    """A slider moves outside at once, and inside with the same values."""
    handle = lab.cell(WIDGET).locator(".noUi-handle")
    handle.scroll_into_view_if_needed()
    handle.focus()
    lab.page.keyboard.press("ArrowRight")
    lab.cell(WIDGET).get_by_text(re.compile(r"\d+ persons in the table are older than 70")).wait_for()
    assert lab.strip(WIDGET).startswith("synthetic")
    lab.shot("19-slider", WIDGET)
    scratch = lab.add_below(EXPORT)
    assert scratch == SCRATCH
    lab.write(scratch, "count_older.widget.children[0].value")
    lab.run(scratch)
    lab.wait_strip(scratch, REAL)  # same at every site: the sites' sliders stand at 70 too
    assert lab.output(scratch).startswith("70")


def test_8_completion_and_inspection_answer_as_in_any_notebook(lab: Lab) -> None:
    lab.write(SCRATCH, "person.to_")
    offered = lab.page.locator(".jp-Completer").get_by_text("to_csv", exact=True)
    for _ in range(TRIES):
        lab.page.keyboard.press("Tab")
        with suppress(PlaywrightTimeout):  # the page gives up on a kernel that is slow to answer, as the first time on a loaded machine
            offered.wait_for(timeout=5_000)
            break
    offered.wait_for()
    lab.shot("20-completion")
    lab.page.keyboard.press("ArrowDown")
    lab.page.keyboard.press("Enter")
    lab.wait_says(SCRATCH, r"person\.to_csv")
    lab.write(SCRATCH, "person.head")
    lab.page.keyboard.press("Shift+Tab")
    lab.page.locator(".jp-Tooltip").get_by_text("Return the first").wait_for()
    lab.shot("21-inspection")
    lab.page.keyboard.press("Escape")


def test_8_an_interrupt_stops_the_cell_outside_and_at_the_sites(lab: Lab) -> None:
    lab.write(SCRATCH, "import time\ntime.sleep(60)")
    lab.start(SCRATCH)
    lab.wait_says(SCRATCH, r"\[\*\]")
    lab.page.locator(".jp-NotebookPanel-toolbar [data-jp-item-name=interrupt]").click()
    lab.cell(SCRATCH).get_by_text("KeyboardInterrupt").first.wait_for(timeout=15_000)
    lab.shot("22-interrupted", SCRATCH)
    lab.write(SCRATCH, 'print("after")')
    lab.run(SCRATCH)
    lab.wait_strip(SCRATCH, REAL, seconds=30)  # no site sleeps any more: all have run the next cell


def test_8_the_debugger_stops_at_a_breakpoint(lab: Lab) -> None:
    lab.write(SCRATCH, "a = 1\nb = a + 1\nprint(b)")
    lab.debugger(True)
    dot = lab.cell(SCRATCH).locator(".cm-breakpoint-icon:visible")
    lab.cell(SCRATCH).locator(".cm-breakpoint-gutter .cm-gutterElement").nth(2).click()
    dot.wait_for()
    lab.start(SCRATCH)
    lab.page.locator(".jp-DebuggerCallstack-body, .jp-DebuggerCallstack").get_by_text("<module>").first.wait_for()
    lab.page.locator(".jp-DebuggerVariables").get_by_text("person", exact=False).first.wait_for()
    lab.shot("23-debugger")
    lab.page.get_by_title(re.compile("^Continue")).first.click()
    lab.wait_strip(SCRATCH, REAL)
    assert lab.output(SCRATCH).startswith("2")
    dot.click()
    dot.wait_for(state="detached")
    lab.debugger(False)


def test_8_restart_forgets_and_run_all_brings_it_all_back(lab: Lab) -> None:
    lab.menu("Kernel", "Restart Kernel")
    lab.confirm("Restart")
    lab.wait_idle()
    lab.write(SCRATCH, "person")
    lab.run(SCRATCH)
    assert "NameError" in lab.output(SCRATCH)
    assert lab.prompt(SCRATCH) == "[1]:"
    lab.write(SCRATCH, 'print("done")')
    lab.menu("Kernel", "Restart Kernel and Run All Cells")
    lab.confirm("Restart")
    lab.wait_strip(SCRATCH, REAL, seconds=120)
    assert lab.prompt(SCRATCH) == "[15]:"
    lab.wait_strip(HEAD, HELD)
    lab.wait_strip(WIDGET, HELD)
    lab.wait_quiet(MODEL)
    lab.shot("24-all-again", SCRATCH)


def test_the_saved_notebook_says_again_what_is_synthetic(lab: Lab) -> None:
    """The saved notebook says what is synthetic when it is opened again."""
    lab.page.keyboard.press("Control+s")
    lab.page.wait_for_function("!document.querySelector('.jp-mod-dirty')")
    lab.page.reload()
    lab.wait_open(code_cells=15)
    lab.wait_strip(HEAD, HELD)
    assert lab.strip(READY) == REAL
    assert lab.room(MODEL) == 0
    lab.shot("25-opened-again", HEAD)


def test_the_dark_theme_shows_the_same(lab: Lab) -> None:
    lab.menu("Settings", "Theme", "JupyterLab Dark")
    lab.page.wait_for_function("document.body.dataset.jpThemeName === 'JupyterLab Dark'")
    for name, cell in (("26-dark-head", HEAD), ("27-dark-counts", BY_SEX), ("28-dark-reveal", REVEAL), ("29-dark-fails", FAILS)):
        lab.shot(name, cell)
