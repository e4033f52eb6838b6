"""Only Twinpane's kernelspec exists. Checked where a kernel starts, because the allow-list of the base class filters listings only."""

import sys
from pathlib import Path

from jupyter_client.kernelspec import KernelSpec, KernelSpecManager, NoSuchKernel
from tornado.web import HTTPError

NAME = "twinpane"


class NotTwinpane(NoSuchKernel, HTTPError):
    """A kernel that is not Twinpane's was asked for: 404 for whoever asks over HTTP."""

    def __init__(self, name: str) -> None:
        NoSuchKernel.__init__(self, name)
        HTTPError.__init__(self, 404, f"There is no kernel {name!r} here: the only one is {NAME!r}.")


class OnlyTwinpane(KernelSpecManager):
    """Lists and starts the one kernelspec of this environment, whatever else lies on Jupyter's paths."""

    def _kernel_dirs_default(self) -> list[str]:
        """Not Jupyter's search path: a folder on it may be one that a cell can write."""
        return [str(Path(sys.prefix) / "share" / "jupyter" / "kernels")]

    def find_kernel_specs(self) -> dict[str, str]:
        """Called for listings."""
        folder = Path(self.kernel_dirs[0]) / NAME
        return {NAME: str(folder)} if (folder / "kernel.json").is_file() else {}

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        """Called when a kernel is about to start, by every way to start one; raises NoSuchKernel for all others."""
        folder = self.find_kernel_specs().get(NAME)
        if kernel_name != NAME or folder is None:
            raise NotTwinpane(kernel_name)
        return self.kernel_spec_class.from_resource_dir(folder)
