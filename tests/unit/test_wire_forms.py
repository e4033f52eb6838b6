"""Each ground on which something is not a form that can leave, and what is said of it."""

import base64
import io
import json
import struct
import zlib

import pytest
from PIL import Image

from twinpane_ground import limits
from twinpane_wire import pictures
from twinpane_wire.forms import Allowance, Canonical, Form, Item, NotAForm
from twinpane_wire.items import again, canonical_file, canonical_items
from twinpane_wire.pictures import PNG_BYTES, canonical_png
from twinpane_wire.texts import RAW_TEXT, TEXT_BYTES, canonical_csv, canonical_text


def encoded(kind: str = "PNG", size: tuple[int, int] = (3, 2), mode: str = "RGB") -> bytes:
    out = io.BytesIO()
    Image.new(mode, size).save(out, kind)
    return out.getvalue()


def display(**data: object) -> dict[str, object]:
    return {"output_type": "display_data", "data": {kind.replace("_", "/"): value for kind, value in data.items()}}


def left(*outputs: dict[str, object]) -> str:
    """Why nothing of some outputs can leave."""
    made = canonical_items(outputs, "cell 1")
    assert made.items == ()
    return made.left_out[0].why


# ---------------------------------------------------------------- outputs


@pytest.mark.parametrize(
    ("output", "why"),
    [
        ({"output_type": "stream", "text": 7}, "malformed"),
        ({"output_type": "stream", "text": ""}, "empty"),
        ({"output_type": "novel"}, "malformed"),
        ({"output_type": "display_data", "data": {}}, "malformed"),
        ({"output_type": "comm_open"}, "state of a widget"),
        (display(text_html="<b>"), "text/html"),
        (display(image_png="é"), "cannot be decoded"),
        (display(image_png="A" * (2 * PNG_BYTES + 1)), "MiB of picture"),
        (display(image_png=base64.b64encode(b"GIF89a").decode()), "not a PNG or JPEG picture"),
        (display(text_csv="a,b\n1\n"), "differ in length"),
    ],
)
def test_an_output_that_is_no_form_is_left_out_with_its_reason(output: dict[str, object], why: str) -> None:
    assert why in left(output)


def test_of_a_display_the_best_rendition_is_taken() -> None:
    """A picture before a table before a text; what it stands for is named."""
    both = display(text_csv="a\n1\n", text_html="<b>", text_plain="a")
    made = canonical_items([both], "cell 1")
    assert [(item.form, item.content) for item in made.items] == [(Form.csv, b"a\n1\n")]
    assert "text/html" in made.left_out[0].what
    made = canonical_items([display(application_json={"b": [1, {"a": 2}]})], "cell 1")
    assert json.loads(made.items[0].content) == {"b": [1, {"a": 2}]}


def test_an_error_without_a_traceback_is_told_by_name_and_value() -> None:
    made = canonical_items([{"output_type": "error", "ename": "KeyError", "evalue": "'a'"}], "cell 1")
    assert made.items[0].content == b"KeyError: 'a'\n"


def test_json_is_not_written_further_than_a_text_may_be_long() -> None:
    assert "KiB of text" in left(display(application_json=["x" * 1000] * (RAW_TEXT // 1000 + 10)))


def test_an_items_digest_and_its_twin_are_of_its_bytes() -> None:
    item = Item(Form.text, "cell 1", b"a\n")
    assert item.sha256 == "87428fc522803d31065e7bce3cf03fe475096631e5e07bbd7a0fde60c4cf25c7"
    [twin] = Canonical((item,)).as_twins()
    assert (twin.form, base64.b64decode(twin.content)) == ("text", b"a\n")


def test_an_allowance_is_spent_whole_or_not_at_all() -> None:
    allowance = Allowance(characters=5, pixels=5)
    with pytest.raises(NotAForm, match="more than one request"):
        allowance.spend(characters=6)
    with pytest.raises(NotAForm, match="more than one request"):
        canonical_png(encoded(), allowance)
    allowance.spend(5, 5)
    assert (allowance.characters, allowance.pixels) == (0, 0)


# ---------------------------------------------------------------- files and what comes again


@pytest.mark.parametrize(
    ("name", "data", "why"),
    [
        ("a.txt", encoded(), "under another file's name"),
        ("a.exe", b"x", "form that can be seen whole"),
        ("README", b"x", "form that can be seen whole"),
        ("a.txt", b"\xff", "not UTF-8"),
        ("a.txt", b"a\x00", "binary data"),
        ("a.txt", b"x" * (TEXT_BYTES + 1), "KiB of text"),
    ],
)
def test_a_file_that_is_no_form_is_left_out_with_its_reason(name: str, data: bytes, why: str) -> None:
    made = canonical_file(f"out/{name}", data)
    assert (made.items, why in made.left_out[0].why) == ((), True)


def test_files_of_each_kind_are_made_canonical() -> None:
    assert canonical_file("a.png", encoded()).items[0].form is Form.png
    assert canonical_file("a.tsv", b"a\tb\n1\t2\n").items[0].content == b"a,b\n1,2\n"
    assert canonical_file("a.csv", b"a;b\n1;2\n").items[0].content == b"a,b\n1,2\n"
    assert canonical_file("a.log", b"done").items[0].content == b"done\n"


def test_what_claims_to_be_canonical_is_made_so_again() -> None:
    once = canonical_png(encoded("JPEG"))
    assert again(Form.png, once) == once
    assert again(Form.text, b"a\n") == b"a\n"
    assert again(Form.csv, b"a,b\n") == b"a,b\n"


# ---------------------------------------------------------------- texts and tables


@pytest.mark.parametrize(
    "text", ["x" * (TEXT_BYTES + 1), "x" * (2 * TEXT_BYTES + 1), "x\n" * TEXT_BYTES, "é\n" * (TEXT_BYTES // 3 + 1), "x" * (RAW_TEXT + 1)]
)
def test_a_text_that_is_too_long_is_refused(text: str) -> None:
    with pytest.raises(NotAForm, match="KiB of text"):
        canonical_text(text)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no rows"),
        ('a,"b', "well-formed"),
        ("a,b\n1\n", "differ in length"),
        ("a\n" * 100_000, "rows and"),
        (("é" * 1000 + "\n") * (TEXT_BYTES // 1500), "KiB of table"),
        (("x" * 1000 + "\n") * (TEXT_BYTES // 900), "KiB of table"),
    ],
)
def test_a_table_that_is_none_is_refused_with_its_reason(text: str, why: str) -> None:
    with pytest.raises(NotAForm, match=why):
        canonical_csv(text)


# ---------------------------------------------------------------- pictures


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + zlib.crc32(kind + content).to_bytes(4)


MAGIC = encoded()[:8]
HEADER = encoded()[8:33]


@pytest.mark.parametrize(
    "data",
    [
        encoded()[:20],
        MAGIC + HEADER[:-1] + b"\x00" + encoded()[33:],
        MAGIC + HEADER + HEADER + encoded()[33:],
        MAGIC + HEADER + chunk(b"IEND", b""),
        MAGIC + HEADER + chunk(b"IDAT", b"no pixels") + chunk(b"IEND", b""),
        encoded("JPEG")[:3],
        encoded("JPEG")[:2] + b"none",
        encoded("JPEG")[:2] + b"\xff\xd9",
        encoded("JPEG")[:-40],
    ],
    ids=["a head cut", "a wrong sum", "two heads", "no pixels", "no deflate", "a JPEG cut", "no marker", "no frame", "a scan cut"],
)
def test_a_picture_that_is_cut_or_forged_is_refused(data: bytes) -> None:
    with pytest.raises(NotAForm):
        canonical_png(data)


def test_a_picture_that_is_too_large_is_refused_undecoded() -> None:
    """A picture that is too large is refused before it is decoded."""
    with pytest.raises(NotAForm, match="MiB of picture"):
        canonical_png(encoded() + b"\x00" * PNG_BYTES)
    wide = chunk(b"IHDR", struct.pack(">II", 10**6, 10**6) + HEADER[16:21])
    with pytest.raises(NotAForm, match="million pixels"):
        canonical_png(MAGIC + wide + chunk(b"IDAT", b"") + chunk(b"IEND", b""))


def test_a_picture_that_grows_as_it_is_written_again_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "PNG_BYTES", len(encoded()))
    with pytest.raises(NotAForm, match="MiB of picture"):
        pictures._Bounded().write(b"x" * (len(encoded()) + 1))


def test_a_picture_whose_head_lies_about_its_size_is_refused() -> None:
    """The size that is paid for is the size that is decoded."""
    with pytest.raises(NotAForm, match="cannot be decoded"):
        pictures._again(encoded(), "PNG", (4, 4))


@pytest.mark.parametrize("mode", ["I;16", "L", "RGBA", "P", "1"])
def test_pixels_of_any_kind_come_out_as_rgb_on_white(mode: str) -> None:
    assert Image.open(io.BytesIO(canonical_png(encoded(mode=mode)))).mode == "RGB"


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_picture_of_too_many_pieces_is_refused(kind: str) -> None:
    whole = encoded(kind)
    padding = chunk(b"tEXt", b"") if kind == "PNG" else b"\xff\xfe\x00\x02"
    start = 33 if kind == "PNG" else 2
    with pytest.raises(NotAForm, match="too many pieces"):
        canonical_png(whole[:start] + padding * (pictures.SEGMENTS + 1) + whole[start:])


def test_a_jpeg_of_too_many_passes_is_refused() -> None:
    whole = encoded("JPEG")
    scan = whole.index(b"\xff\xda")
    with pytest.raises(NotAForm, match="passes"):
        canonical_png(whole[:scan] + whole[scan:-2] * (pictures.SCANS + 1) + whole[-2:])


def test_beyond_some_items_of_a_cell_the_rest_is_counted() -> None:
    many = [{"output_type": "stream", "text": "x"}] * (limits.ITEMS + 3)
    made = canonical_items(many, "cell 1")
    assert len(made.items) == limits.ITEMS
    assert made.left_out
