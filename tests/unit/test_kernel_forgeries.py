"""What a clear kernel says in the pane's name does not get through, however it is written; all else does, byte for byte."""

import json

import pytest
from kernel_desk import KEY, message

from twinpane_kernel.cell_report import CellReport, SiteReport, State
from twinpane_kernel.forgeries import cleaned
from twinpane_kernel.strip import DISPLAY, MIME, bundle
from twinpane_sandbox import protocol

REAL = bundle(CellReport(cell=1, msg_id="m", outputs=True, sites=(SiteReport(site="a", title="Site A", state=State.same),)))
"""A strip that says *real*, as the pane makes it."""


def raw(content, msg_type="display_data", **more):
    """A message whose content is these bytes."""
    made = message(msg_type, {}, **more)
    parts = [*made.frames[2:5], content]
    return type(made)(made.route, (made.frames[0], protocol.sign(KEY, parts), *parts, *made.frames[6:]), made.header)


@pytest.mark.parametrize("msg_type", ["display_data", "update_display_data", "execute_result", "execute_reply", "comm_msg", "error"])
def test_the_panes_type_is_taken_out_of_every_kind_of_message(msg_type):
    """Wherever it stands in there, and what is left is signed for the client."""
    content = {"data": {MIME: {"x": 1}, "text/plain": "x"}, "more": [{"outputs": [{"data": {MIME: 1, "a": 2}}]}]}
    shown = cleaned(message(msg_type, content), KEY)
    assert shown.content == {"data": {"text/plain": "x"}, "more": [{"outputs": [{"data": {"a": 2}}]}]}
    assert protocol.genuine(KEY, shown.frames)


def test_a_whole_strip_leaves_its_words_alone():
    """Neither the type, nor the drawing, nor what says that the pane painted it."""
    shown = cleaned(message("display_data", {"data": REAL, "metadata": {"twinpane": {"strip": 1}, "isolated": True}, "transient": {}}), KEY)
    assert shown.content == {"data": {"text/plain": "[real]"}, "metadata": {"isolated": True}, "transient": {}}


def test_letters_written_as_escapes_are_read():
    escaped = json.dumps(MIME).replace("twinpane", "tw\\u0069npane").encode()
    shown = cleaned(raw(b'{"data":{' + escaped + b':{},"text/plain":"x"},"metadata":{}}'), KEY)
    assert shown.content["data"] == {"text/plain": "x"}


@pytest.mark.parametrize(
    "content",
    [
        b'{"data":{"application/vnd.twinpane.cell.v1+json":{}}',
        b'{"data":{"application/vnd.twinpane.cell.v1+json":"\xff"}}',
        b'["twinpane"]',
        b'{"twinpane":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"twinpane":' + b"9" * 5000 + b"}",
    ],
)
def test_what_cannot_be_read_here_is_not_passed_on(content):
    """What cannot be read here is not passed on to those who may be able to read it."""
    assert cleaned(raw(content), KEY) is None


def test_the_panes_own_displays_cannot_be_forged():
    """The pane's own displays are not shown, updated or replaced by a kernel's message."""
    for kind in ("display_data", "update_display_data"):
        assert cleaned(message(kind, {"data": {}, "metadata": {}, "transient": {"display_id": f"{DISPLAY}abc-1"}}), KEY) is None


@pytest.mark.parametrize(
    "drawn",
    [
        REAL["text/html"],
        "<div class='twp-m twp-r'>real</div>",
        "<style>.twp-s{display:none}</style>",
        '<i class="twinpane-none">',
        ["<div ", 'class="x twp"', ">"],
    ],
)
@pytest.mark.parametrize("kind", ["text/html", "text/markdown", "image/svg+xml"])
def test_a_drawing_that_uses_the_strips_classes_is_taken_out(drawn, kind):
    shown = cleaned(message("display_data", {"data": {kind: drawn, "text/plain": "x"}}), KEY)
    assert shown.content["data"] == {"text/plain": "x"}


@pytest.mark.parametrize(
    ("msg_type", "content"),
    [
        ("display_data", {"data": {"text/html": '<style>.twp-t th{}</style><div class="twp-t">twinpane</div>'}, "metadata": {"twin": 1}}),
        ("display_data", {"data": {"image/png": "+twp/" * 100 + "=="}, "metadata": {}, "transient": {"display_id": "mine"}}),
        ("display_data", {"data": {"text/html": "<img src='data:image/png;base64,A+twp/twp=='>"}}),
        ("stream", {"name": "stdout", "text": f"{MIME} twinpane \\u0041 \x1b[1m"}),
        ("comm_msg", {"comm_id": "c", "data": {"state": {"twinpane": 1, "description": "import twinpane as tp"}}}),
        ("error", {"ename": "TwinpaneError", "evalue": "\x1b[0m", "traceback": []}),
    ],
)
def test_what_is_none_of_that_goes_through_unchanged(msg_type, content):
    """Tables of `twinpane` and pictures above all."""
    one = message(msg_type, content)
    assert cleaned(one, KEY) is one


def test_buffers_and_routes_travel_along():
    one = message("comm_msg", {"data": {MIME: 1}}, buffers=[b"bytes"])
    shown = cleaned(one, KEY)
    assert (shown.route, shown.buffers, shown.header) == (one.route, (b"bytes",), one.header)
