"""What can go wrong at a site, each with a message that tells the steward what happened, where, and what to do.

These messages are for inside the glass. Over the link only the codes of ``twinpane_wire`` go.
"""


class SiteError(Exception):
    """The base: something at this site stops the asked thing, and nothing has left because of it."""


class ConfigError(SiteError):
    """site.toml, policy.toml, catalogue.toml or the data do not say what is needed; the site does not start on a guess."""


class KeyFault(SiteError):
    """The site's key is missing, malformed, or readable by others."""


class StoreError(SiteError):
    """The site's database cannot be read or written (disk full, read-only, damaged); the transaction it was part of did not happen."""


class BackupError(SiteError):
    """A backup cannot be made, is not what the site signed, or would have the site forget what it let out; nothing was changed."""


class LedgerError(StoreError):
    """The ledger cannot be written or does not hold together: nothing may leave."""


class Frozen(LedgerError):
    """The steward froze the site: the ledger takes no evidence of a crossing until two stewards unfreeze it."""


class MeterError(SiteError):
    """A spend that was not reserved, or larger than what was reserved."""


class HeldError(SiteError):
    """The held store cannot take or give an output. ``full``: it takes it neither now nor later; otherwise the caller tries again."""

    def __init__(self, message: str, full: bool = False) -> None:
        super().__init__(message)
        self.full = full
