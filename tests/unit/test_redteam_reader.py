"""What the decoder of content takes for a difference, and the search for secrets in all bytes that left."""

import base64
from random import Random

import pytest
from IPython.core.interactiveshell import ExecutionInfo
from jupyter_client.session import Session

from redteam.reader import writings
from redteam.transcript import quiet


def bits(secret: bytes) -> str:
    return "".join(str(byte >> i & 1) for byte in secret for i in range(8))


WRITINGS = {
    "hex": lambda secret: secret.hex(),
    "backwards": lambda secret: secret.hex()[::-1],
    "base64": lambda secret: base64.b64encode(secret).decode(),
    "bits": bits,
    "base64 of bits": lambda secret: base64.b64encode(bits(secret).encode()).decode(),
    "hex of bits": lambda secret: bits(secret).encode().hex(),
}


@pytest.mark.parametrize("way", WRITINGS)
def test_a_secret_is_found_as_it_was_written_and_no_other_ones(way: str) -> None:
    """Nine bits in base64 were looked for before: the twin's own text had them in one of three programs."""
    draw = Random(5)
    for _ in range(300):
        secret, other = draw.randbytes(32), draw.randbytes(32)
        said = f"before {WRITINGS[way](secret)} after"
        assert any(part in said for part in writings(secret))
        assert not any(part in said for part in writings(other))


def test_a_shown_header_is_the_same_whenever_the_client_sent_it() -> None:
    """A program of seed 4245 shows the header of its own request: the client's id and clock were taken for a bit beside the meter."""
    one, other = (repr(Session(key=b"").msg("verdict", {"bit": 1})) for _ in range(2))
    assert one != other
    assert quiet(one) == quiet(other)
    assert quiet(one.replace("'bit': 1", "'bit': 0")) != quiet(other)


def test_an_address_is_the_same_however_it_is_written() -> None:
    """IPython shows what a hook was called with, by an address without 0x: programs of seeds 4248 and 4251 were taken for telling a bit."""
    one, other = (ExecutionInfo("x", "x", True, False, True, None, None) for _ in range(2))
    assert str(one) != str(other)
    assert quiet(str(one)) == quiet(str(other))
