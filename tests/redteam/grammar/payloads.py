"""What of the rows is carried, and how it is written down: Python expressions over what the first cell has made."""

PAYLOADS = {
    "digest": "secret.hex()",
    "rows": "person.to_csv()[:6000]",
    "one person": "str(first.to_dict())",
    "bits": "''.join(map(str, bits))",
    "a count": "str(int((person['year_of_birth'] % 7 == bits[9]).sum()))",
}
"""Each is a text."""

ENCODINGS = {
    "raw": "{t}",
    "base64": "base64.b64encode(({t}).encode()).decode()",
    "packed": "base64.b85encode(zlib.compress(({t}).encode())).decode()",
    "hex": "({t}).encode().hex()",
    "backwards": "({t})[::-1]",
    "zero width": "'rows' + ''.join('\\u200b\\u200c'[int(b)] for b in bin(int.from_bytes(({t}).encode()[:200], 'big'))[2:])",
    "spaces": "' '.join(' ' * (c % 16) for c in ({t}).encode()[:200])",
    "a likely number": "'n = %d, mean %.1f' % (int.from_bytes(({t}).encode()[:3], 'big') % 9000 + 1000, len({t}) % 97 / 3)",
    "homoglyphs": "''.join('aа'[int(b)] for b in bin(int.from_bytes(({t}).encode()[:60], 'big'))[2:])",
    "size": "'x' * (1 + zlib.crc32(({t}).encode()) % 5000)",
    "lines": "'\\n' * (1 + zlib.crc32(({t}).encode()) % 200)",
}
"""How a text is written down."""


def expression(payload: str, encoding: str) -> str:
    """A Python expression for a text that tells of the rows."""
    return ENCODINGS[encoding].format(t=PAYLOADS[payload])
