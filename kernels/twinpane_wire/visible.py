"""Make every character of a text visible: one that does not show is written out as ``⟨U+XXXX⟩``."""

import unicodedata

HIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
HIDDEN_LETTERS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0")
"""Characters that show nothing, although by category they are letters, marks or symbols."""
MARKS = 2
"""Combining marks kept on one letter, at most; more could hide something."""
RUN = 30
"""Marks in a row that are normalised, at most; further ones are written out. Ordering a run takes quadratic time: 80,000 marks took 17 s.
Thirty is the bound of the Stream-Safe Text Format (Unicode Standard Annex 15, section 13)."""


def visible(text: str) -> str:
    """The text in NFC, with every character that does not show written out as ``⟨U+XXXX⟩``. Spaces of all kinds become a space.

    Takes at worst about 1 s for a million characters.
    """
    if text.isascii() and text.isprintable():
        return text
    out: list[str] = []
    marks = 0
    for character in unicodedata.normalize("NFC", _stream_safe(text)):
        category = unicodedata.category(character)
        marks = marks + 1 if category in ("Mn", "Me") else 0
        if character == "\n":
            out.append(character)
        elif category == "Zs":
            out.append(" ")
        elif category in HIDDEN_CATEGORIES or character in HIDDEN_LETTERS or _selector(ord(character)) or marks > MARKS:
            out.append(_written_out(character))
        else:
            out.append(character)
    return "".join(out)


def _stream_safe(text: str) -> str:
    out: list[str] = []
    run = 0
    for character in text:
        # Check the category too: a few marks of combining class 0 decompose into marks of other classes (U+0F73).
        run = run + 1 if unicodedata.combining(character) or unicodedata.category(character)[0] == "M" else 0
        out.append(character if run <= RUN else _written_out(character))
    return "".join(out)


def _selector(point: int) -> bool:
    return 0xFE00 <= point <= 0xFE0F or 0xE0100 <= point <= 0xE01EF


def _written_out(character: str) -> str:
    return f"⟨U+{ord(character):04X}⟩"
