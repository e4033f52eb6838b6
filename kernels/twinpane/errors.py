"""The few exceptions of ``tp`` calls; their text says what to do next."""

from types import TracebackType


class TwinpaneError(Exception):
    """A ``tp`` call could not be done; the message says what happened and what to do.

    ``code`` is the host's short name for the error, for programs. A notebook shows the message and the line of the cell that made the
    call, without the frames of this package.
    """

    def __init__(self, message: str, code: str = "") -> None:
        """Keep the message as the exception's text, and the code beside it."""
        super().__init__(message)
        self.code = code

    def _render_traceback_(self) -> list[str]:
        where = _cell_line(self.__traceback__)
        return [*([where] if where else []), f"{type(self).__name__}: {self}"]


class Refused(TwinpaneError):
    """The question cannot be asked, or no site answered it; the message says which part, and why."""


def _cell_line(traceback: TracebackType | None) -> str:
    """``Cell In[3], line 2`` for the innermost frame that is a cell's own code; empty outside IPython."""
    import sys

    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    found = ""
    while shell is not None and traceback is not None:
        name = shell.compile.format_code_name(traceback.tb_frame.f_code.co_filename)
        if name is not None:
            found = f"{name[0]} {name[1]}, line {traceback.tb_lineno}"
        traceback = traceback.tb_next
    return found
