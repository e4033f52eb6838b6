"""What the sites' answers said of their accounts: of how many sets of persons each attribute was told, and how many there may be."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

from pydantic import TypeAdapter

from twinpane.style import STYLE
from twinpane_broker import AccountLine, AccountLines

_LINES: TypeAdapter[tuple[AccountLine, ...]] = TypeAdapter(AccountLines)
SHOWN = 100
"""Lines shown, at most; ``frame()`` has them all."""
HEAD = ("site", "attribute", "told", "left", "most")


@dataclass(frozen=True)
class SiteLine:
    """An attribute in a site's account, as the latest answer about it said."""

    site: str
    title: str
    line: AccountLine


class Account(list[SiteLine]):
    """The attributes that this notebook asked about, those with least left first. Shows as a table; ``frame()`` gives pandas.

    A site tells of an attribute by so many sets of persons at most, to all projects together. ``told`` counts those asked for when the
    latest answer about the attribute was given first, ``left`` those that remained.
    """

    def frame(self) -> Any:
        """One row per site and attribute: the site's id, attribute, told, left, most."""
        import pandas as pd

        rows = [(one.site, one.line.attribute, one.line.told, one.line.left, one.line.most) for one in self]
        return pd.DataFrame(rows, columns=list(HEAD))

    def __repr__(self) -> str:
        """A line per site and attribute."""
        return "\n".join([*(f"{title}  {rest}" for title, rest in self._lines()), *self._more()]) or _NOTHING

    def _repr_html_(self) -> str:
        head = "".join(f'<th{_left(name)} scope="col">{name}</th>' for name in HEAD)
        body = "".join(f"<tr>{''.join(f'<td{_left(name)}>{escape(text)}</td>' for name, text in _cells(one))}</tr>" for one in self[:SHOWN])
        table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>" if self else f"<p>{_NOTHING}</p>"
        return f'{STYLE}<div class="twp-t">{table}{"".join(f"<p>{line}</p>" for line in self._more())}</div>'

    def _lines(self) -> Iterator[tuple[str, str]]:
        for one in self[:SHOWN]:
            yield one.title, one.line.words

    def _more(self) -> list[str]:
        return [f"{len(self):,} lines, the first {SHOWN} shown; .frame() has them all."] if len(self) > SHOWN else []


_NOTHING = "No site was asked about an attribute yet, since the kernel started."


def _cells(one: SiteLine) -> Iterator[tuple[str, str]]:
    line = one.line
    return zip(HEAD, (one.title, line.attribute, f"{line.told:,}", f"{line.left:,}", f"{line.most:,}"), strict=True)


def _left(name: str) -> str:
    return ' class="g"' if name in ("site", "attribute") else ""


_heard: dict[tuple[str, str], SiteLine] = {}
"""By site and attribute. Both runs of a cell hear the same answers, so they know the same."""


def hear(reply: Mapping[str, Any]) -> None:
    """Note what the answers of a question say."""
    titles = dict(reply.get("titles", ()))
    for site, answer in reply.get("sites", {}).items():
        for line in _LINES.validate_python(answer.get("account", ())):
            known = _heard.get((site, line.attribute))
            # An answer that was given before says what it said then; nothing that was told is taken back.
            if known is None or known.line.told <= line.told:
                _heard[site, line.attribute] = SiteLine(site, titles.get(site, site), line)


def account() -> Account:
    """See ``twinpane.account``."""
    return Account(sorted(_heard.values(), key=lambda one: (one.line.left, one.site, one.line.attribute)))
