"""The broker's errors, and the codes of its refusals. What a researcher may read is in the message; what an engine said is not."""

from enum import StrEnum


class RefusalCode(StrEnum):
    """Why there is no answer."""

    grammar = "grammar"  # the plan cannot say it: explained in full
    catalogue = "catalogue"  # the catalogue does not allow it: explained in full
    withheld = "withheld"  # the data refuses: one code, one text
    capped = "capped"  # the day's withheld answers are used up: one code, one text
    unavailable = "unavailable"  # the broker cannot answer now: one code, one text


class Refused(ValueError):
    """A question that grammar or catalogue refuses, with a reason that does not depend on rows and says what to ask instead."""

    def __init__(self, reason: str, code: RefusalCode = RefusalCode.grammar) -> None:
        super().__init__(reason)
        self.reason = reason[:600]
        self.code = code


class PolicyError(ValueError):
    """Disclosure rules that cannot be used as they stand; names the key and what to do. For stewards, inside."""


class EngineError(RuntimeError):
    """The engine failed. Its own text, which can carry values of rows, goes to the site's log and never into this."""

    PUBLIC = "the broker's engine could not answer"

    def __init__(self, message: str = PUBLIC) -> None:
        super().__init__(message)
