"""Starts kernels in the workspace folder only, whatever path a request names."""

import os
from typing import Any
from uuid import UUID

from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager
from jupyter_server.utils import ApiPath
from tornado.web import HTTPError
from traitlets import Integer

from .kernelspecs import NAME, NotTwinpane


class WorkspaceKernels(AsyncMappingKernelManager):
    """The kernel manager of a researcher's server."""

    most = Integer(1000, config=True, help="Kernels at a time.")

    def cwd_for_path(self, path: str, **kwargs: Any) -> str:
        """Called when a kernel starts: its working directory, the workspace itself for whatever leads out of it."""
        found: str = super().cwd_for_path(path, **kwargs)
        root = os.path.realpath(self.root_dir)
        real = os.path.realpath(found)
        return real if real == root or real.startswith(root + os.sep) else root

    async def _async_start_kernel(self, *, kernel_id: str | None = None, path: ApiPath | None = None, **kwargs: Any) -> str:
        """Called for every start; a kernel's id becomes part of a file's name, so it is a UUID or nothing.

        The gate holds the number of kernels, whatever happens here; this says so before a kernel is seen to die.
        """
        if len(self) >= self.most:
            raise HTTPError(403, f"{self.most} kernels run already: shut one down first (Running Terminals and Kernels, on the left).")
        if kwargs.get("kernel_name", NAME) not in (NAME, None):
            raise NotTwinpane(str(kwargs["kernel_name"]))
        if kernel_id is not None:
            try:
                kernel_id = str(UUID(kernel_id))
            except (ValueError, TypeError, AttributeError):
                raise HTTPError(400, "a kernel's id is a UUID") from None
        started: str = await super()._async_start_kernel(kernel_id=kernel_id, path=path, **kwargs)
        return started

    start_kernel = _async_start_kernel  # type: ignore[assignment]  # its types know no async start, which the base class has too
