"""What a machine may lack. Tests are skipped on no other grounds: the reason begins with ``needs`` and one of these."""

NEEDS = {
    "root": "An ordinary user may run the tests, but only root gives files and kernels to other users, mounts, or enters networks.",
    "a system Python": "An ordinary user must be able to start it: one of 3.11 or newer below /usr/bin.",
    "x86_64": "The attacks of these tests are numbers of system calls and machine code of x86_64.",
    "two processors": "The promise is about a processor that is kept free.",
    "control groups": "A container may withhold them; the self-test of a site then notes what is not limited.",
    "loop devices": "A container may withhold them; a site there cannot choose volumes of kind image.",
    "networks": "A machine may forbid its users to make a network of their own.",
    "Linux 6.16": "What older ones cannot do is a note of the self-test.",
    "PostgreSQL": "One of two optional engines; `make test` installs the server where it may.",
    "Java": "The other optional engine, Spark, runs on it; `make test` installs it where it may.",
    "systemd": "Units are tried by it alone, as the first process of namespaces that root makes.",
    "nginx": "The example of a proxy is for it; `make test` fetches the program where it may.",
    "Chromium": "`make setup` installs it as root; without it the walks through the browser cannot be made.",
}


OF_OTHERS = {
    "History range not supported": "The conformance suite does not take that IPython gives the running session the number 0.",
}
"""Reasons with which third-party tests skip themselves."""


def is_named(reason: str) -> bool:
    """Whether a skip's reason, as pytest words it, names something from the lists."""
    said = reason.removeprefix("Skipped: ")
    if said in OF_OTHERS:
        return True
    return said.partition(":")[0].removeprefix("needs ") in NEEDS and said.startswith("needs ")
