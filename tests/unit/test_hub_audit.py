"""The hub's audit log: one object a line, no more of what strangers cause than a bound, and it keeps nobody out."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from twinpane_hub.audit import FILE, REFUSALS, AuditLog, Kind


def test_refusals_of_a_minute_are_bounded_and_counted(tmp_path: Path) -> None:
    """Strangers who try all day do not fill the disk; how many were left out is said."""
    now = [datetime(2030, 1, 1, tzinfo=UTC)]
    audit = AuditLog(tmp_path, lambda: now[0])
    for _ in range(REFUSALS + 7):
        audit.note(Kind.refused)
    audit.note(Kind.signed_in, "ana")
    now[0] += timedelta(seconds=61)
    audit.note(Kind.refused)
    lines = [json.loads(line) for line in (tmp_path / FILE).read_text().splitlines()]
    assert [line["event"] for line in lines].count("refused") == REFUSALS + 1
    assert lines[-2]["event"] == "signed_in"
    assert lines[-1]["left_out"] == 7


def test_a_log_that_cannot_be_written_keeps_nobody_out(tmp_path: Path) -> None:
    AuditLog(tmp_path / "gone").note(Kind.signed_in, "ana")
    assert not (tmp_path / "gone").exists()


def test_lines_go_on_in_a_new_file_after_a_rotation(tmp_path: Path) -> None:
    audit = AuditLog(tmp_path)
    audit.note(Kind.signed_out, "ana")
    (tmp_path / FILE).rename(tmp_path / "moved")
    audit.changed("root, at the terminal", ("suspend first",))
    assert json.loads((tmp_path / FILE).read_text())["what"] == "suspend first"
