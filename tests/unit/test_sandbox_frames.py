"""What a hostile kernel sends is believed in closed, checked parts, or not at all; no bytes make the parser raise."""

import hashlib
import hmac
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twinpane_sandbox import frames as frames_module
from twinpane_sandbox import protocol, strict_json
from twinpane_sandbox.frames import DELIMITER, KernelMessage, Unread, parse
from twinpane_sandbox.messages_table import MESSAGES

KEY = b"0123456789abcdef"
HEADER = {"msg_id": "m1", "msg_type": "stream", "session": "s", "username": "u", "date": "2026-01-01T00:00:00Z", "version": "5.4"}
STREAM = {"name": "stdout", "text": "hello"}


def signed(*parts: bytes, buffers: tuple[bytes, ...] = (), key: bytes = KEY) -> list[bytes]:
    mac = hmac.new(key, b"".join(parts), hashlib.sha256).hexdigest().encode()
    return [b"kernel.x.stream.stdout", DELIMITER, mac, *parts, *buffers]


def message(content: Any = None, buffers: tuple[bytes, ...] = (), parent: Any = None, key: bytes = KEY, **header: Any) -> list[bytes]:
    parts = [HEADER | header, {"msg_id": "p1"} if parent is None else parent, {}, STREAM if content is None else content]
    return signed(*(json.dumps(part).encode() for part in parts), buffers=buffers, key=key)


def test_a_message_of_the_table_is_believed() -> None:
    found = parse(message(), KEY, "iopub")
    assert isinstance(found, KernelMessage)
    assert (found.msg_type, found.parent_msg_id, found.content, found.buffers) == ("stream", "p1", STREAM, ())


def test_a_message_that_names_no_request_has_no_parent() -> None:
    found = parse(message({"execution_state": "starting"}, parent={}, msg_type="status"), KEY, "iopub")
    assert isinstance(found, KernelMessage)
    assert found.parent_msg_id is None


def test_what_our_own_writer_signs_is_read() -> None:
    written = protocol.frames(KEY, protocol.header("stream", "s"), STREAM, parent={"msg_id": "p"}, buffers=[b"x"])
    found = parse(written, KEY, "iopub")
    assert isinstance(found, KernelMessage)
    assert found.buffers == (b"x",)


def test_a_message_with_another_key_is_dropped() -> None:
    assert parse(message(key=b"another"), KEY, "iopub") is Unread.unknown


@pytest.mark.parametrize("part", range(3, 7))
def test_a_change_in_any_signed_part_is_noticed(part: int) -> None:
    frames = message()
    frames[part] = frames[part] + b" "
    assert parse(frames, KEY, "iopub") is Unread.unknown


def test_without_a_key_nothing_is_believed() -> None:
    assert parse(message(key=b""), b"", "iopub") is Unread.unknown
    assert parse([DELIMITER, b"", *message()[3:]], b"", "iopub") is Unread.unknown


@pytest.mark.parametrize("msg_type", ["debug_event", "pyout", "data_message", "apply_reply", "execute_reply", "", "STREAM"])
def test_a_type_outside_the_channels_table_is_dropped(msg_type: str) -> None:
    assert parse(message(msg_type=msg_type), KEY, "iopub") is Unread.unknown


@pytest.mark.parametrize("channel", ["heartbeat", "", "IOPUB"])
def test_an_unknown_channel_believes_nothing(channel: str) -> None:
    assert parse(message(), KEY, channel) is Unread.unknown


@pytest.mark.parametrize("version", ["4.1", "", "50", "6.0", 5, None])
def test_an_old_or_odd_version_is_dropped_before_it_is_adapted(version: Any) -> None:
    """An old or odd version is dropped before anyone adapts it."""
    assert parse(message(version=version), KEY, "iopub") is Unread.unknown


@pytest.mark.parametrize("field", ["msg_id", "msg_type", "session", "username", "date", "version"])
@pytest.mark.parametrize("value", [None, 1, [], {}, True])
def test_a_header_field_of_another_type_is_dropped(field: str, value: Any) -> None:
    assert parse(message(**{field: value}), KEY, "iopub") is Unread.unknown


@pytest.mark.parametrize("parent", [[], "x", 1, {"msg_id": 1}, {"msg_id": ""}, {"msg_id": "x" * 201}])
def test_a_parent_that_is_none_is_dropped(parent: Any) -> None:
    assert parse(message(parent=parent), KEY, "iopub") is Unread.unknown


def test_a_key_that_appears_twice_is_dropped() -> None:
    content = b'{"name": "stdout", "text": "one", "text": "two"}'
    parts = [json.dumps(part).encode() for part in (HEADER, {"msg_id": "p"}, {})]
    assert parse(signed(*parts, content), KEY, "iopub") is Unread.unknown


def test_fields_that_the_table_does_not_name_are_left_out() -> None:
    found = parse(message(STREAM | {"smuggled": "row 7"}), KEY, "iopub")
    assert isinstance(found, KernelMessage)
    assert found.content == STREAM


@pytest.mark.parametrize(
    ("channel", "msg_type", "content"),
    [
        ("iopub", "stream", {"name": "stdlog", "text": "x"}),
        ("iopub", "stream", {"name": "stdout", "text": 1}),
        ("iopub", "stream", {"name": "stdout"}),
        ("iopub", "status", {"execution_state": "thinking"}),
        ("iopub", "display_data", {"data": []}),
        ("iopub", "display_data", {"data": {"": "x"}}),
        ("iopub", "display_data", {"data": {"x" * 300: "x"}}),
        ("iopub", "display_data", {"data": {}, "metadata": []}),
        ("iopub", "display_data", {"data": {}, "transient": {"display_id": 1}}),
        ("iopub", "error", {"ename": "E", "evalue": "", "traceback": "one"}),
        ("iopub", "error", {"ename": "E", "evalue": "", "traceback": [1]}),
        ("iopub", "execute_result", {"data": {}, "execution_count": -1}),
        ("iopub", "execute_result", {"data": {}, "execution_count": True}),
        ("iopub", "clear_output", {"wait": 1}),
        ("iopub", "comm_msg", {"comm_id": 1, "data": {}}),
        ("shell", "execute_reply", {"status": "fine"}),
        ("shell", "execute_reply", {"status": "ok", "payload": [1]}),
        ("stdin", "input_request", {"prompt": "x"}),
        ("stdin", "input_request", {"prompt": "x", "password": "no"}),
    ],
)
def test_content_of_another_shape_is_dropped(channel: str, msg_type: str, content: dict[str, Any]) -> None:
    assert parse(message(content, msg_type=msg_type), KEY, channel) is Unread.unknown


@pytest.mark.parametrize(
    "content", ["[]", '"x"', "1", "null", "{", "", "NaN", '{"name": "stdout", "text": NaN}', '{"a": 1e999}', "{" * 10**5, "[" * 10**6]
)
def test_content_that_is_no_object_is_dropped(content: str) -> None:
    parts = [json.dumps(part).encode() for part in (HEADER, {"msg_id": "p"}, {})]
    assert isinstance(parse(signed(*parts, content.encode()), KEY, "iopub"), Unread)


def test_content_that_is_nested_too_deep_is_dropped() -> None:
    deep: Any = "x"
    for _ in range(100):
        deep = [deep]
    assert parse(message({"data": {"application/json": deep}}, msg_type="display_data"), KEY, "iopub") is Unread.too_large


def test_bytes_that_are_not_utf_8_are_replaced() -> None:
    """Bytes that are not UTF-8 are replaced, and so are halves of surrogate pairs."""
    parts = [json.dumps(part).encode() for part in (HEADER, {"msg_id": "p"}, {})]
    found = parse(signed(*parts, b'{"name": "stdout", "text": "a\xff\\ud800b"}'), KEY, "iopub")
    assert isinstance(found, KernelMessage)
    assert found.content["text"].encode() == "a\ufffd?b".encode()


@pytest.mark.parametrize(
    "frames",
    [
        [],
        [b""],
        [DELIMITER],
        [DELIMITER] * 6,
        [b"x"] * 6,
        message()[1:-1],
        [b"x"] * 9 + message()[1:],
        [b"x" * 256, *message()[1:]],
        [*message(), *[b""] * 257],
        message()[2:],
    ],
)
def test_frames_in_the_wrong_number_or_order_are_dropped(frames: list[bytes]) -> None:
    assert isinstance(parse(frames, KEY, "iopub"), Unread)


@pytest.mark.parametrize("odd", [None, "text", 1, bytearray(b"x"), memoryview(b"x")])
def test_frames_that_are_not_bytes_are_dropped(odd: Any) -> None:
    for at in range(7):
        frames: list[Any] = message()
        frames[at] = odd
        assert parse(frames, KEY, "iopub") is Unread.unknown


def test_every_part_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    big = message({"name": "stdout", "text": "x" * 2000})
    assert isinstance(parse(big, KEY, "iopub"), KernelMessage)
    monkeypatch.setattr(frames_module, "CONTENT", 1000)
    assert parse(big, KEY, "iopub") is Unread.too_large
    assert parse(message(username="x" * 20_000), KEY, "iopub") is Unread.too_large
    assert parse(message(parent={"msg_id": "p", "x": "x" * 20_000}), KEY, "iopub") is Unread.too_large


def test_all_parts_together_have_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames_module, "TOTAL", 5000)
    assert isinstance(parse(message(buffers=(b"x" * 4000,)), KEY, "iopub"), KernelMessage)
    assert parse(message(buffers=(b"x" * 2500,) * 2), KEY, "iopub") is Unread.too_large


def test_a_message_beyond_the_bounds_is_told_from_no_message() -> None:
    """What is beyond the bounds is told from what is no message.

    The kernel may have meant it to be shown: it counts as dropped, where it once left no trace.
    """
    parts = [json.dumps(part).encode() for part in (HEADER | {"msg_type": "display_data"}, {"msg_id": "p"}, {})]
    many = b'{"data": {"a": [' + b"1," * strict_json.VALUES + b"1]}}"
    for content in (many, b"[" * 100 + b"]" * 100, b"x" * (frames_module.CONTENT + 1)):
        assert parse(signed(*parts, content), KEY, "iopub") is Unread.too_large
    assert parse([*message(), *[b""] * (frames_module.BUFFERS + frames_module.ROUTING + 1)], KEY, "iopub") is Unread.too_large
    assert parse(signed(*parts, b"{"), KEY, "iopub") is Unread.unknown


def test_a_metadata_bomb_is_not_even_parsed() -> None:
    parts = [json.dumps(HEADER).encode(), b"{}", b"[" * 1000, json.dumps(STREAM).encode()]
    found = parse(signed(*parts), KEY, "iopub")
    assert isinstance(found, KernelMessage)
    assert found.parent_msg_id is None


def test_every_channel_has_a_table_and_every_shape_a_field() -> None:
    assert set(MESSAGES) == {"shell", "control", "stdin", "iopub"}
    assert all(shape.fields for table in MESSAGES.values() for shape in table.values())


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
channels = st.sampled_from(["shell", "control", "stdin", "iopub"])


@given(st.lists(st.binary(max_size=80) | st.just(DELIMITER), max_size=14), channels)
def test_no_frames_make_the_parser_raise(frames: list[bytes], channel: str) -> None:
    assert parse(frames, KEY, channel) is Unread.unknown


@pytest.mark.slow
@given(st.tuples(*[st.binary(max_size=200) | json_values.map(lambda value: json.dumps(value).encode())] * 4), channels)
def test_no_signed_parts_make_the_parser_raise(parts: tuple[bytes, ...], channel: str) -> None:
    parse(signed(*parts), KEY, channel)


@pytest.mark.slow
@settings(max_examples=300)
@given(st.data(), channels)
def test_what_is_believed_has_the_fields_and_types_of_its_table(data: st.DataObject, channel: str) -> None:
    """Whatever is believed has the fields and types of its table."""
    msg_type = data.draw(st.sampled_from(sorted(MESSAGES[channel])))
    fields = MESSAGES[channel][msg_type].fields
    likely = (
        json_values
        | st.text(max_size=10)
        | st.sampled_from(["ok", "stdout", "idle"])
        | st.dictionaries(st.text(max_size=10), json_values, max_size=3)
    )
    content = data.draw(st.fixed_dictionaries({}, optional=dict.fromkeys((*fields, "extra"), likely)))
    found = parse(message(content, msg_type=msg_type), KEY, channel)
    if isinstance(found, KernelMessage):
        assert set(found.content) <= set(fields)
        assert all(fields[name].check(value) for name, value in found.content.items())
        json.dumps(found.content, allow_nan=False).encode()
