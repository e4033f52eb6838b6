"""Twinpane for notebooks: ``import twinpane as tp``.

Everything here runs twice, outside on the twin and inside on the real rows; both runs go on with the same answers.
"""

from typing import Any

from .asks import exports, request_export, reveal
from .errors import Refused, TwinpaneError

__all__ = ["Refused", "TwinpaneError", "catalogue", "exports", "request_export", "reveal", "sql", "table"]


def sql(text: str) -> Any:
    """Ask every site of the project one SELECT, and show the real counts it lets out, per site and pooled.

    ``text`` is parsed into a plan; nothing of it runs as SQL anywhere. Returns a ``twinpane.results.Table``. Raises Refused with the
    construct's name for what a plan cannot say, and when no site answers.
    """
    from .queries import sql as ask

    return ask(text)


def table(name: str) -> Any:
    """Start a question about a table: ``tp.table("person").where(age=(40, 64)).crosstab("sex", "race")``."""
    from .queries import Question

    return Question(name)


def catalogue() -> Any:
    """What the sites publish about their data: tables, columns, roles, code lists and completeness, site by site."""
    from .browse import Browser

    return Browser.ask()


def load_ipython_extension(shell: Any) -> None:
    """``%load_ext twinpane``: the ``%%twin`` magic."""
    from .ipython import load_ipython_extension as load

    load(shell)
