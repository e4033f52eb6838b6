"""What can go wrong with a sandbox, as three named errors whose text says what to do."""


class SandboxError(Exception):
    """No kernel is started. Either the sandbox as described would not hold, for example because the project folder contains the Python
    environment, or this machine has no sandbox (SandboxUnavailable)."""


class SandboxUnavailable(SandboxError):
    """This machine cannot run the sandbox, or cannot prove that it holds; the message names the reason and the remedy."""

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(f"The sandbox is not available: {reason}. Remedy: {remedy}")
        self.reason = reason
        self.remedy = remedy


class UnsafePath(ValueError):
    """A path below a kernel's folder leads through a link, leaves the folder, or is no regular file."""
