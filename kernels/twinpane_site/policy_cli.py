"""``twinpane policy …``: what a policy file says, before a site is started with it. Reads files and prints; changes nothing.

Exit status: 0 fine; 2 the file is no policy, or there is no such rule, and the message names key and remedy.
"""

import sys
from pathlib import Path

import click

WRONG = 2


@click.group()
def policy() -> None:
    """Check a site's policy file; explain its disclosure rules."""


@policy.command()
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
def check(file: Path) -> None:
    """Say what policy FILE lets out, in plain words, or what is wrong with it. A site's folder stands for the policy in it.

    Of a folder the reviewers are those that were named last, also at the pages or by `twinpane site reviewers`.
    """
    from .config import POLICY_FILE, read_policy
    from .errors import ConfigError
    from .policy_words import remarks, summary
    from .reviewers import named

    path = file / POLICY_FILE if file.is_dir() else file
    try:
        found = read_policy(path)
    except ConfigError as error:
        _end(str(error))
    if file.is_dir():
        review = found.review.model_copy(update={"reviewers": named(file, found.review.reviewers)})
        found = found.model_copy(update={"review": review})
    click.echo(f"OK: {path}")
    for line in summary(found):
        click.echo(f"  {line}")
    for line in remarks(found):
        click.echo(f"note: {line}")


@policy.command()
@click.argument("rule", metavar="[RULE]", required=False)
def explain(rule: str | None) -> None:
    """Print each disclosure rule: its value in every preset, its meaning, its source. With RULE, that one."""
    from twinpane_broker import EXPLAINED, did_you_mean

    from .policy_words import explained

    if rule is not None and rule not in EXPLAINED:
        _end(f"There is no rule {rule}.{did_you_mean(rule, EXPLAINED)} `twinpane policy explain` lists all.")
    click.echo("\n\n".join("\n".join(explained(name)) for name in EXPLAINED if rule in (None, name)))


def _end(message: str) -> None:
    click.echo(f"Error: {message}", err=True)
    sys.exit(WRONG)
