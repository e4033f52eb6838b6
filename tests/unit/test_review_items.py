"""The forms that can leave: what is seen is what leaves, whatever a hostile kernel says."""

import base64
import io
import struct
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from twinpane_wire import items
from twinpane_wire.items import (
    Form,
    NotAForm,
    again,
    canonical_csv,
    canonical_file,
    canonical_items,
    canonical_png,
    canonical_text,
    visible,
)


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def bundle(**data: object) -> dict[str, object]:
    return {"output_type": "display_data", "data": {k.replace("_", "/"): v for k, v in data.items()}, "metadata": {"x": "secret"}}


@pytest.mark.parametrize(
    "character",
    [
        "\u202e",
        "\u2066",
        "\u200b",
        "\u200d",
        "\ufeff",
        "\u00ad",
        "\U000e0041",
        "\ufe0f",
        "\u3164",
        "\u2800",
        "\x00",
        "\x07",
        "\x1b",
        "\x7f",
        "\u0085",
        "\u2028",
        "\ue000",
        "\ud800",
        "\u034f",
    ],
)
def test_a_character_that_does_not_show_is_written_out(character: str) -> None:
    assert visible(f"a{character}b") == f"a⟨U+{ord(character):04X}⟩b"


def test_spaces_of_all_kinds_become_one_kind() -> None:
    assert visible("a\u00a0b\u2003c\u3000d") == "a b c d"


def test_marks_piled_on_a_letter_are_written_out() -> None:
    assert visible("e" + "\u0323" * 5).count("⟨U+0323⟩") >= 2
    assert visible("Zoë, naïve, Ελλάδα, 数") == "Zoë, naïve, Ελλάδα, 数"


def test_text_is_what_a_terminal_would_leave() -> None:
    shown = canonical_text("\x1b[31mred\x1b[0m  \t\r\n 10%|#   |\r 100%|####|\r\n\x1b]0;title\x07end\n\n\n")
    assert shown == b"red\n 100%|####|\nend\n"


def test_removing_one_escape_sequence_does_not_make_another() -> None:
    assert b"\x1b" not in canonical_text("\x1b\x1b[0m[31mred")


@given(st.text(st.characters(exclude_categories=[]), max_size=200))
def test_canonical_text_is_canonical(text: str) -> None:
    try:
        once = canonical_text(text)
    except NotAForm:
        return
    assert canonical_text(once.decode()) == once


def test_text_too_long_to_be_read_is_not_cut_but_refused() -> None:
    with pytest.raises(NotAForm, match="KiB"):
        canonical_text("x" * (items.TEXT_BYTES + 1))


def test_a_table_is_written_again_by_our_own_writer() -> None:
    assert canonical_csv('a,b\r\n"1","x\ny "\r\n') == b"a,b\n1,x y\n"
    assert canonical_csv("a\tb\n1\t2,5\n", "\t") == b'a,b\n1,"2,5"\n'


@pytest.mark.parametrize("text", ["a,b\n1\n", 'a,b\n"1,2\n', "", "\n\n", "a\n" * (items.CSV_ROWS + 2), ",".join("a" * 201) + "\n"])
def test_what_is_no_table_or_too_large_is_refused(text: str) -> None:
    with pytest.raises(NotAForm):
        canonical_csv(text)


@given(st.lists(st.lists(st.text(max_size=8), min_size=2, max_size=2), min_size=1, max_size=5))
def test_canonical_csv_is_canonical(rows: list[list[str]]) -> None:
    import csv

    out = io.StringIO(newline="")
    csv.writer(out).writerows(rows)
    try:
        once = canonical_csv(out.getvalue())
    except NotAForm:
        return
    assert canonical_csv(once.decode()) == once


def test_a_picture_keeps_its_pixels_and_nothing_else() -> None:
    info = PngInfo()
    info.add_text("Comment", "patient 4711")
    image = Image.new("RGB", (3, 2), "red")
    clean = canonical_png(encoded(image, pnginfo=info, dpi=(4711, 4711)) + b"patient 4711 after the end")
    assert b"4711" not in clean
    assert Image.open(io.BytesIO(clean)).getpixel((0, 0)) == (255, 0, 0)
    assert clean == canonical_png(encoded(image)) == canonical_png(clean), "equal pixels give equal bytes"
    assert {clean[i : i + 4] for i in range(12, 17)} >= {b"IHDR"}
    assert sorted(set(_chunks(clean))) == [b"IDAT", b"IEND", b"IHDR"]


def _chunks(png: bytes) -> list[bytes]:
    at, found = 8, []
    while at < len(png):
        length, kind = struct.unpack(">I4s", png[at : at + 8])
        found.append(kind)
        at += 12 + length
    return found


def test_nothing_hides_under_transparency() -> None:
    a = Image.new("RGBA", (2, 1), (255, 255, 255, 255))
    b = a.copy()
    b.putpixel((0, 0), (12, 34, 56, 0))  # a colour that no one can see
    assert canonical_png(encoded(a)) == canonical_png(encoded(b))


def test_frames_after_the_first_are_dropped() -> None:
    first, second = Image.new("RGB", (2, 2), "white"), Image.new("RGB", (2, 2), "black")
    moving = encoded(first, save_all=True, append_images=[second], duration=1)
    assert canonical_png(moving) == canonical_png(encoded(first))


def test_a_decompression_bomb_is_refused_before_it_is_decoded() -> None:
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n"
    for kind, data in ((b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 1000)), (b"IEND", b"")):
        bomb += struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    with pytest.raises(NotAForm):
        canonical_png(bomb)


@pytest.mark.parametrize(
    "data", [b"", b"\x89PNG\r\n\x1a\n", b"GIF89a....", b"\x89PNG\r\n\x1a\n" + b"\0" * 50, b"\xff\xd8\xff" + b"x" * 99, b"<svg/>"]
)
def test_what_is_no_picture_is_refused(data: bytes) -> None:
    with pytest.raises(NotAForm):
        canonical_png(data)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_every_kind_of_png_becomes_rgb(mode: str) -> None:
    assert Image.open(io.BytesIO(canonical_png(encoded(Image.new(mode, (4, 4)))))).mode == "RGB"


def test_a_figure_gives_its_picture_and_a_data_frame_its_text() -> None:
    """Of a figure the picture is taken, and of a data frame the text."""
    picture = base64.encodebytes(encoded(Image.new("RGB", (2, 2)))).decode()  # nbformat breaks the lines
    found = canonical_items(
        [bundle(image_png=picture, text_plain="<Figure>"), bundle(text_html="<table>", text_plain=["a\n", "b"])], "cell 7"
    )
    assert [(i.form, i.label) for i in found.items] == [(Form.png, "cell 7, output 1 (picture)"), (Form.text, "cell 7, output 2 (text)")]
    assert found.items[1].content == b"a\nb\n"
    assert [note.what for note in found.left_out] == ["cell 7, output 2: text/html"]


@pytest.mark.parametrize(
    "mime",
    [
        "text/html",
        "image/svg+xml",
        "application/javascript",
        "application/pdf",
        "application/x-python-pickle",
        "application/vnd.jupyter.widget-view+json",
        "application/vnd.plotly.v1+json",
        "image/gif",
        "x/y",
    ],
)
def test_what_cannot_be_seen_whole_is_left_out_with_the_reason(mime: str) -> None:
    found = canonical_items([{"output_type": "display_data", "data": {mime: "<script>"}}])
    assert not found.items
    assert "not a form" in found.left_out[0].why


def test_a_failure_is_its_traceback_as_text() -> None:
    output = {"output_type": "error", "ename": "KeyError", "evalue": "'x'", "traceback": ["\x1b[31mKeyError\x1b[0m", "line 1"]}
    assert canonical_items([output]).items[0].content == b"KeyError\nline 1\n"


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(st.characters(exclude_categories=[]), max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "output_type",
                    "data",
                    "text",
                    "name",
                    "traceback",
                    "ename",
                    "text/plain",
                    "image/png",
                    "text/csv",
                    "application/json",
                    "?",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
kinds = st.sampled_from(["stream", "display_data", "execute_result", "error", "comm_open", "x"])


@settings(max_examples=200)
@given(
    st.lists(json_values | st.builds(lambda v, k: {**(v if isinstance(v, dict) else {}), "output_type": k}, json_values, kinds), max_size=4)
)
def test_nothing_a_kernel_says_makes_it_raise(outputs: list[object]) -> None:
    found = canonical_items(outputs)
    for item in found.items:
        assert again(item.form, item.content) == item.content


def test_outputs_beyond_what_can_be_reviewed_are_listed() -> None:
    """More outputs than can be reviewed are left out, not lost silently."""
    outputs = [{"output_type": "stream", "name": "stdout", "text": f"{n}"} for n in range(40)]
    found = canonical_items(outputs)
    assert (len(found.items), len(found.left_out)) == (32, 8)


@pytest.mark.parametrize(
    ("path", "data", "form"),
    [
        ("a/b.csv", b"a;b\n1;2\n", Form.csv),
        ("b.TSV", b"a\tb\n", Form.csv),
        ("n.txt", "é".encode(), Form.text),
        ("n.json", b"{}", Form.text),
        ("p.png", encoded(Image.new("RGB", (1, 1))), Form.png),
        ("p.jpg", encoded(Image.new("RGB", (1, 1)), "JPEG"), Form.png),
    ],
)
def test_files_of_the_three_forms_are_taken(path: str, data: bytes, form: Form) -> None:
    assert [item.form for item in canonical_file(path, data).items] == [form]


@pytest.mark.parametrize(
    ("path", "data"),
    [
        ("m.pkl", b"\x80\x04"),
        ("m.txt", b"\x80\x04"),
        ("x.html", b"<p>"),
        ("x.svg", b"<svg/>"),
        ("x.ipynb", b"{}"),
        ("x", b"text"),
        ("x.pdf", b"%PDF"),
        ("p.txt", encoded(Image.new("RGB", (1, 1)))),
        ("x.csv", b"a,b\n1\n"),
        ("x.txt", b"a\x00b"),
        ("x.txt", b""),
        ("x.py", b"1"),
    ],
)
def test_other_files_are_left_out_with_the_reason(path: str, data: bytes) -> None:
    found = canonical_file(path, data)
    assert not found.items
    assert found.left_out[0].why


def test_twins_travel_as_the_link_carries_them() -> None:
    twins = canonical_items([{"output_type": "stream", "name": "stdout", "text": "x"}]).as_twins()
    assert [(t.form, t.content) for t in twins] == [("text", base64.b64encode(b"x\n").decode())]


def test_what_comes_from_outside_as_canonical_is_made_so() -> None:
    assert again(Form.text, "\u202ex".encode()) == "⟨U+202E⟩x\n".encode()
    with pytest.raises(NotAForm):
        again(Form.text, b"\xff")
