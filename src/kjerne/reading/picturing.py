"""Makes PNG of the pages of one TIFF, in a process of its own: it reads bytes, writes bytes, and knows nothing else.

Of a page with more than eight bits of grey the darkest and lightest that its points may have are black and white, since a browser
shows the uppermost eight bits alone: the twelve of a detector in sixteen would be a black sheet.

It is run by its path, apart from the package (`images`), so that it imports nothing of the house, holds no key and no connection,
and can be ended: a decoder of pictures is where programs are broken into. Its first line says in JSON how many pages there are,
how long each PNG is, whether some page was made lighter, and why there is none.
"""

from __future__ import annotations

import io
import json
import resource
import sys
from typing import Any

from PIL import Image, ImageSequence

CPU_SECONDS = 15
_WHITE = 65_535
_PHOTOMETRIC = 262
MEMORY_BYTES = 1_500_000_000
"""Of addresses: a page of 60 million points in colour has 180 MB, and is there twice while it is written."""


def main() -> None:
    """From standard input to standard output."""
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    limits = json.loads(sys.argv[1])
    # Its own limit is an estimate of what is dangerous; ours is asked before a page is unpacked.
    Image.MAX_IMAGE_PIXELS = None
    made, count, why, is_lighter = list[bytes](), 0, "image", False
    try:
        with Image.open(io.BytesIO(sys.stdin.buffer.read()), formats=("TIFF",)) as picture:
            count = int(getattr(picture, "n_frames", 1))
            for page in ImageSequence.Iterator(picture):
                if page.width * page.height > limits["pixels"]:
                    why = "pixels"
                    break
                shown, is_other = _deep(page) if page.mode.startswith("I") else (page, False)
                made.append(_png(shown))
                is_lighter = is_lighter or is_other
                if len(made) >= limits["pages"] or sum(map(len, made)) > limits["bytes"]:
                    break
    except (
        OSError,
        ValueError,
        SyntaxError,
        TypeError,
        KeyError,
        IndexError,
        EOFError,
        ArithmeticError,
        RuntimeError,
        MemoryError,
    ):
        # What could be read of it stands; of a page that is broken there is nothing.
        pass
    if sum(map(len, made)) > limits["bytes"]:
        made.pop()
        why = "pixels"
    told = {"count": max(count, len(made)), "sizes": [len(one) for one in made], "why": why, "lighter": is_lighter}
    sys.stdout.buffer.write(json.dumps(told).encode() + b"\n" + b"".join(made))


def _deep(page: Image.Image) -> tuple[Image.Image, bool]:
    """A page of much grey in sixteen bits, and whether other steps of grey are shown than it has.

    How many bits its points have is told by the largest of them. Pillow leaves the points of a page whose white is zero
    (TIFF 6.0, PhotometricInterpretation 0) as they are where they have sixteen bits.
    """
    whole = page if page.mode == "I" else page.convert("I")
    found: Any = whole.getextrema()  # of one band: two numbers
    lowest, highest = found
    base = min(lowest, 0)
    top = (1 << max(8, (highest - base).bit_length())) - 1
    scale, is_negative = _WHITE / top, getattr(page, "tag_v2", {}).get(_PHOTOMETRIC) == 0
    if is_negative:
        whole = whole.point(lambda value: value * -scale + (top + base) * scale)
    elif base or scale != 1:
        whole = whole.point(lambda value: value * scale - base * scale)
    return whole.convert("I;16"), highest > base and (base < 0 or scale != 1)


def _png(page: Image.Image) -> bytes:
    """Of whatever depth a browser draws; what a TIFF says besides its points is left out."""
    if page.mode == "F":
        raise ValueError(page.mode)
    shown = page if page.mode in ("1", "L", "P", "RGB", "RGBA", "LA", "I;16") else page.convert("RGB")
    out = io.BytesIO()
    # A copy without `info`: no profile, no text of the file goes along.
    clean = Image.frombytes(shown.mode, shown.size, shown.tobytes())
    if shown.mode == "P":
        clean.putpalette(shown.getpalette() or [])
    clean.save(out, "PNG", compress_level=3)
    return out.getvalue()


if __name__ == "__main__":
    main()
