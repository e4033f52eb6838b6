"""Asking a hospital its questions, and saying of each what was shown, what was not, and which rule held it back."""

from collections.abc import Callable, Iterable, Iterator

from twinpane_broker.broker import Broker
from twinpane_broker.errors import Refused
from twinpane_broker.question.plan import Plan
from twinpane_broker.release.release import Refusal, Release
from twinpane_broker.sql import parse_sql

from .hospitals import Hospital
from .judging import Trace, watched
from .question import Asked, Question
from .truth import Raw, category_index, is_about


def ask_all(hospital: Hospital, questions: Iterable[Question], project: str) -> Iterator[Asked]:
    """Ask them one after the other, as one project would, of a memory that knows no other question."""
    broker, raw, traces = hospital.broker(project), Raw(hospital), dict[str, Trace]()
    with watched() as last:
        for question in questions:
            try:
                plan = parse_sql(question.sql, hospital.catalogue)
            except Refused as refused:
                yield Asked(question, str(refused.code), refused.reason)
                continue
            yield _asked(question, plan, broker, raw, traces, last)


def _asked(question: Question, plan: Plan, broker: Broker, raw: Raw, traces: dict[str, Trace], last: Callable[[], Trace | None]) -> Asked:
    # The cells are the same without what is done with the released table.
    whole = plan.model_copy(update={"limit": None, **({"having": ()} if hasattr(plan, "having") else {})})
    answer, trace = broker.run(whole), last()
    key = whole.question.hash
    trace = traces.setdefault(key, trace) if trace is not None else traces.get(key)
    if isinstance(answer, Refusal):
        why = trace.why_nothing if trace is not None and answer.code == "withheld" else None
        return Asked(question, str(answer.code), str(why or answer.reason), why)
    if trace is None:
        raise LookupError(f"nobody saw how this was judged: {question.ask}")
    asked = Asked(question, "released", verdict=raw.verdict(question.sql, plan, trace.bound, answer))
    _count(asked, answer, trace)
    return asked


def _count(asked: Asked, answer: Release, trace: Trace) -> None:
    for row in answer.rows:
        index = category_index(row.key, trace.bound.axes)
        if index is None or not trace.evidence.cell(index).persons:
            continue
        for measure, value in zip(trace.bound.plan.measures, row.values, strict=True):
            asked.numbers += 1
            asked.about += is_about(row, value)
            if value.value is None:
                asked.withheld[trace.why(index, measure)] += 1
