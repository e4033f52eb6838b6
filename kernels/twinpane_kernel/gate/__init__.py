"""The gate: a process outside the sandbox, for one researcher's Jupyter server, which runs in a sandbox without a network.

The hub's spawner starts ``python -I -m twinpane_kernel.gate``. The gate starts the server. It carries bytes between the server's sockets
and three fixed addresses of this machine: the server's own port, the hub's API, and the switchboard's unix socket. It starts clear kernels
for the server's panes, because sandboxes do not nest. It parses none of the bytes that it carries. If so configured, it dies with the hub.
"""
