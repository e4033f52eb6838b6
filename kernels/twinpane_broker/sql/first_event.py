"""What is asked of the day of a first event, which is an index date, or of its number."""

from dataclasses import replace

from twinpane_broker.errors import Refused
from twinpane_broker.question.predicates import Window

from .refusals import PERSONS, RANKED
from .said import Compared, Condition, Name, Shifted, YearOf
from .scope import OfMembers, Scope
from .where import predicate_of


def of_first(condition: Condition, scope: Scope) -> bool:
    """Take in what is asked of the day or the number of a first event; False for any other condition."""
    name = getattr(condition, "column", None)
    if isinstance(condition, Compared):
        if all(isinstance(side, Name | Shifted) for side in (condition.left, condition.right)):
            return False
        name = condition.left if isinstance(condition.left, Name | YearOf) else condition.right
    plain = name.column if isinstance(name, YearOf) else name
    if not isinstance(plain, Name):
        return False
    target = scope.target(plain)
    if not isinstance(target, OfMembers):
        return False
    members = target.of
    if target.column == members.rank:
        if not (
            isinstance(condition, Compared)
            and condition.op == "="
            and any(type(side) is int and side == 1 for side in (condition.left, condition.right))
        ):
            raise Refused(RANKED)
        members.chosen = True
        return True
    if target.column == members.kinds or target.column in members.values:
        return False
    if target.column != members.day or members.first is None:
        raise Refused(PERSONS)
    alone = Scope(scope.catalogue)
    alone.enter(plain.table or "first", members.first.table)
    asked = predicate_of(_renamed(condition, plain, Name(members.first.date or "", None)), alone)
    if not isinstance(asked, Window):
        raise Refused("The day of a first event is compared with days: a window of months.")
    members.windows.append(asked)
    return True


def _renamed(condition: Condition, old: Name, new: Name) -> Condition:
    """A comparison of another column."""

    def other(part: object) -> object:
        return new if part == old else YearOf(new) if part == YearOf(old) else part

    if isinstance(condition, Compared):
        return replace(condition, left=other(condition.left), right=other(condition.right))  # type: ignore[arg-type]
    return replace(condition, column=other(condition.column))  # type: ignore[union-attr, arg-type]
