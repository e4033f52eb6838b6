"""Counts per user carry nothing between kernels of two users. Between kernels of one user they do: the test can read them."""

import os
from pathlib import Path

import pytest

from .beside import CHANNELS, USERS, Channel, rate, two

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.geteuid() != 0, reason="needs root: it gives kernels users of their own")]
PER_USER = [channel for channel in CHANNELS if channel.name in ("descriptors under way", "room for pipes")]
CHANCE = 0.66
"""Share of 200 bits that guesses do not reach: more than four standard deviations above a half."""


@pytest.mark.parametrize("channel", PER_USER, ids=lambda channel: channel.name)
def test_counts_per_user_carry_nothing_between_members_kernels(tmp_path: Path, channel: Channel) -> None:
    """Counts per user carry nothing between kernels of two members.

    Before, all kernels were one user: 81 bits a second by descriptors under way, 22 by pipes.
    """
    (tmp_path / "one").mkdir()
    with two(tmp_path / "one") as (sender, receiver):
        assert any(rate(sender, receiver, channel)[0] > CHANCE for _ in range(4)), "the decoder reads what is there"
    (tmp_path / "two").mkdir()
    with two(tmp_path / "two", USERS) as (sender, receiver):
        assert rate(sender, receiver, channel)[0] < CHANCE
