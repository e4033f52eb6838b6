"""Pictures in their canonical form: the pixels on white, as an RGB PNG without metadata.

The decoder gets only what makes pixels. A walk over the file's segments first cuts out everything else (metadata, profiles, further
frames, compressed texts). It also counts the pixels that the decoder would work on, and its passes over them. Pillow is imported only
when there is a picture.
"""

import io
import re
import struct
import warnings
import zlib
from typing import TYPE_CHECKING

from .forms import PNG_BYTES, Allowance, NotAForm

if TYPE_CHECKING:
    from PIL.Image import Image as Picture
    from typing_extensions import Buffer

PIXELS = 16_000_000
SIDE = 10_000
"""Pixels of one side of a picture, at most."""
SCANS = 24
"""Scans of a JPEG, at most; each costs as much as a picture of one scan. Encoders write one, ten if progressive, 18 with four colours."""
SEGMENTS = 20_000
"""Chunks of a PNG or segments of a JPEG, at most."""
MAGIC = ((b"\x89PNG\r\n\x1a\n", "PNG"), (b"\xff\xd8\xff", "JPEG"))

_CUT_SHORT = "a picture that cannot be decoded"
_HEADER = struct.Struct(">I4s")
_MARKER = re.compile(rb"\xff+([^\x00\xff\xd0-\xd7])")
_SCAN_ENDS = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
"""A marker that is neither a stuffed byte nor a restart. It matches a single 0xFF, so that a long run of them is searched only once."""
_JPEG_KEPT = frozenset({*range(0xC0, 0xC8), *range(0xC9, 0xD0), 0xDA, 0xDB, 0xDD, 0xE0, 0xEE})
"""Markers of frames, tables, scans, the restart interval, and the two segments that say how colours are coded."""
_FRAMES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
_SCAN, _END = 0xDA, 0xD9


def kind_of(data: bytes) -> str | None:
    """``PNG`` or ``JPEG`` by its first bytes, None for anything else."""
    return next((name for magic, name in MAGIC if data.startswith(magic)), None)


def canonical_png(data: bytes, allowance: Allowance | None = None) -> bytes:
    """The picture's pixels on white, as an RGB PNG without metadata: equal pixels give equal bytes. Raises NotAForm.

    At worst about 5 s and 400 MB, for a picture of ``PIXELS`` in ``SCANS`` passes.
    """
    kind = kind_of(data)
    if kind is None:
        raise NotAForm("not a PNG or JPEG picture")
    if len(data) > PNG_BYTES:
        raise _too_large()
    try:
        bare, width, height = _bare_png(data) if kind == "PNG" else _bare_jpeg(data)
    except (struct.error, IndexError):
        raise NotAForm(_CUT_SHORT) from None
    if not (0 < width <= SIDE and 0 < height <= SIDE and width * height <= PIXELS):
        raise NotAForm(f"more than {PIXELS // 10**6} million pixels, or a side over {SIDE}")
    if allowance is not None:
        allowance.spend(pixels=width * height)
    return _again(bare, kind, (width, height))


def _again(bare: bytes, kind: str, size: tuple[int, int]) -> bytes:
    from PIL import Image

    out = _Bounded()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns beyond its own size limit
            with Image.open(io.BytesIO(bare), formats=[kind]) as picture:
                if picture.size != size:
                    raise NotAForm(_CUT_SHORT)
                _on_white(picture).save(out, "PNG", compress_level=6)
    except NotAForm:
        raise
    except Exception:  # any decoder may fail in any way on hostile bytes
        raise NotAForm(_CUT_SHORT) from None
    return out.getvalue()


def _on_white(picture: "Picture") -> "Picture":
    from PIL import Image

    pixels = picture.convert("RGBA") if picture.mode not in ("I", "F", "I;16", "I;16B") else _eight_bits(picture)
    flat = Image.new("RGB", pixels.size, "white")
    flat.paste(pixels, mask=pixels.getchannel("A"))
    return flat


def _eight_bits(picture: "Picture") -> "Picture":
    return picture.convert("I").point(lambda value: value / 256).convert("L").convert("RGBA")


class _Bounded(io.BytesIO):
    """A buffer that takes at most ``PNG_BYTES``."""

    def write(self, data: "Buffer") -> int:
        if self.tell() + memoryview(data).nbytes > PNG_BYTES:
            raise _too_large()
        return super().write(data)


def _too_large() -> NotAForm:
    return NotAForm(f"larger than the {PNG_BYTES // 2**20} MiB of picture that can be reviewed")


# ---------------------------------------------------------------- what makes pixels, and nothing else


def _bare_png(data: bytes) -> tuple[bytes, int, int]:
    """Header, palette, transparency and pixels of a PNG, the pixels in one chunk; width and height."""
    kept: dict[bytes, list[bytes]] = {b"IHDR": [], b"PLTE": [], b"tRNS": [], b"IDAT": []}
    at = len(MAGIC[0][0])
    for _ in range(SEGMENTS):
        length, kind = _HEADER.unpack_from(data, at)
        content = data[at + 8 : at + 8 + length]
        if kind in kept:
            if int.from_bytes(data[at + 8 + length : at + 12 + length]) != zlib.crc32(content, zlib.crc32(kind)):
                raise NotAForm(_CUT_SHORT)
            kept[kind].append(content)
        at += 12 + length
        if kind == b"IEND":
            break
    else:
        raise NotAForm("a picture of too many pieces")
    if len(kept[b"IHDR"]) != 1 or len(kept[b"PLTE"]) > 1 or len(kept[b"tRNS"]) > 1:
        raise NotAForm(_CUT_SHORT)
    width, height = struct.unpack_from(">II", kept[b"IHDR"][0])
    pieces = [_chunk(kind, b"".join(contents)) for kind, contents in kept.items() if contents]
    return b"".join([MAGIC[0][0], *pieces, _chunk(b"IEND", b"")]), width, height


def _chunk(kind: bytes, content: bytes) -> bytes:
    return _HEADER.pack(len(content), kind) + content + zlib.crc32(content, zlib.crc32(kind)).to_bytes(4)


def _bare_jpeg(data: bytes) -> tuple[bytes, int, int]:
    """Frame, tables and scans of a JPEG; width and height. Raises NotAForm for more than ``SCANS`` passes, before any is decoded."""
    pieces, sizes, scans, at = [b"\xff\xd8"], [], 0, 2
    for _ in range(SEGMENTS):
        found = _MARKER.match(data, at)
        if found is None:
            raise NotAForm(_CUT_SHORT)
        marker, begin = found[1][0], found.end()
        if marker == _END:
            break
        end = begin + struct.unpack_from(">H", data, begin)[0]
        if marker in _FRAMES:
            sizes.append(struct.unpack_from(">HH", data, begin + 3))
        if marker == _SCAN:
            scans += 1
            following = _SCAN_ENDS.search(data, end)
            end = following.start() if following else len(data)
        if marker in _JPEG_KEPT:
            pieces.append(bytes((0xFF, marker)) + data[begin:end])
        if scans > SCANS:
            raise NotAForm(f"a JPEG in more than {SCANS} passes")
        at = end
    else:
        raise NotAForm("a picture of too many pieces")
    if len(sizes) != 1:
        raise NotAForm(_CUT_SHORT)
    (height, width) = sizes[0]
    return b"".join([*pieces, b"\xff\xd9"]), width, height
