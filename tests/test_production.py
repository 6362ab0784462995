"""The house as production runs it."""

from __future__ import annotations

from pathlib import Path

import pytest

from kjerne.errors import Refusal
from kjerne.production import build
from kjerne.settings import Settings


def test_trust_that_cannot_be_read_stops_production_with_the_name_of_its_setting(tmp_path: Path) -> None:
    for raw in (b"trust me", b"<EntityDescriptor/>", None):
        file = tmp_path / "metadata.xml"
        file.unlink(missing_ok=True)
        if raw is not None:
            file.write_bytes(raw)
        with pytest.raises(Refusal) as caught:
            build(Settings(saml_metadata=str(file)))
        assert (caught.value.status, caught.value.where) == (422, "KJERNE_SAML_METADATA")
