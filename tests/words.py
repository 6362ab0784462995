"""Words that nothing else has."""

import random
import string


def fresh() -> str:
    """Twelve letters and no digit: among digits eleven in a row are now and then the number of a person, which is refused."""
    return "".join(random.SystemRandom().choices(string.ascii_lowercase, k=12))
