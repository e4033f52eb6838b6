"""A hub on the site's own machine is noticed, by whatever name it goes."""

import socket

import pytest

from twinpane_site.same_machine import on_this_machine


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.8.7", "localhost", socket.gethostname()])
def test_the_machines_own_names_and_addresses_are_known(host):
    assert on_this_machine(f"ws://{host}:8082/agent")


@pytest.mark.parametrize("url", ["wss://192.0.2.7/services/switchboard", "wss://no-such-host.invalid", "wss://", "ws://[fe80::1%nic]:1"])
def test_what_lies_elsewhere_or_nowhere_is_not_this_machine(url):
    assert not on_this_machine(url)
