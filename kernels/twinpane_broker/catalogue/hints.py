"""Suggestions from public names, for refusals that a person can act on."""

import difflib
from collections.abc import Iterable


def did_you_mean(asked: str, known: Iterable[str]) -> str:
    """`` Did you mean …?`` with the nearest of the known names, or the first few of them; starts with a space, may be empty."""
    names = list(known)
    by_fold = {name.casefold(): name for name in reversed(names)}
    near = difflib.get_close_matches(asked.casefold(), list(by_fold)[:2000], n=3, cutoff=0.6)
    if near:
        return f" Did you mean {' or '.join(by_fold[name] for name in near)}?"
    if not names:
        return ""
    return f" There is {', '.join(names[:8])}{' and more' if len(names) > 8 else ''}."
