"""Where the sandbox cannot run, the exact reason and the command that helps are said."""

import subprocess
from pathlib import Path

import pytest

from twinpane_sandbox import host as host_module
from twinpane_sandbox import machine_check as check_module
from twinpane_sandbox.errors import SandboxError, SandboxUnavailable
from twinpane_sandbox.host import survey
from twinpane_sandbox.machine_check import check, diagnose

NAMESPACES = "/proc/sys/user/max_user_namespaces"
CLONE = "/proc/sys/kernel/unprivileged_userns_clone"
APPARMOR = "/proc/sys/kernel/apparmor_restrict_unprivileged_userns"


@pytest.mark.parametrize(
    ("files", "root", "reason", "remedy"),
    [
        ({NAMESPACES: "0"}, False, "switched off", "sysctl -w user.max_user_namespaces=15000"),
        ({NAMESPACES: "0"}, True, "switched off", "sysctl -w user.max_user_namespaces=15000"),
        ({NAMESPACES: "100", CLONE: "0"}, False, "ordinary users", "sysctl -w kernel.unprivileged_userns_clone=1"),
        ({NAMESPACES: "100", APPARMOR: "1"}, False, "AppArmor", "/etc/apparmor.d/bwrap"),
        ({NAMESPACES: "100", "/.dockerenv": ""}, False, "container", "--security-opt seccomp=unconfined"),
        ({NAMESPACES: "100", "/run/.containerenv": ""}, True, "container", "systempaths=unconfined"),
        ({NAMESPACES: "100", APPARMOR: "1"}, True, "bwrap: no", "allow unprivileged user namespaces"),
        ({}, False, "bwrap: no", "allow unprivileged user namespaces"),
    ],
)
def test_the_reason_and_the_remedy_fit_the_machine(files: dict[str, str], root: bool, reason: str, remedy: str) -> None:
    error = diagnose("bwrap: no", root=root, read=files.get)
    assert reason in error.reason
    assert remedy in error.remedy
    assert error.reason in str(error)
    assert error.remedy in str(error)


def test_a_machine_without_a_sandbox_raises_a_sandbox_error() -> None:
    """Whoever handles sandbox errors handles a machine without one."""
    assert issubclass(SandboxUnavailable, SandboxError)


def test_a_machine_without_bubblewrap_is_told_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_module, "find", lambda *_: None)
    with pytest.raises(SandboxUnavailable, match="apt-get install bubblewrap"):
        check()


@pytest.mark.parametrize("said", ["bubblewrap 0.4.1", "nothing of the kind"])
def test_a_bubblewrap_that_is_too_old_or_unknown_is_refused(monkeypatch: pytest.MonkeyPatch, said: str) -> None:
    monkeypatch.setattr(host_module.subprocess, "run", lambda *_args, **_kwargs: subprocess.CompletedProcess([], 0, stdout=said))
    with pytest.raises(SandboxUnavailable, match="older than"):
        survey()


def test_a_bubblewrap_that_fails_is_diagnosed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    failing = tmp_path / "bwrap"
    failing.write_text('#!/bin/sh\n[ "$1" = --version ] && echo bubblewrap 0.8.0 && exit 0\necho "bwrap: no permission" >&2\nexit 1\n')
    failing.chmod(0o755)
    monkeypatch.setattr(host_module, "find", lambda *_: str(failing))
    with pytest.raises(SandboxUnavailable):
        check()


@pytest.mark.slow
def test_a_bubblewrap_that_hangs_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    host = survey()

    def hang(*_args: object, **_kwargs: object) -> None:
        raise subprocess.TimeoutExpired("bwrap", 20)

    monkeypatch.setattr(check_module, "survey", lambda: host)
    monkeypatch.setattr(check_module.subprocess, "run", hang)
    with pytest.raises(SandboxUnavailable, match="does not run"):
        check()
