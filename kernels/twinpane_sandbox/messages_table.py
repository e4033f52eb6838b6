"""The closed table of what a kernel may say on each channel, and of the fields and types of each message.

A message that is not here, or lacks a required field, or has one of another type, is dropped. Fields that are not here are left out.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Check = Callable[[object], bool]
MIME = 255
"""Characters of a mime type."""


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a message's content: what its value must be, and whether it must be there."""

    check: Check
    required: bool = True


@dataclass(frozen=True, slots=True)
class Shape:
    """The fields of a message. Called with a content, it returns the checked fields, or None."""

    fields: dict[str, Field]

    def __call__(self, content: dict[str, Any]) -> dict[str, Any] | None:
        """The named fields of the content; None where one is missing or of another type."""
        believed = {}
        for name, field in self.fields.items():
            if name not in content:
                if field.required:
                    return None
            elif field.check(content[name]):
                believed[name] = content[name]
            else:
                return None
        return believed


def text(value: object) -> bool:
    """A string."""
    return isinstance(value, str)


def short(value: object) -> bool:
    """A string that may serve as a name or id."""
    return isinstance(value, str) and len(value) <= 1000


def flag(value: object) -> bool:
    """True or False."""
    return isinstance(value, bool)


def count(value: object) -> bool:
    """A whole number that is not negative, or nothing."""
    return value is None or (type(value) is int and 0 <= value < 2**53)


def lines(value: object) -> bool:
    """A list of strings."""
    return isinstance(value, list) and all(isinstance(line, str) for line in value)


def mapping(value: object) -> bool:
    """An object with any values."""
    return isinstance(value, dict)


def mappings(value: object) -> bool:
    """A list of objects."""
    return isinstance(value, list) and all(isinstance(inner, dict) for inner in value)


def bundle(value: object) -> bool:
    """A mime bundle: mime types and what is shown for each."""
    return isinstance(value, dict) and all(0 < len(name) <= MIME for name in value)


def transient(value: object) -> bool:
    """The part of a display that is not stored: its display id."""
    return isinstance(value, dict) and short(value.get("display_id") or "")


def target_module(value: object) -> bool:
    """A name or nothing."""
    return value is None or short(value)


def one_of(*words: str) -> Check:
    """One of these words."""
    return lambda value: isinstance(value, str) and value in words


def shape(_required: dict[str, Check], **optional: Check) -> Shape:
    """A shape of required fields, and of fields that may be left out."""
    fields = {name: Field(check) for name, check in _required.items()}
    return Shape(fields | {name: Field(check, required=False) for name, check in optional.items()})


STATUS = one_of("ok", "error", "aborted", "abort")
FAILURE: dict[str, Check] = {"ename": text, "evalue": text, "traceback": lines}
REPLY = shape({"status": STATUS}, **FAILURE)
DISPLAY = shape({"data": bundle}, metadata=mapping, transient=transient)
KERNEL_INFO = shape(
    {"protocol_version": short},
    status=STATUS, implementation=short, implementation_version=short, language_info=mapping, banner=text, help_links=mappings,
    supported_features=lines, debugger=flag,
)  # fmt: skip

MESSAGES: dict[str, dict[str, Shape]] = {
    "shell": {
        "execute_reply": shape({"status": STATUS}, execution_count=count, user_expressions=mapping, payload=mappings, **FAILURE),
        "inspect_reply": shape({"status": STATUS}, found=flag, data=bundle, metadata=mapping, **FAILURE),
        "complete_reply": shape({"status": STATUS}, matches=lines, cursor_start=count, cursor_end=count, metadata=mapping, **FAILURE),
        "is_complete_reply": shape({"status": one_of("complete", "incomplete", "invalid", "unknown")}, indent=text),
        "history_reply": shape({"status": STATUS}, history=lambda value: isinstance(value, list), **FAILURE),
        "comm_info_reply": shape({"status": STATUS}, comms=mapping, **FAILURE),
        "kernel_info_reply": KERNEL_INFO,
    },
    "control": {
        "kernel_info_reply": KERNEL_INFO,
        "interrupt_reply": REPLY,
        "shutdown_reply": shape({"status": STATUS}, restart=flag, **FAILURE),
    },
    "stdin": {
        "input_request": shape({"prompt": text, "password": flag}),
    },
    "iopub": {
        "stream": shape({"name": one_of("stdout", "stderr"), "text": text}),
        "display_data": DISPLAY,
        "update_display_data": DISPLAY,
        "execute_result": shape({"data": bundle}, execution_count=count, metadata=mapping, transient=transient),
        "error": shape(FAILURE),
        "execute_input": shape({"code": text, "execution_count": count}),
        "status": shape({"execution_state": one_of("starting", "busy", "idle")}),
        "clear_output": shape({"wait": flag}),
        "comm_open": shape({"comm_id": short, "target_name": short}, data=mapping, target_module=target_module),
        "comm_msg": shape({"comm_id": short}, data=mapping),
        "comm_close": shape({"comm_id": short}, data=mapping),
    },
}
"""Channel -> message type -> its shape."""
