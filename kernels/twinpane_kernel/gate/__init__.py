"""The gate: what stands outside for one researcher's Jupyter server, which itself is in a sandbox without a network.

``python -I -m twinpane_kernel.gate`` is what the hub's spawner starts. It starts the server, carries bytes between its sockets and three
fixed addresses of this machine (the server's own port, the hub's API, the switchboard's unix socket), and starts clear kernels for its
panes, because a sandbox cannot be made within a sandbox. It parses nothing of what it carries, and it dies with the hub where that is set.
"""
