"""The checks measure what they say, mark the right places, and take time linear in what a hostile item holds."""

import time

import pytest

from twinpane_review import checks, render
from twinpane_review.checks import CHECKS, Sheet, picture_facts, run
from twinpane_wire.items import Form

FOUND: dict[str, tuple[Form, str, list[str]]] = {
    "small-counts": (Form.text, "sex    n\nF      3\nM    120\n", ["3"]),
    "identifiers": (Form.text, "patient 943 476 5919 and 1234567 or AB-12345\n", ["943 476 5919", "1234567", "AB-12345"]),
    "contacts": (Form.text, "ask j.doe@example.org\n", ["j.doe@example.org"]),
    "dates": (Form.text, "2019-03-02, 2.3.2019 and 12 March 2020; 2019-03 is a month\n", ["2019-03-02", "2.3.2019", "12 March 2020"]),
    "long-numbers": (Form.text, "0.123456789 0.123 0.00012 -12.345678e-3\n", ["0.123456789", "12.345678"]),
    "blobs": (
        Form.text,
        "aGVsbG8gd29ybGQhIHRoaXMgaXMgYSBzZWNyZXQgbWVzc2FnZQ==\n" + "-" * 60 + "\n",
        ["aGVsbG8gd29ybGQhIHRoaXMgaXMgYSBzZWNyZXQgbWVzc2FnZQ=="],
    ),
    "written-out": (Form.text, "a⟨U+202E⟩b\n", ["⟨U+202E⟩"]),
    "foreign-letters": (Form.text, "pаtient Ελλάδα patient\n", ["pаtient"]),
}


@pytest.mark.parametrize("check", FOUND)
def test_a_check_marks_the_place(check: str) -> None:
    form, text, expected = FOUND[check]
    result = next(r for r in run(form, text.encode(), 10) if r.check.id == check)
    lines = text.split("\n")
    assert [lines[p.row][p.start : p.end] for p in result.evidence.places] == expected


def test_every_check_has_a_test() -> None:
    assert {check.id for check in CHECKS} == {*FOUND, "row-level", "formulas"}


@pytest.mark.parametrize(
    "text", ["female 120\nmale 110\n", "AUC 0.812\n", "the 3 arms of the trial were alike in all respects\n", "ready\n"]
)
def test_a_plain_summary_is_not_marked(text: str) -> None:
    assert [r.check.id for r in run(Form.text, text.encode(), 10) if r.found] == []


def marked(table: str, check: str, threshold: int = 10) -> list[tuple[int, int]]:
    result = next(r for r in run(Form.csv, table.encode(), threshold) if r.check.id == check)
    return [(p.row, p.start) for p in result.evidence.places]


def test_a_tables_small_counts_are_marked_in_count_columns_alone() -> None:
    """Small counts of a table are marked in count columns alone."""
    assert marked("sex,n,age,mean\nF,9,5,3\nM,10,6,4.5\n", "small-counts") == [(1, 1)]
    assert marked("sex,White,Black\nF,120,3\nM,4,70\n", "small-counts") == [(1, 2), (2, 1)], "a crosstab names its columns by codes"
    assert marked("k,n_patients\na,0\nb,1.0\n", "small-counts") == [(2, 1)], "zero is no person; 1.0 is one"


def test_the_threshold_is_the_sites() -> None:
    assert marked("k,n\na,15\n", "small-counts", 20) == [(1, 1)]
    assert marked("k,n\na,15\n", "small-counts", 10) == []


def test_a_tables_formulas_are_marked_but_not_negative_numbers() -> None:
    """Formulas of a table are marked, and negative numbers are not."""
    assert marked("a,b\n=1+1,-2.5\n@x,+cmd|y\n-1e-5,-12%\n", "formulas") == [(1, 0), (2, 0), (2, 1)]


@pytest.mark.parametrize("form", [Form.text, Form.csv])
def test_many_lines_that_all_differ_look_like_rows(form: Form) -> None:
    rows = "id,x\n" + "".join(f"p{n},{n * 7}\n" for n in range(60))
    result = next(r for r in run(form, rows.encode(), 10) if r.check.id == "row-level")
    assert "60 of" in result.evidence.facts
    few = "sex,n\nF,120\nM,110\n"
    assert not next(r for r in run(form, few.encode(), 10) if r.check.id == "row-level").found


@pytest.mark.no_cover
@pytest.mark.slow
@pytest.mark.parametrize("piece", ["0", "1", "a", "a@", "1,", "jan", "9.9", "-", "aα", "é", "1-", "A1", "\t", "=", "⟨U+"])
def test_no_item_keeps_a_check_busy(piece: str) -> None:
    """Doubling the length must not quadruple the time: the patterns run on what a hostile kernel wrote."""
    for check in CHECKS:
        took = []
        for length in (60_000, 240_000):
            sheet = Sheet(Form.text, (piece * (length // len(piece)) + "x",), (), 10)
            start = time.process_time()
            check.measure(sheet)
            took.append(time.process_time() - start)
        assert took[1] < max(0.25, took[0] * 10), (check.id, took)


def test_a_picture_is_not_judged_by_machine() -> None:
    import io

    from PIL import Image

    out = io.BytesIO()
    Image.new("RGB", (30, 20), "red").save(out, "PNG")
    assert run(Form.png, out.getvalue(), 10) == ()
    facts = picture_facts(out.getvalue())
    assert (facts.width, facts.height, facts.colours) == (30, 20, 1)


HOSTILE = ["1 " * 250_000, "1 2\n" * 125_000, "a@" * 250_000, "1-" * 250_000, "1." * 250_000, "A" * 500_000, "⟨U+" * 100_000]


@pytest.mark.no_cover
@pytest.mark.slow
@pytest.mark.parametrize("text", HOSTILE, ids=[text[:4] for text in HOSTILE])
def test_checks_and_marks_on_hostile_text_cost_little(text: str) -> None:
    """Marking 250,000 places in one line took longer than five minutes, and again with each view of the page."""
    content = text.encode()
    begin = time.process_time()
    marked = render.text(content, checks.run(Form.text, content, 10))
    assert time.process_time() - begin < 30
    assert marked.count("<mark") <= len(checks.CHECKS) * render.MARKED


@pytest.mark.no_cover
@pytest.mark.slow
@pytest.mark.parametrize("piece", ["{a[", "\\N{", "match ", "f'{", "%(", "("])
@pytest.mark.parametrize("before", ["", "'", "'''", "f'''"])
def test_code_made_to_be_dear_to_colour_is_shown_all_the_same(piece: str, before: str) -> None:
    """Before, 100,000 characters of ``'{a['`` on one line took minutes."""
    line = (piece * 400)[:990] + "\n"
    begin = time.process_time()
    for source in (before + line * 20, before + piece * 30_000, before + line * 1000):
        assert "<" not in render.code(source).replace("<span", "").replace("</span", "")
    assert time.process_time() - begin < 20
