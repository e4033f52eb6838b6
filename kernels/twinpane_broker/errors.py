"""The broker's errors, and the codes of its refusals. A researcher may read every message. No message repeats an engine's own text."""

from enum import StrEnum


class RefusalCode(StrEnum):
    """Why there is no answer."""

    grammar = "grammar"  # the plan cannot say it: explained in full
    catalogue = "catalogue"  # the catalogue does not allow it: explained in full
    withheld = "withheld"  # the data refuses: one code, one text
    capped = "capped"  # the day's withheld answers are used up: one code, one text
    spent = "spent"  # the account of what was released has no room: explained in full, by numbers that all questions have alike
    unavailable = "unavailable"  # the broker cannot answer now: one code, one text


class Refused(ValueError):
    """Grammar or catalogue refuses the question. The reason does not depend on rows, and says what to ask instead."""

    def __init__(self, reason: str, code: RefusalCode = RefusalCode.grammar) -> None:
        super().__init__(reason)
        self.reason = reason[:600]
        self.code = code


class PolicyError(ValueError):
    """The disclosure rules cannot be used as they stand. The message, for stewards inside, names the key and what to do."""


class EngineError(RuntimeError):
    """The engine failed. The engine's text can carry values of rows, so it goes to the site's log and never into this error."""

    PUBLIC = "the broker's engine could not answer"

    def __init__(self, message: str = PUBLIC) -> None:
        super().__init__(message)
