"""Suppression of cells: primary suppression by the rules, then secondary suppression of cells that would give the first away.

*Remainder rule*: subtract a line's shown cells from its total. The persons who remain are in suppressed cells or outside the shown
categories. Where there is such a cell, they must be at least ``threshold`` persons: fewer, or nobody, would follow. If many are in several
cells, persons do not add up, and nothing can be subtracted. Then only the audit counts; and the memory, for a separate question about the
persons of all shown cells. *Audit*: no suppressed cell's number may follow too closely from everything that is shown (``feasibility``).
Source: Handbook on SDC, chapter 4.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import islice, product

from twinpane_broker.cells.person_sets import PersonSet
from twinpane_broker.check.resolve import ResolvedPlan
from twinpane_broker.evidence.table import Index, Line, Table
from twinpane_broker.memory import REFUSED, StandIn, Standing
from twinpane_broker.rules.policy import Rules
from twinpane_broker.rules.sdc_rules import cell_is_safe, threshold_rule

from .classes import Class, classes
from .feasibility import Audit, Bounds, Need, Total, box

SPARSE_FROM = 10
"""The sparse rules are for tables of at least so many cells that somebody is in; smaller ones are judged cell by cell."""

BOXES = 3000
"""Boxes that are looked at for a cell that needs room."""


class Reason(StrEnum):
    """Why a cell is suppressed. The reason stays inside: no reader sees it."""

    small = "small"  # few persons, or none where the policy does not show zeros
    leaves_few = "leaves few"  # all persons of the question but a few (complement)
    split = "split"  # type: ignore[assignment]  # class disclosure; as a member it hides str.split, which nobody calls on one
    memory = "memory"  # differs by a few persons from a set released before (differencing)
    companion = "companion"  # would give away another suppressed cell


WATCHED = (Reason.small, Reason.leaves_few, Reason.memory)
"""Cells whose numbers must not follow; companions give nothing away themselves, and of a class only that it is one matters."""


@dataclass(frozen=True)
class ToldTotal:
    """What an answer tells of a line's total: its own number, or that of a set that stands in for it."""

    who: PersonSet = field(repr=False)
    persons: int
    is_own: bool = True


class SuppressionPattern:
    """The suppressed cells of a table. They grow until no suppressed number follows from the rest; ``refuse`` and ``hide_one`` add more."""

    def __init__(self, table: Table, bound: ResolvedPlan, rules: Rules, row_base: int) -> None:
        self.table = table
        self.rules = rules
        self.reasons: dict[Index, Reason] = {}
        self.stand_ins: dict[Index, StandIn] = {}
        """For cells that the memory refuses: whose number of persons is shown in place of theirs."""
        self._as_few: set[Index] = set()
        self._row_base = row_base
        self._overlaps: dict[int, int] = {}
        for cell in table.shown:
            if not cell_is_safe(table.cell(cell), len(table.who), rules):
                few = table.size(cell) < rules.threshold
                self.reasons[cell] = Reason.small if few else Reason.leaves_few
        self.classes: tuple[Class, ...] = tuple(classes(table, bound, rules))
        for found in self.classes:
            for cell in found.held_back:
                self.reasons.setdefault(cell, Reason.split)

    def __contains__(self, cell: Index) -> bool:
        return cell in self.reasons

    @property
    def left(self) -> tuple[Index, ...]:
        """The shown cells, in the table's order."""
        return tuple(cell for cell in self.table.shown if cell not in self.reasons)

    @property
    def too_many(self) -> bool:
        """Whether too much is suppressed: no cell is shown, or too few cells of a large table, or too few persons (sparse table)."""
        inhabited = [cell for cell in self.table.shown if self.table.size(cell)]
        left = [cell for cell in inhabited if cell not in self.reasons or cell in self.stand_ins]
        if not left:
            return True
        if len(inhabited) < SPARSE_FROM:
            return False
        thin = sum(map(self.table.size, left)) < self.rules.sparse_mean * self.rules.threshold * len(left)
        return thin or len(inhabited) - len(left) > self.rules.sparse * len(inhabited)

    def refuse(self, cells: Mapping[Index, Standing]) -> None:
        """Suppress the cells that the memory does not admit; some have a stand-in, and some must look like cells of few persons."""
        self.reasons.update(dict.fromkeys(cells, Reason.memory))
        for cell, standing in cells.items():
            self.stand_ins.pop(cell, None)
            if standing.stand_in is not None:
                self.stand_ins[cell] = standing.stand_in
        self._as_few.update(cell for cell, standing in cells.items() if standing.as_few)

    def unsupported(self) -> dict[Index, Standing]:
        """The cells whose stand-in follows from cells of this table that are not all shown: nobody can add it up, so they are refused."""
        shown = [self.table.cell(cell).who for cell in self.left]
        return {cell: REFUSED for cell, stand_in in self.stand_ins.items() if not all(part in shown for part in stand_in.rests_on)}

    def hide_one(self, line: Line) -> bool:
        """Suppress one more cell of a line; False if no shown cell of the line holds anybody.

        Prefer cells that share their other lines with suppressed cells, since a closed pattern needs fewer cells. Among these take the
        smallest.
        """
        choice = [cell for cell in line.shown if cell not in self.reasons and self.table.size(cell)]
        if not choice:
            return False
        self.reasons[min(choice, key=lambda cell: (-self._crowded(cell), self.table.size(cell), cell))] = Reason.companion
        return True

    def close(self) -> bool:
        """Suppress the cells that would give away a suppressed one; False if that is not possible."""
        self._leave_no_small_remainder()
        if not self.reasons or self.too_many:
            return True
        return all(self._widen(audit) for audit in self._audits())

    def left_over(self, total_of: Callable[[Line], ToldTotal | None]) -> dict[Index, StandIn]:
        """What is left of a line's total by the one companion that is suppressed as nobody, or a few, are in its other suppressed cells.

        A reader can subtract as much from a total that is told, whether it is the line's own or another set's. It is shown where each other
        suppressed number may still be any small one, whatever sums are known, as it goes up and down against companions alone; or else
        where the audit allows it. Both follow from what a reader knows.
        """
        table = self.table
        companions = {cell for cell, why in self.reasons.items() if why is Reason.companion and table.size(cell)}
        few = [cell for cell in table.cells if not table.is_shown(cell) and 0 < table.size(cell) < self.rules.threshold]
        found, told = dict[Index, StandIn](), list[tuple[Line, int]]()
        are_own = True
        for cell in companions if table.apart else ():
            # The first line: which of several has least left would tell of the others.
            for line in sorted(table.through[cell], key=lambda line: line.axis):
                total = total_of(line)
                if total is not None and (rest := self._rest_by(cell, line, total)):
                    found[cell] = rest
                    told.append((line, rest.persons))
                    are_own = are_own and total.is_own
                    break
        watched, every = (cell for cell in (*self.reasons, *few) if cell not in companions), {*table.shown, *table.cells}
        if found and all(_moves(cell, companions) for cell in watched):
            return found
        return found if found and are_own and self._audits()[0].allows(every, self.reasons, told) else {}

    def _rest_by(self, companion: Index, line: Line, total: ToldTotal) -> StandIn | None:
        """Whom a line's shown cells leave of its total, if but for few they are in its one companion.

        In a table of several dimensions they are not it alone: its own number would tell of few in its other lines.
        """
        cells = (*line.shown, *line.outside)
        hidden = {cell for cell in cells if cell in self.reasons or not self.table.is_shown(cell)}
        others = hidden - {companion}
        few = self.table.number(cell for cell in others if cell not in self._as_few) < self.rules.threshold
        if not few or (not others and len(self.table.sizes) > 1):
            return None
        left = [cell for cell in cells if cell not in hidden]
        rest = StandIn(total.who - self.table.together(left), total.persons - self.table.number(left))
        near = abs(rest.persons - self.table.size(companion)) <= self.rules.most_about
        return rest if near and threshold_rule(rest.persons, self.rules.threshold) else None

    def _crowded(self, cell: Index) -> int:
        return sum(any(other in self.reasons for other in line.shown) for line in self.table.through[cell])

    def _leave_no_small_remainder(self) -> None:
        waiting = [line for line in self.table.lines if self._may_add_up(line)]
        while waiting:
            line = waiting.pop()
            while self._remains_small(line):
                before = set(self.reasons)
                if not self.hide_one(line):
                    break
                for cell in self.reasons.keys() - before:
                    waiting.extend(line for line in self.table.through[cell] if self._may_add_up(line))

    def _may_add_up(self, line: Line) -> bool:
        """Whether a line's persons add up to its total, but for fewer than the threshold: so few would not blur what remains."""
        if id(line) not in self._overlaps:
            self._overlaps[id(line)] = self.table.overlap(line)
        return self._overlaps[id(line)] < self.rules.threshold

    def _remains_small(self, line: Line) -> bool:
        """Whether the suppressed cells of a line hold too few persons. None is few: else a line that is shown tells of an empty cell."""
        rest = [*(cell for cell in line.shown if cell in self.reasons), *line.outside]
        return bool(rest) and self.table.number(cell for cell in rest if cell not in self._as_few) < self.rules.threshold

    def _audits(self) -> list[Audit]:
        """The audit of persons, and one of rows if their numbers differ or add up where those of persons do not."""
        table, rules = self.table, self.rules
        unknown = {
            cell: self.reasons.get(cell, Reason.small)
            for cell in (*self.reasons, *table.cells)
            if cell in self.reasons or (not table.is_shown(cell) and 0 < table.size(cell) < rules.threshold)
        }
        persons = {cell: evidence.persons for cell, evidence in table.cells.items()}
        rows = {cell: evidence.rows for cell, evidence in table.cells.items()}
        alone = frozenset(cell for cell in unknown if persons.get(cell) == 1)
        split = {cell for found in self.classes for cell in found.held_back}
        least = 0 if rules.zeros == "hidden" else 1
        floor = {cell: 0 if cell in split else least for cell in unknown}
        few = {cell for cell, reason in unknown.items() if reason is Reason.small}
        must = {cell: Need(rules.candidates) for cell, why in unknown.items() if why in WATCHED}
        for found in self.classes:
            # A reader must not be certain that the category holds more than its allowed share of the group.
            candidates = must[found.cell].candidates if found.cell in must else 1
            must[found.cell] = Need(candidates, int(rules.class_share * found.group // 100))
        known = [line for line in table.lines if line.axis >= 0 and self._total_is_known(line)]
        totals = [Total(line, table.number((*line.shown, *line.outside)), table.adds_up(line)) for line in known]
        audits = [
            Audit(
                truth=persons, needs=must,
                hidden={cell: (floor[cell], rules.threshold - 1 if cell in few else None) for cell in unknown} | self._about(),
                totals=totals, alone=alone, base=rules.base, floor=least,
            )
        ]  # fmt: skip
        if rows != persons or not table.apart:
            must = {cell: need for cell, need in must.items() if cell in few}
            totals = [Total(line, sum(rows.get(cell, 0) for cell in (*line.shown, *line.outside))) for line in known]
            audits.append(
                Audit(
                    truth=rows, hidden={cell: (floor[cell], None) for cell in unknown}, needs=must,
                    totals=totals, alone=alone, base=self._row_base, floor=least,
                )
            )  # fmt: skip
        return audits

    def _about(self) -> dict[Index, Bounds]:
        """What a reader knows of a cell from its stand-in: by how many persons the two may differ."""
        bounds: dict[Index, Bounds] = {}
        for cell, stand_in in self.stand_ins.items():
            slack = stand_in.steps * self.rules.most_about
            bounds[cell] = (stand_in.persons - slack, stand_in.persons + slack)
        return bounds

    def _total_is_known(self, line: Line) -> bool:
        """Whether a reader could learn a line's total by a separate question."""
        cells = (*line.shown, *line.outside)
        number = self.table.number(cells)
        if not threshold_rule(number, self.rules.threshold) or 0 < len(self.table.who) - number < self.rules.threshold:
            return False
        # If the total is about exactly the persons of a cell that the memory refuses, the memory would refuse the total too.
        return not any(self.reasons.get(cell) is Reason.memory and self.table.size(cell) == number for cell in line.shown)

    def _widen(self, audit: Audit) -> bool:
        """Suppress more cells until the audit finds every interval wide enough."""
        while narrow := audit.narrow(self.reasons):
            before = len(self.reasons)
            for cell in narrow:
                if len(self.reasons) > before and self._cheapest_box(cell, audit) == ():
                    continue
                if not self._widen_one(cell, audit):
                    return False
            if len(self.reasons) > before:
                self._leave_no_small_remainder()
                if self.too_many:
                    return True
        return True

    def _widen_one(self, cell: Index, audit: Audit) -> bool:
        if audit.relent(cell, self.table.shown):
            return True
        if more := self._cheapest_box(cell, audit):
            self.reasons.update(dict.fromkeys(more, Reason.companion))
            return True
        if line := self._nearest_open_line(cell):
            return self.hide_one(line)
        return audit.relent(cell, ())

    def _cheapest_box(self, cell: Index, audit: Audit) -> tuple[Index, ...] | None:
        """The fewest further cells to suppress so that a cell's interval is wide enough; of equally many, the smallest.

        They are the other corners of a box (hypercube method, Giessing and Repsilber 2002). None if no box is enough.
        """
        others = []
        for axis, size in enumerate(self.table.sizes):
            along = {at: cell[:axis] + (at,) + cell[axis + 1 :] for at in range(size) if at != cell[axis]}  # noqa: RUF005
            costs = {at: (other not in self.reasons, self.table.size(other)) for at, other in along.items()}
            others.append(sorted(costs, key=costs.__getitem__))
        best: tuple[int, int, tuple[Index, ...]] | None = None
        for opposite in islice(product(*others), BOXES):
            corners = box(cell, opposite)
            more = tuple(corner for corner, _ in corners if corner not in self.reasons and corner != cell)
            if any(not self.table.size(corner) for corner in more):
                continue
            cost = (len(more), sum(map(self.table.size, more)), more)
            if (best is None or cost < best) and audit.helps(corners):
                best = cost
        return best[2] if best else None

    def _nearest_open_line(self, cell: Index) -> Line | None:
        """The nearest line with a cell left to suppress: first the cell's own lines, then the lines of suppressed cells in these."""
        seen, ring = {cell}, [cell]
        while ring:
            lines = [line for near in ring for line in self.table.through.get(near, ())]
            opened = [line for line in lines if any(c not in self.reasons and self.table.size(c) for c in line.shown)]
            if opened:
                return min(opened, key=self._hidden_in)
            around = dict.fromkeys(c for line in lines for c in (*line.shown, *line.outside) if c in self.reasons)
            ring = [c for c in around if c not in seen]
            seen.update(ring)
        return None

    def _hidden_in(self, line: Line) -> int:
        return sum(self.table.size(cell) for cell in (*line.shown, *line.outside) if cell in self.reasons or not self.table.is_shown(cell))


def _moves(cell: Index, companions: Collection[Index]) -> bool:
    """Whether a cell is a corner of a box of which all others are companions: then its number may change, and no line's sum with it."""
    along = [[at[axis] for at in companions if _without(at, axis) == _without(cell, axis)] for axis in range(len(cell))]
    return any(all(corner in companions for corner, _ in box(cell, opposite)[1:]) for opposite in product(*along))


def _without(cell: Index, axis: int) -> Index:
    return cell[:axis] + cell[axis + 1 :]
