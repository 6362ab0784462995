"""The citizen's own choices over the real platform: what is read of her to offer them is in her log."""

from __future__ import annotations

from pages.test_live import tab, text
from platform_fixture import Standing
from services.results.test_intake_api import key_of


def test_what_is_read_to_offer_or_confirm_a_choice_has_its_row_in_her_log(platform: Standing) -> None:
    key, place = key_of(platform, platform.nin("citizen")), platform.persona("gp").organisation
    platform.search("Observation", as_="gp")

    def rows() -> int:
        (found,) = platform.rows(
            "SELECT count(*) AS n FROM audit WHERE patient = $1 AND action = 'choose' AND outcome = 0", key
        )
        return int(found["n"])

    with tab(platform, "citizen", "me") as it:
        page, before = it.get("/me/privacy"), rows()
        named = it.post(page, "/me/privacy/preview", kind="restriction", whom=f"at:{place}")
        assert named.status_code == 200, text(named)
        assert rows() == before + 1
        everybody = it.post(page, "/me/privacy/preview", kind="restriction")
        assert everybody.status_code == 200
        assert rows() == before + 1, "where nothing of hers is read there is nothing to tell"
        it.get("/me/privacy")
        assert rows() == before + 4, "choices, who has looked, and where"
