"""When and by what a carrier is run: at once, later, by a thread, a signal, a click. Each takes a source and gives steps."""

from collections.abc import Callable
from textwrap import indent

from .steps import Cell, Click, Step

Modifier = Callable[[str, str], tuple[Step, ...]]


def _act(source: str, name: str) -> str:
    return f"def act_{name}():\n{indent(source, '    ')}\n"


def at_once(source: str, name: str) -> tuple[Step, ...]:
    """As it is."""
    return (Cell(source),)


def later(source: str, name: str) -> tuple[Step, ...]:
    """Made in one cell, carried out in another."""
    return Cell(_act(source, name)), Cell(f"act_{name}()")


def in_two(source: str, name: str) -> tuple[Step, ...]:
    """The secret is taken in one cell and carried in the next, by a name that tells nothing."""
    return Cell(f"secret_{name}, bits_{name} = secret, list(bits)"), Cell(f"secret, bits = secret_{name}, bits_{name}\n{source}")


def in_a_thread(source: str, name: str) -> tuple[Step, ...]:
    """By a thread that the cell waits for."""
    return (
        Cell(_act(source, name) + f"t_{name} = threading.Thread(target=act_{name}, name='{name}'); t_{name}.start(); t_{name}.join(20)"),
    )


def after_its_cell(source: str, name: str) -> tuple[Step, ...]:
    """By a thread that begins once its own cell has ended, during the next."""
    body = _act(source, name) + f"go_{name} = threading.Event()\ndef wait_{name}():\n    go_{name}.wait(20); act_{name}()\n"
    return (
        Cell(f"{body}t_{name} = threading.Thread(target=wait_{name}, name='{name}'); t_{name}.start()"),
        Cell(f"go_{name}.set(); t_{name}.join(20)"),
    )


def by_signal(source: str, name: str) -> tuple[Step, ...]:
    """In a signal's handler."""
    return (
        Cell(
            _act(source, name) + f"signal.signal(signal.SIGUSR1, lambda *a: act_{name}()); os.kill(os.getpid(), signal.SIGUSR1); "
            f"time.sleep(0.05)"
        ),
    )


def by_interrupt(source: str, name: str) -> tuple[Step, ...]:
    """When the client interrupts."""
    return (Cell(_act(source, name) + f"try:\n    time.sleep(30)\nexcept KeyboardInterrupt:\n    act_{name}()", interrupt=0.7),)


def by_click(source: str, name: str) -> tuple[Step, ...]:
    """In the callback of a widget."""
    return Cell(_act(source, name) + f"b_{name} = w.Button(); b_{name}.on_click(lambda _: act_{name}()); display(b_{name})"), Click()


def in_a_child(source: str, name: str) -> tuple[Step, ...]:
    """In a forked child, whose descriptors are the kernel's own. It cannot use the kernel's sockets; errors there are ignored."""
    body = f"    try: act_{name}()\n    except BaseException: pass\n    finally: os._exit(0)\n"
    return (Cell(_act(source, name) + f"c_{name} = os.fork()\nif not c_{name}:\n{body}os.waitpid(c_{name}, 0); time.sleep(0.4)"),)


def when_collected(source: str, name: str) -> tuple[Step, ...]:
    """When an object is thrown away."""
    return (Cell(_act(source, name) + f"class D_{name}:\n    def __del__(self): act_{name}()\nd_{name} = D_{name}(); del d_{name}"),)


def in_the_hooks(source: str, name: str) -> tuple[Step, ...]:
    """Before the next cell runs, by a hook of IPython."""
    return (
        Cell(
            _act(source, name) + f"def hook_{name}(info):\n    get_ipython().events.unregister('pre_run_cell', hook_{name}); "
            f"act_{name}()\n"
            f"get_ipython().events.register('pre_run_cell', hook_{name})"
        ),
        Cell("'next'"),
    )


def as_a_task(source: str, name: str) -> tuple[Step, ...]:
    """As a task of the kernel's own event loop, awaited by a later cell."""
    return (
        Cell(
            f"import asyncio\n{_act(source, name)}async def co_{name}():\n    await asyncio.sleep(0); act_{name}()\n"
            f"task_{name} = asyncio.ensure_future(co_{name}()); None"
        ),
        Cell(f"await task_{name}"),
    )


MODIFIERS: dict[str, Modifier] = {
    "at once": at_once, "later": later, "in two cells": in_two, "in a thread": in_a_thread, "after its cell": after_its_cell,
    "by a signal": by_signal, "by an interrupt": by_interrupt, "by a click": by_click, "in a child": in_a_child,
    "when collected": when_collected, "in the hooks": in_the_hooks, "as a task": as_a_task,
}  # fmt: skip
"""By name."""


def together(one: str, other: str) -> str:
    """Two carriers in one cell. The second runs whatever the first does."""
    return f"try:\n{indent(one, '    ')}\nfinally:\n{indent(other, '    ')}"
