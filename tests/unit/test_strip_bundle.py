"""The strip: it says what the design says, marks nothing synthetic as real, and lets no text of others act."""

import base64
import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twinpane_kernel.cell_report import CellReport, ExportedReport, RevealReport, SiteReport, State
from twinpane_kernel.cells import Reveal
from twinpane_kernel.strip import MIME, bundle, empty, plain
from twinpane_kernel.strip_words import number

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 40


def sites(*states, online=True):
    """Sites A, B, … in those states."""
    return tuple(
        SiteReport(site="abcdefghij"[i], title=f"Site {'ABCDEFGHIJ'[i]}", state=state, online=online) for i, state in enumerate(states)
    )


def report(*states, outputs=True, **more):
    """A report of a cell at sites in those states."""
    return CellReport(cell=1, msg_id="m", outputs=outputs, sites=sites(*states), **more)


def visible(html):
    """The text a reader sees."""
    without = re.sub(r"<style>.*?</style>", "", html, flags=re.S)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", "", without)).strip()


def item(**more):
    """A released text of site A."""
    content = base64.b64encode(b"hello").decode()
    plain_text = {"site": "a", "request": "r", "form": "text", "name": "t.txt", "sha256": "3fa9c1" + "0" * 58, "content": content}
    return ExportedReport(**plain_text | more)


def test_every_site_is_named_with_a_symbol_and_words():
    """Running, differs, failed: each chip speaks without its colour."""
    failed = SiteReport(site="c", title="Site C", state=State.failed, failure="KeyError", line=3)
    shown = bundle(CellReport(cell=1, msg_id="m", outputs=True, sites=(*sites("running", "differs"), failed)))
    assert visible(shown["text/html"]) == "synthetic ⟳ Site A running ≠ Site B differs, held ✕ Site C failed: KeyError in line 3"
    assert shown["text/plain"] == "[synthetic] Site A: running · Site B: differs, held · Site C: failed: KeyError in line 3"


def test_an_offline_site_says_what_is_queued():
    """Offline and queued is told apart from on its way."""
    shown = plain(CellReport(cell=1, msg_id="m", outputs=True, sites=sites("queued", online=False)))
    assert shown == "[synthetic] Site A: offline, queued"


def test_where_all_sites_say_same_only_a_small_real_mark_is_left():
    """No chip, no second line."""
    shown = bundle(report("same", "same", "same"))
    assert visible(shown["text/html"]) == "✓ real"
    assert shown["text/plain"] == "[real]"


def test_beside_real_stands_who_takes_no_part():
    shown = bundle(report("same", "refused", "same"))
    assert visible(shown["text/html"]) == "✓ real ⊘ Site B refused"
    assert shown["text/plain"] == "[real] Site B: refused"


@pytest.mark.parametrize("states", list(itertools.product(State, repeat=2)))
@pytest.mark.parametrize("interacted", [False, True])
def test_never_call_synthetic_real(states, interacted):
    """With outputs on screen, the mark is *synthetic* unless every site that ran the cell said same and no widget moved since."""
    shown = bundle(report(*states, interacted=interacted))
    real = set(states) in ({State.same}, {State.same, State.refused}) and not interacted
    assert ('class="twp-m twp-r"' in shown["text/html"]) is real
    assert ("synthetic</span>" in shown["text/html"]) is not real
    assert shown["text/plain"].startswith("[real]" if real else "[synthetic]")


def test_outputs_with_no_site_at_all_are_synthetic():
    """A project without sites shows nothing real."""
    assert visible(bundle(report())["text/html"]).startswith("synthetic")


@pytest.mark.parametrize(
    ("states", "nothing"),
    [
        ((), True), (("same", "same"), True), (("rehearsal",), True), (("spent", "same"), True),
        (("running", "same"), False), (("queued",), False), (("failed", "same"), False), (("differs", "same"), False),
    ],
)  # fmt: skip
def test_an_empty_cell_shows_a_strip_only_while_needed(states, nothing):
    """Silent cells stay silent, unless a site works on them, fails, or holds something."""
    assert empty(report(*states, outputs=False)) is nothing


def test_an_empty_strip_takes_no_room():
    """Nothing visible, no text, and the output area around it collapses; programs still find the report."""
    shown = bundle(report("same", outputs=False))
    assert shown["text/plain"] == ""
    assert visible(shown["text/html"]) == ""
    assert ".jp-OutputArea-child:has(" in shown["text/html"]
    assert shown[MIME]["sites"][0]["state"] == "same"


@pytest.mark.parametrize(
    "more",
    [{"reveals": (RevealReport(name="n", digits=1),)}, {"notes": ("n",)}, {"requests": {"r": {"a": "submitted"}}}, {"exported": (item(),)}],
)
def test_whatever_was_asked_for_keeps_the_strip(more):
    """Reveals, requests, items and notes are shown under a silent cell too."""
    assert not empty(report("same", outputs=False, **more))


def test_reveals_stand_in_a_table_as_they_arrive():
    """Value, not yet, not a number, not coming: each in words, beside what is left on the meter."""
    one = report(
        "differs", "running", "same", "failed",
        reveals=(RevealReport(name="AUC", digits=3, values={"a": 0.8, "c": None}),), left={"a": 1012.7}, day={"a": 1024.0},
    )  # fmt: skip
    assert "AUC: Site A 0.800 · Site B … · Site C not a number · Site D –" in plain(one)
    assert "AUC 0.800 … not a number –".replace(" ", "") in visible(bundle(one)["text/html"]).replace(" ", "")
    assert "meter: 1,012 of 1,024 bits left today at Site A" in visible(bundle(one)["text/html"])


def test_more_than_a_day_is_left_of_what_nobody_here_knows():
    """Who was granted bits today has more than a day's. Before, 1,204 of 1,024 were left."""
    one = report("same", reveals=(RevealReport(name="n", digits=1),), left={"a": 1204.0}, day={"a": 1024.0})
    assert "meter: 1,204 bits left today at Site A" in visible(bundle(one)["text/html"])


def test_a_boolean_is_shown_as_true_or_false():
    """1.00 said what True is in no language; a site whose value is no boolean shows its number."""
    reveal = Reveal("signed", 3, truth=True, values={"a": 1.0, "b": 0.0, "c": 0.25, "d": None}).report()
    one = report("differs", "differs", "differs", "differs", reveals=(reveal,))
    assert "signed: Site A True · Site B False · Site C 0.250 · Site D not a number" in plain(one)
    assert Reveal("signed", 3, values={"a": 1.0}).report().values == {"a": 1.0}
    assert bundle(one)[MIME]["reveals"][0]["values"] == {"a": True, "b": False, "c": 0.25, "d": None}


def test_a_reveal_beyond_the_meter_is_said_not_to_come():
    """A reveal that the meter does not cover is said not to come. Nobody waits for it."""
    one = report("differs", reveals=(RevealReport(name="AUC", digits=3, spent=("a",)),))
    assert "AUC: Site A –" in plain(one)
    assert "The meter is spent" in bundle(one)["text/html"]


def test_the_meter_is_in_sight_when_it_runs_low():
    """Even a cell without reveals shows it then."""
    assert "meter: 100 of 1,024 bits" in plain(report("differs", left={"a": 100.0}, day={"a": 1024.0}))
    assert "meter" not in plain(report("differs", left={"a": 1000.0}, day={"a": 1024.0}))


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (0.812, 3, "0.812"), (0.8, 3, "0.800"), (0.0, 3, "0"), (-1.5, 2, "-1.5"), (1230000.0, 3, "1,230,000"), (12345.0, 9, "12,345.0000"),
        (1.2e-9, 2, "1.2e-09"), (1.5e13, 3, "1.50e+13"), (1.0, 1, "1"), (0.0001, 1, "0.0001"),
    ],
)  # fmt: skip
def test_a_number_shows_exactly_its_digits(value, digits, text):
    """Trailing zeros are digits too."""
    assert number(value, digits) == text


def test_an_export_says_who_has_it_in_plain_words():
    """One line per request, sites grouped by what they did."""
    one = report("differs", "differs", "differs", requests={"ab12cd34ef": {"a": "submitted", "b": "rejected", "c": "submitted"}})
    assert "export ab12cd34: with the reviewers of Site A, Site C; rejected by Site B" in plain(one)


def test_a_released_image_is_real_with_its_site_and_receipt():
    """A released image is shown as real, with its site and receipt.

    The real plot takes the synthetic one's place, which can be brought back.
    """
    html = bundle(report("differs", exported=(item(form="png", name="figure2.png", content=base64.b64encode(PNG).decode()),)))["text/html"]
    assert f'src="data:image/png;base64,{base64.b64encode(PNG).decode()}"' in html
    assert "Site A ✓ real, released figure2.png receipt 3fa9c1000000" in visible(html)
    assert 'class="twp-old"' in html
    assert "Site A released" in visible(html)


def test_a_released_text_is_shown_as_text_and_long_ones_are_cut():
    """The strip stays a strip."""
    html = bundle(report("differs", exported=(item(content=base64.b64encode(b"line\n" * 5000).decode()),)))["text/html"]
    assert html.count("line\n") < 100
    assert "5,000 lines in all" in html


@pytest.mark.parametrize("content", ['"><script>alert(1)</script>', "AAA", base64.b64encode(b"<svg onload=alert(1)>").decode()])
def test_an_image_that_is_none_is_not_put_on_the_page(content):
    """Only base64 of a PNG becomes an image."""
    html = bundle(report("differs", exported=(item(form="png", content=content),)))["text/html"]
    assert "<img" not in html
    assert "release folder" in html


HOSTILE = st.one_of(
    st.sampled_from(
        ['"><img src=x onerror=alert(1)>', "</style><script>alert(1)</script>", "{0}{x}%s", "\u202egnp.exe", "a" * 5000, "&lt;", "\x1b[31m"]
    ),
    st.text(max_size=60),
)


@pytest.mark.slow
@given(title=HOSTILE, name=HOSTILE, note=HOSTILE, reveal=HOSTILE, body=HOSTILE, state=st.sampled_from(State))
def test_nothing_that_others_wrote_acts_on_the_page(title, name, note, reveal, body, state):
    """Titles, names, notes and texts of others add no element, no attribute and no turn of text direction."""

    def shape(words):
        one = CellReport(
            cell=1, msg_id="m", outputs=True, left={"a": 5.0}, requests={"r": {"a": "submitted"}}, notes=(words[2],),
            sites=(SiteReport(site="a", title=words[0], state=state),),
            exported=(item(name=words[1], content=base64.b64encode(words[4].encode(errors="replace")).decode()),),
            reveals=(RevealReport(name=words[3], digits=3, values={"a": 1.0}),),
        )  # fmt: skip
        html = bundle(one)["text/html"]
        assert "\u202e" not in re.sub(r"<pre>.*?</pre>", "", html, flags=re.S)
        assert not set(plain(one)) & set("\u202e\x1b\x00")
        return [re.match(r"</?[a-z]*", tag).group() for tag in re.findall(r"<[^>]*>", html)]

    assert shape((title or "x", name or "x", note or "x", reveal or "x", body)) == shape(("x", "x", "x", "x", "x"))


def test_many_sites_are_counted_by_state():
    """Nine sites still fit one line; hovering names them."""
    html = bundle(report(*["differs", "differs", "running"] * 3))["text/html"]
    assert visible(html) == "synthetic ≠ 6 sites differ, held ⟳ 3 sites running"
    assert "Site A, Site B, Site D" in html


def test_a_rehearsal_is_one_chip():
    """No site got it, so no site is named."""
    assert visible(bundle(report("rehearsal", "rehearsal"))["text/html"]) == "synthetic ▷ rehearsal, on the twin only"


def test_the_strip_needs_no_script():
    """HTML and CSS alone: it also works where a notebook is only read."""
    html = bundle(report("differs", reveals=(RevealReport(name="n", digits=3),), exported=(item(),)))["text/html"]
    assert "<script" not in html
    assert "javascript:" not in html
    assert not re.search(r"\son\w+=", html)
