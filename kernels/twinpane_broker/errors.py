"""The broker's errors. What a researcher may read is in the message; what an engine said is not."""

from .release import RefusalCode


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
