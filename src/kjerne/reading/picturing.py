"""Makes PNG of the pages of one TIFF, in a process of its own: it reads bytes, writes bytes, and knows nothing else.

It is run by its path, apart from the package (`images`), so that it imports nothing of the house, holds no key and no connection,
and can be ended: a decoder of pictures is where programs are broken into. Its first line says in JSON how many pages there are,
how long each PNG is, and why there is none.
"""

from __future__ import annotations

import io
import json
import resource
import sys

from PIL import Image, ImageSequence

CPU_SECONDS = 15
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
    made, count, why = list[bytes](), 0, "image"
    try:
        with Image.open(io.BytesIO(sys.stdin.buffer.read()), formats=("TIFF",)) as picture:
            count = int(getattr(picture, "n_frames", 1))
            for page in ImageSequence.Iterator(picture):
                if page.width * page.height > limits["pixels"]:
                    why = "pixels"
                    break
                made.append(_png(page))
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
    told = {"count": max(count, len(made)), "sizes": [len(one) for one in made], "why": why}
    sys.stdout.buffer.write(json.dumps(told).encode() + b"\n" + b"".join(made))


def _png(page: Image.Image) -> bytes:
    """Of whatever depth a browser draws; what a TIFF says besides its points is left out."""
    if page.mode == "F":
        raise ValueError(page.mode)
    deep = "I;16" if page.mode.startswith("I") else "RGB"
    shown = page if page.mode in ("1", "L", "P", "RGB", "RGBA", "LA", "I;16") else page.convert(deep)
    out = io.BytesIO()
    # A copy without `info`: no profile, no text of the file goes along.
    clean = Image.frombytes(shown.mode, shown.size, shown.tobytes())
    if shown.mode == "P":
        clean.putpalette(shown.getpalette() or [])
    clean.save(out, "PNG", compress_level=3)
    return out.getvalue()


if __name__ == "__main__":
    main()
