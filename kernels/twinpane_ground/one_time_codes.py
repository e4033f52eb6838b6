"""One-time codes by the time (TOTP, RFC 6238), as telephones' apps show them.

The library is imported where it is used: it comes with the extras of site and hub, which have accounts, and not with a broker's.
"""

AROUND = 1
"""Steps of 30 s by which a telephone's clock may be wrong."""


def new_secret() -> str:
    """A secret for a device to keep."""
    import pyotp

    return pyotp.random_base32()


def step_of(secret: str, code: str, now: float) -> int | None:
    """The step of time whose code it is, ``now`` in Unix time; None where it is none of now."""
    import pyotp

    asked = code.replace(" ", "")
    if not secret or not asked.isascii() or not asked.isdigit():
        return None
    totp = pyotp.TOTP(secret)
    at = int(now // totp.interval)
    around = range(at - AROUND, at + AROUND + 1)
    return next((step for step in around if pyotp.utils.strings_equal(asked, totp.generate_otp(step))), None)


def link(secret: str, name: str, issuer: str) -> str:
    """What a telephone's app opens to take the secret."""
    import pyotp

    return pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name=issuer)
