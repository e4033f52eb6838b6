"""The canonical form in which two runs are compared."""

from twinpane_wire.canonical import DisplayNames, Outputs


def outputs(*messages: tuple[str, dict], limit: int = 10**6) -> Outputs:
    """One run's outputs from its iopub messages."""
    run = Outputs(DisplayNames(), limit)
    for kind, content in messages:
        run.add(kind, content)
    return run


def text(name: str, words: str) -> tuple[str, dict]:
    """A stream message."""
    return "stream", {"name": name, "text": words}


def shown(value: str, display: str | None = None) -> tuple[str, dict]:
    """A display message."""
    return "display_data", {"data": {"text/plain": value}, "metadata": {}, "transient": {"display_id": display} if display else {}}


def test_how_a_stream_was_cut_does_not_count() -> None:
    """The kernel flushes on its own clock."""
    assert outputs(text("stdout", "ab")).digest() == outputs(text("stdout", "a"), text("stdout", "b")).digest()


def test_stdout_and_stderr_between_displays_come_in_any_order() -> None:
    """Stdout and stderr between displays may come in any order. Each has a clock of its own."""
    one = outputs(text("stdout", "a"), text("stderr", "e"), text("stdout", "b"), shown("x"))
    other = outputs(text("stderr", "e"), text("stdout", "ab"), shown("x"))
    assert one.digest() == other.digest()


def test_text_on_the_other_side_of_a_display_is_another_output() -> None:
    """Order that people see counts."""
    assert outputs(text("stdout", "a"), shown("x")).digest() != outputs(shown("x"), text("stdout", "a")).digest()


def test_display_ids_count_by_order_alone() -> None:
    """IPython draws them at random."""
    assert outputs(shown("x", "id-1"), shown("y", "id-2")).digest() == outputs(shown("x", "zz"), shown("y", "aa")).digest()
    assert outputs(shown("x", "a"), shown("y", "a")).digest() != outputs(shown("x", "a"), shown("y", "b")).digest()


def test_an_update_changes_what_was_shown() -> None:
    """As in the notebook."""
    update = ("update_display_data", {"data": {"text/plain": "new"}, "metadata": {}, "transient": {"display_id": "a"}})
    assert outputs(shown("old", "a"), update).digest() == outputs(shown("new", "b")).digest()


def test_clear_output_clears_now_or_with_the_next_output() -> None:
    """As in the notebook."""
    assert (
        outputs(text("stdout", "a"), ("clear_output", {"wait": False}), text("stdout", "b")).digest()
        == outputs(text("stdout", "b")).digest()
    )
    assert (
        outputs(text("stdout", "a"), ("clear_output", {"wait": True}), text("stdout", "b")).digest()
        == outputs(text("stdout", "b")).digest()
    )
    assert outputs(text("stdout", "a"), ("clear_output", {"wait": True})).digest() == outputs(text("stdout", "a")).digest()


def test_widget_state_counts() -> None:
    """A widget whose state came from rows is not the twin's."""
    one = outputs(("comm_open", {"comm_id": "1", "target_name": "jupyter.widget", "data": {"state": {"value": 1}}}))
    other = outputs(("comm_open", {"comm_id": "1", "target_name": "jupyter.widget", "data": {"state": {"value": 2}}}))
    assert one.digest() != other.digest()
    assert not one, "and alone shows nothing"


def test_buffers_count() -> None:
    """Binary parts are compared as well."""
    one, other = Outputs(DisplayNames()), Outputs(DisplayNames())
    one.add("comm_msg", {"comm_id": "1", "data": {}}, [b"a"])
    other.add("comm_msg", {"comm_id": "1", "data": {}}, [b"b"])
    assert one.digest() != other.digest()


def test_what_was_cut_off_is_never_called_the_same() -> None:
    """Two runs that both say too much do not agree, whatever they say."""
    run = outputs(text("stdout", "x" * 100), text("stdout", "y"), limit=200)
    assert run.dropped == 1
    assert run.digest("inside") != run.digest("twin")


def test_bookkeeping_messages_are_ignored() -> None:
    """Only what shows counts."""
    assert outputs(("status", {"execution_state": "busy"}), ("execute_input", {"code": "x"})).digest() == outputs().digest()


def test_a_hostile_kernels_content_does_not_crash_it() -> None:
    """Wrong types are taken as they can be."""
    run = outputs(
        ("stream", {"name": 5, "text": None}), ("error", {"traceback": 3}), ("display_data", {"transient": 7}), ("comm_open", {}),
    )  # fmt: skip
    assert len(run.digest()) == 64
