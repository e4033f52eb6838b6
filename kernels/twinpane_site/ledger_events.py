"""What the ledger records: one kind per line of evidence, and the fields of each kind's body.

A body has exactly the fields of its kind; those with a question mark may be left out. Bodies never hold rows or outputs of inside
kernels: digests stand for them.
"""

from collections.abc import Mapping
from enum import Enum
from typing import Self


class LedgerEvent(Enum):
    """``value``: the word in the ledger; ``fields``: what its body says; ``__doc__``: when it is written."""

    created = "created", "site public_key", "The site folder was made; the first line of every ledger."
    started = "started", "version policy catalogue snapshot", "The agent started; digests of policy and catalogue."
    stopped = "stopped", "reason", "The agent stopped."
    published = "published", "project catalogue", "Crossing `catalogue`: its digest, before it left for a project."
    standing = "standing", "project digest", "Crossing `standing`: the digest of a steward's word on a project, before it left."
    project = (
        "project", "project state by members tables? until? decline? proposal?",
        "A steward accepted, changed, declined, suspended or ended a project. `proposal`: the digest of the hub's proposal that was read; "
        "`by`: `site.toml` where an edit of that file did it.",
    )  # fmt: skip
    reviewers = (
        "reviewers",
        "reviewers by",
        "A steward said anew who reviews exports; `by`: `policy.toml` where an edit of it did.",
    )
    opened = "opened", "session user project seed", "A session was opened."
    closed = "closed", "session reason?", "A session was closed."
    session_stopped = (
        "session_stopped", "session user project by",
        "A steward stopped a session. The agent then ends it, with its line `closed`.",
    )  # fmt: skip
    refused = "refused", "code user project session? detail?", "A message was refused on the link; of many in a minute, how many."
    cell = "cell", "session cell source files", "A cell arrived: SHA-256 of its source, and [path, SHA-256] of each file pushed with it."
    held = "held", "session cell digest bytes dropped", "Outputs of an inside run that differ were put in the held store."
    release = (
        "release", "id session? cell? call? user project plan snapshot status digest code?",
        "Crossing `release`: a broker result or refusal, before it left. `plan` and `digest`: SHA-256 of question and answer.",
    )  # fmt: skip
    verdict = "verdict", "session cell user project outcome failure? line? tick bits", "Crossing `verdict`, before it left, with its price."
    reveal = "reveal", "session cell call user project name digits value tick bits", "Crossing `reveal`, before it left, with its price."
    silent = (
        "silent", "what user project reserve left bits?",
        "A verdict or reveal will never leave: the meter could not cover its reserve, or its session was closed first. `bits`: the price "
        "of what the silence until then has told.",
    )  # fmt: skip
    grant = "grant", "user project bits by remark?", "The steward granted bits."
    requested = (
        "requested", "request session user project purpose population? controls? items",
        "An export was asked for: `items` as [cell or path, SHA-256, form].",
    )  # fmt: skip
    set_aside = (
        "set_aside", "what why session? n? request? crossing? user? project?",
        "Something on the disk could not be worked on and is tried no more: a message, session, crossing or request that the site could "
        "not read, or that ended the process or the worker that tried it. The site goes on without it.",
    )  # fmt: skip
    signed_in = "signed_in", "user role? address?", "Somebody signed in to the review pages."
    viewed = "viewed", "request user item? sha256? what?", "A reviewer looked at a request or at one of its items."
    vote = "vote", "request user item? vote remark? sha256? private? override?", "A reviewer voted, on an item or on the whole."
    decided = "decided", "request state remark? items? by?", "A request changed state."
    export = (
        "export", "request session? user project state items by? purpose? remark? policy?",
        "Crossing `export`, before it left: `items` as [name, form, SHA-256, receipt's SHA-256].",
    )  # fmt: skip
    purged = (
        "purged", "what older_than count project?",
        "The retention rule deleted held outputs, messages, or what of messages is not code; or, of an ended `project`, all that it left.",
    )  # fmt: skip
    account = (
        "account",
        "user what by",
        "An account of the site was made, given another password, other rights or a second factor, or removed.",
    )
    frozen = "frozen", "by reason?", "A steward froze the site: from this line on no crossing's line is written, so nothing leaves."
    unfreeze = "unfreeze", "by freeze", "A steward agreed to unfreeze. `freeze`: the number of the line that froze the site."
    seen = "seen", "by upto hash", "A steward has looked at the ledger up to the line `upto`, whose hash this was."
    unfrozen = "unfrozen", "by freeze", "The site was unfrozen. `by`: the two stewards who had agreed."
    restored = "restored", "made line", "A backup of the site took its place: it was taken at `made`, and the lines up to `line` are its."

    required: frozenset[str]
    allowed: frozenset[str]

    def __new__(cls, word: str, fields: str, doc: str) -> Self:
        """A member whose value is the word alone."""
        member = object.__new__(cls)
        member._value_ = word
        member.__doc__ = doc
        names = fields.split()
        member.allowed = frozenset(name.rstrip("?") for name in names)
        member.required = frozenset(name for name in names if not name.endswith("?"))
        return member

    @classmethod
    def of(cls, word: str) -> "LedgerEvent":
        """The kind of a word in the ledger; raises ValueError where there is none."""
        return cls(word)  # type: ignore[call-arg]  # a look-up by value, which mypy takes for the making of a member

    def fault(self, body: Mapping[str, object]) -> str | None:
        """What is wrong with a body's fields, None when nothing is."""
        if missing := self.required - body.keys():
            return f"a ledger entry `{self.value}` needs {', '.join(sorted(missing))}"
        if unknown := body.keys() - self.allowed:
            return f"a ledger entry `{self.value}` has no field {', '.join(sorted(unknown))}"
        return None


CROSSINGS = frozenset({
    LedgerEvent.published, LedgerEvent.standing, LedgerEvent.release, LedgerEvent.verdict, LedgerEvent.reveal, LedgerEvent.export,
})  # fmt: skip
"""The evidence of what leaves. Every crossing but the link's own has its kind here: a frozen site's ledger takes none of them."""
