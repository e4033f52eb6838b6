"""What an item costs to make is bounded, whatever a kernel or a pane sends; and the bound changes nothing that people write."""

import contextlib
import io
import os
import time
import unicodedata
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from twinpane_ground import limits
from twinpane_wire import items
from twinpane_wire.items import Allowance, NotAForm, canonical_csv, canonical_items, canonical_png, canonical_text, visible
from twinpane_wire.visible import HIDDEN_CATEGORIES, HIDDEN_LETTERS

MILLION = 1_000_000
CPU_S = 12.0
"""Seconds of this process's time for any one text or picture: about ten times what the slowest below takes on an idle machine."""


def encoded(picture: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def cost(make: Callable[[], object]) -> float:
    """Seconds of processor time; what is refused has cost something too."""
    begin = time.process_time()
    with contextlib.suppress(NotAForm):
        make()
    return time.process_time() - begin


# ---------------------------------------------------------------- text


def visible_as_it_was(text: str) -> str:
    """The rule without its bound: all of the text is normalised at once."""
    out, marks = [], 0
    for character in unicodedata.normalize("NFC", text):
        category = unicodedata.category(character)
        marks = marks + 1 if category in ("Mn", "Me") else 0
        selector = 0xFE00 <= ord(character) <= 0xFE0F or 0xE0100 <= ord(character) <= 0xE01EF
        if character == "\n":
            out.append(character)
        elif category == "Zs":
            out.append(" ")
        elif category in HIDDEN_CATEGORIES or character in HIDDEN_LETTERS or selector or marks > 2:
            out.append(f"⟨U+{ord(character):04X}⟩")
        else:
            out.append(character)
    return "".join(out)


@given(st.text(st.characters(exclude_categories=[]), max_size=300))
@settings(max_examples=300)
def test_the_bound_on_marks_changes_no_ordinary_text(text: str) -> None:
    """Any text without thirty marks in a row looks as it would without the bound."""
    assert visible(text) == visible_as_it_was(text)


@given(st.lists(st.tuples(st.sampled_from("aeouαι가ก"), st.text(st.characters(categories=["Mn", "Mc", "Me"]), max_size=2)), max_size=60))
def test_letters_with_two_marks_each_look_as_before(letters: list[tuple[str, str]]) -> None:
    text = "".join(letter + marks for letter, marks in letters)
    assert visible(text) == visible_as_it_was(text)


def test_marks_beyond_thirty_are_written_out_as_they_stand() -> None:
    shown = visible("a" + "\u0316\u0300" * 40 + "b")
    assert shown.startswith("à\u0316\u0316⟨U+0316⟩")
    assert shown.count("⟨U+0316⟩") + shown.count("⟨U+0300⟩") == 80 - 3
    assert shown.endswith("⟨U+0316⟩⟨U+0300⟩b")


@pytest.mark.no_cover
@pytest.mark.slow
@pytest.mark.parametrize(
    "text",
    [
        pytest.param("a" + "\u0316\u0300" * (MILLION // 2), id="marks out of order"),
        pytest.param("a" + "\u0f73\u0300" * (MILLION // 2), id="marks of class 0 that come apart"),
        pytest.param("\u1100\u1161\u11a8" * (MILLION // 3), id="letters that join"),
        pytest.param("\U0001d160" * MILLION, id="characters that come apart"),
        pytest.param("\u200b" * MILLION, id="invisible"),
        pytest.param("\u00a0\n" * (MILLION // 2), id="blank lines"),
        pytest.param("\t" * MILLION + "x", id="tabs"),
        pytest.param("\x1b]" * (MILLION // 2), id="escape sequences without an end"),
        pytest.param("\x1b[" + "0" * MILLION, id="one long escape sequence"),
        pytest.param("\n" * MILLION + "x", id="empty lines"),
        pytest.param("\r" * MILLION + "x", id="a progress bar"),
    ],
)
def test_a_million_characters_cost_little(text: str) -> None:
    """Before, 80,000 marks cost 17 s, and four times as much with each doubling."""
    assert cost(lambda: canonical_text(text)) < CPU_S


@pytest.mark.no_cover
@pytest.mark.parametrize(
    "table",
    ['"' * MILLION, "," * MILLION, "\n" * MILLION, ("é," * 199 + "é\n") * 2500, ("\u00a0" * 130_000 + ",a\n") * 7],
    ids=["quotes", "commas", "empty rows", "cells", "blanks"],
)
def test_a_table_of_a_million_characters_costs_little(table: str) -> None:
    assert cost(lambda: canonical_csv(table)) < CPU_S


@pytest.mark.no_cover
def test_json_that_would_grow_when_it_is_indented_is_cut_off() -> None:
    """Two million ones 900 levels down are 4 MB, and 1.8 GB with an indent of one blank for each level."""
    deep: list[object] = [1] * 2 * MILLION
    for _ in range(900):
        deep = [deep]
    begin = time.process_time()
    found = canonical_items([{"output_type": "display_data", "data": {"application/json": deep}}])
    assert time.process_time() - begin < CPU_S
    assert "KiB" in found.left_out[0].why


# ---------------------------------------------------------------- pictures

NOISE = Image.frombytes("RGB", (4000, 4000), os.urandom(48 * MILLION))
BLANK = encoded(Image.new("RGB", (4000, 4000), (9, 9, 9)), "JPEG", progressive=True)


def scans(jpeg: bytes) -> list[bytes]:
    """The passes of a JPEG, each with the tables before it."""
    begins = [n for n in range(len(jpeg)) if jpeg[n : n + 2] == b"\xff\xda"]
    return [jpeg[begin:end] for begin, end in zip(begins, [*begins[1:], len(jpeg) - 2], strict=True)]


@pytest.mark.no_cover
def test_a_jpeg_of_many_passes_is_refused_before_any_is_decoded() -> None:
    """Each pass over 16 megapixels takes as long as a picture, and 36 bytes: one of 200 kB took minutes."""
    hostile = BLANK[:-2] + scans(BLANK)[8] * 3000 + b"\xff\xd9"
    with pytest.raises(NotAForm, match="passes"):
        canonical_png(hostile)
    assert cost(lambda: canonical_png(hostile)) < CPU_S / 10


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_as_encoders_write_it_is_a_form(mode: str, progressive: bool) -> None:
    content = encoded(Image.radial_gradient("L").convert("RGB").convert(mode), "JPEG", progressive=progressive)
    with Image.open(io.BytesIO(content)) as picture, Image.open(io.BytesIO(canonical_png(content))) as remade:
        expected = picture.convert("RGB") if mode != "CMYK" else picture.convert("RGBA").convert("RGB")
        assert remade.convert("RGB").tobytes() == expected.tobytes()


@pytest.mark.no_cover
@pytest.mark.slow
@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"\xff\xd8" + b"\xff\xfe\x00\x02" * (5 * MILLION // 4), id="empty segments"),
        pytest.param(b"\xff\xd8" + b"\xff" * 5 * MILLION, id="fill bytes"),
        pytest.param(BLANK[: BLANK.index(b"\xff\xda") + 40] + b"\xff" * 5 * MILLION + b"\x00", id="fill bytes in a scan"),
        pytest.param(b"\x89PNG\r\n\x1a\n" + b"\x00\x00\x00\x00IDAT\x35\xaf\x06\x1e" * (5 * MILLION // 12), id="empty chunks"),
        pytest.param(encoded(NOISE, "JPEG", quality=5, progressive=True), id="noise"),
        pytest.param(encoded(Image.new("RGBA", (4000, 4000), (1, 2, 3, 4))), id="a blank of 16 megapixels"),
    ],
)
def test_a_picture_costs_little(data: bytes) -> None:
    assert cost(lambda: canonical_png(data)) < CPU_S


@pytest.mark.no_cover
def test_texts_hidden_in_a_picture_are_not_inflated() -> None:
    """Only what makes pixels is handed to the decoder: 50 MB of compressed text in a PNG of 60 kB cost nothing."""
    import zlib

    def chunk(kind: bytes, content: bytes) -> bytes:
        return len(content).to_bytes(4) + kind + content + zlib.crc32(kind + content).to_bytes(4)

    plain = encoded(Image.new("RGB", (8, 8), "red"))
    bomb = chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(50 * MILLION)))
    assert canonical_png(plain[:33] + bomb * 50 + plain[33:]) == canonical_png(plain)
    assert cost(lambda: canonical_png(plain[:33] + bomb * 50 + plain[33:])) < CPU_S / 10


# ---------------------------------------------------------------- a request


def test_pictures_of_a_request_share_one_allowance() -> None:
    """Blank pictures of 16 megapixels are 9 kB each: twenty at once took a site 20 s."""
    blank = encoded(Image.new("1", (4000, 4000), 1))
    allowance = Allowance(pixels=33_000_000)
    canonical_png(blank, allowance)
    canonical_png(blank, allowance)
    with pytest.raises(NotAForm, match="on its own"):
        canonical_png(blank, allowance)
    canonical_png(encoded(Image.new("1", (100, 100), 1)), allowance)


def test_texts_of_a_request_share_one_allowance() -> None:
    allowance = Allowance(characters=10)
    assert canonical_text("12345", allowance) == b"12345\n"
    with pytest.raises(NotAForm, match="on its own"):
        canonical_text("123456", allowance)


@pytest.mark.no_cover
def test_outputs_beyond_reading_are_counted_not_worked_on() -> None:
    """Notes on outputs are bounded too: a cell's limit has room for twenty million empty outputs."""
    found = canonical_items([{"output_type": "stream", "text": "x"}] * 40 + [{}] * 100_000, "cell 3")
    assert len(found.items) == limits.ITEMS
    assert len(found.left_out) == items.NOTES + 1
    assert found.left_out[-1].what == f"cell 3, {100_040 - limits.ITEMS - items.NOTES} more"
    assert cost(lambda: canonical_items([{}] * MILLION)) < CPU_S


def test_a_displays_kinds_are_named_as_far_as_a_person_reads() -> None:
    """The kinds of a display are named only as far as a person reads."""
    data = {f"x/{n}\u202e{'y' * 1000}": "" for n in range(1000)}
    found = canonical_items([{"output_type": "display_data", "data": data}])
    assert len(found.left_out[0].why) < 1000
    assert "\u202e" not in found.left_out[0].why
