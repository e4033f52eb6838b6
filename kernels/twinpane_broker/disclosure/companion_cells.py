"""Companions of single suppressed numbers: a second one in a line, where the first would follow from the line's total."""

from twinpane_broker.evidence.table import Index, Table


def with_companions(unsafe: set[Index], hidden: set[Index], table: Table) -> set[Index]:
    """The cells with a suppressed number. Alone in its line, such a cell would follow from the line's total, so a second one is added."""
    added, held = set(unsafe), hidden | unsafe
    # Each line once, though many cells may be on it: what changes a line later puts it there again.
    waiting = list({id(line): line for cell in sorted(unsafe, reverse=True) for line in reversed(table.through.get(cell, ()))}.values())
    waiting.reverse()
    while waiting:
        line = waiting.pop()
        alone = [cell for cell in line.shown if cell in held and table.size(cell)]
        rest = [cell for cell in line.shown if cell not in held and table.size(cell)]
        if len(alone) != 1 or alone[0] not in added or not rest:
            continue
        chosen = min(rest, key=lambda cell: (table.size(cell), cell))
        added.add(chosen)
        held.add(chosen)
        waiting.extend(table.through[chosen])
    return added
