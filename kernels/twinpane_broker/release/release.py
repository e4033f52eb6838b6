"""A release, which the broker lets out by rule and the site signs; and a refusal, which tells nothing of the data but its code.

Neither carries a time: the same question on the same snapshot gives the same bytes.
"""

from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from twinpane_broker.aggregates.registry import MeasureKind
from twinpane_broker.aggregates.sums import MEAN_DIGITS
from twinpane_broker.aggregates.value import About, Count, Decimals, Number, Value
from twinpane_broker.catalogue.catalogue import Identifier, SiteId, Text
from twinpane_broker.errors import RefusalCode
from twinpane_broker.model import Closed, canonical_json
from twinpane_broker.question.category import Category
from twinpane_broker.question.plan import MAX_ROWS
from twinpane_broker.rules.rounding import decimals_of_size, decimals_written

from .account_line import AccountLines, cost_words
from .applied_rules import AnyRule

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

SIGNED_AS = b"twinpane-release:"
"""Goes before the content that is signed, so that no other signature of the site's key can pass for a release's."""
Hash = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class ReleasedColumn(Closed):
    """A column of the released table."""

    name: Identifier
    kind: Literal["dimension"] | MeasureKind
    unit: Annotated[str, StringConstraints(max_length=40)] = ""
    label: Text = ""
    decimals: Decimals | None = Field(default=None, exclude_if=lambda decimals: decimals is None)
    """Of means and shares: the decimals that each has at least, below 0 before the point; some have more. Older releases do not say."""

    bounds: tuple[Number, Number] | None = Field(default=None, exclude_if=lambda bounds: bounds is None)
    """Of what is computed from values: the catalogue's bounds. Values beyond them count as lying on them."""

    steps: tuple[Number, Number] | None = Field(default=None, exclude_if=lambda steps: steps is None)
    """Of quantiles: the smallest and the largest step of the grid whose nearest edges they are; None if it is as fine as the values."""

    def decimals_of(self, value: Value) -> int:
        """The decimals to which a number of this column is known, as far as is said: below 0 before the point."""
        if value.decimals is not None:
            return value.decimals
        written = decimals_written(value.value or 0)
        return max(self._least(value.value or 0) if self.decimals is None else self.decimals, written)

    def _least(self, value: float) -> int:
        """The decimals of an earlier release, which does not say them: shares had one, means three significant digits."""
        if self.kind == MeasureKind.share:
            return 1
        return decimals_of_size(value, MEAN_DIGITS) if self.kind == MeasureKind.mean else 0

    @property
    def is_measure(self) -> bool:
        """Whether its values are in ``Row.values`` (otherwise in ``Row.key``)."""
        return self.kind != "dimension"


class Row(Closed):
    """A cell of the table: its category per dimension, its persons, and one value per measure column."""

    key: tuple[Category, ...] = ()
    persons: Count | None = None
    """Distinct persons, rounded; None where suppressed."""
    about: About = False
    """Whether the persons are those of a set released before, from which this cell differs by fewer than twice the threshold, or not
    at all."""
    values: tuple[Value, ...]

    @property
    def suppressed(self) -> bool:
        """Whether the whole cell was suppressed."""
        return self.persons is None

    def lacks(self, place: int) -> bool:
        """Whether the number at that place is not here because there is none: nobody is in the cell, and the site says so."""
        return self.persons == 0 and self.values[place].suppressed


class LeftOut(Closed):
    """The rows that the question's own LIMIT or HAVING left out of the released table."""

    rows: Annotated[int, Field(ge=1)]
    suppressed: Annotated[int, Field(ge=0)] = 0
    """Those with a suppressed number: it meets no HAVING, and sorts last whatever it is."""


class Release(Closed):
    """An answer. Every approved code has a row, even if nobody holds it, so the presence of a row tells nothing."""

    status: Literal["released"] = "released"
    id: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
    site: SiteId
    plan_hash: Hash
    snapshot: Annotated[str, StringConstraints(max_length=64)]
    policy: Annotated[str, StringConstraints(max_length=80)]
    """Version of the rules: the preset's name and the digest of its numbers."""
    rules: Annotated[tuple[AnyRule, ...], Field(max_length=32)]
    """The rules applied."""
    persons: Count | None
    """Distinct persons the question is about, rounded on their own, not the sum of the rows; None where suppressed."""
    about: About = False
    """Whether these are the persons of a set released before; see ``Row``."""
    columns: tuple[ReleasedColumn, ...]
    rows: Annotated[tuple[Row, ...], Field(max_length=MAX_ROWS)]
    account: AccountLines = ()
    """What the account of what was released says of the attributes that it tells of, when it was given first."""
    left_out: LeftOut | None = Field(default=None, exclude_if=lambda left: left is None)
    signature: Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{128})?$")] = ""
    """Ed25519 signature of the site over everything above; empty until signed."""

    @property
    def content(self) -> bytes:
        """The bytes that the signature covers: everything but the signature, in canonical form."""
        return canonical_json(self.model_dump(mode="json", exclude={"signature"}))

    @model_validator(mode="after")
    def _rows_fit_the_columns(self) -> Self:
        measures = sum(column.is_measure for column in self.columns)
        dimensions = len(self.columns) - measures
        if any(len(row.key) != dimensions or len(row.values) != measures for row in self.rows):
            raise ValueError("the rows of a release fit its columns")
        return self

    @property
    def dimensions(self) -> tuple[ReleasedColumn, ...]:
        """Columns of the keys, in their order."""
        return tuple(column for column in self.columns if not column.is_measure)

    @property
    def measures(self) -> tuple[ReleasedColumn, ...]:
        """Columns of the values, in their order."""
        return tuple(column for column in self.columns if column.is_measure)


FIXED_REASONS = {
    RefusalCode.withheld: "Withheld by the site's disclosure rules: too few persons stand behind the answer, or behind what it leaves out, "
    "or nearly all of a group meet one of its conditions. Ask about a larger group, with fewer dimensions, "
    "or by groups of what the condition is about.",
    RefusalCode.capped: "This project has had as many withheld answers today as the site allows: it gets no new ones until tomorrow (UTC). "
    "Questions that were answered before are still answered.",
    RefusalCode.unavailable: "The site cannot answer this now. Ask again later, or ask a smaller question.",
}
"""What a refusal says where a reason of its own could depend on rows."""
AT_FIRST = "When it was given first"
"""An answer that is given again says what it said, and uses nothing more."""


class Refusal(Closed):
    """No answer. If the data decides, the reason is one fixed text: only the code depends on rows."""

    status: Literal["refused"] = "refused"
    site: SiteId
    plan_hash: Hash
    code: RefusalCode
    reason: Annotated[str, StringConstraints(max_length=600)] = ""
    account: AccountLines = ()
    """Of a withheld answer, the attributes that it was asked about; of one for which there is no room, the one that has least. It follows
    from the questions alone."""

    @property
    def words(self) -> str:
        """The reason, and what the answer used of the account: it costs as much as numbers would."""
        cost = cost_words(self.account)
        return f"{self.reason} {AT_FIRST}, {cost}." if cost else self.reason

    @model_validator(mode="before")
    @classmethod
    def _fixed_reason(cls, raw: object) -> object:
        if isinstance(raw, dict) and raw.get("code") in tuple(FIXED_REASONS) and not raw.get("reason"):
            return {**raw, "reason": FIXED_REASONS[RefusalCode(raw["code"])]}
        return raw

    @model_validator(mode="after")
    def _nothing_but_the_code(self) -> Self:
        if self.code in FIXED_REASONS and self.reason != FIXED_REASONS[self.code]:
            raise ValueError(f"a refusal {self.code} has one fixed reason")
        return self


def sign(release: Release, private_key: "Ed25519PrivateKey") -> Release:
    """The release with the site's signature; Ed25519 is deterministic, so the same release gets the same bytes."""
    return release.model_copy(update={"signature": private_key.sign(SIGNED_AS + release.content).hex()})


def verify_release(release: Release, public_key: str) -> bool:
    """Whether the release is signed by the key (32 bytes in hexadecimal); False for any key or signature that is not one."""
    from cryptography.exceptions import InvalidSignature  # slow to import, and most who read releases do not verify_release
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_key)).verify(bytes.fromhex(release.signature), SIGNED_AS + release.content)
    except (InvalidSignature, ValueError):
        return False
    return True
