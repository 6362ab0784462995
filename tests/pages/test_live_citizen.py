"""The citizen's own choices over the real platform: what is read of her to offer them is in her log."""

from __future__ import annotations

from pages.test_live import tab, text
from platform_fixture import Standing
from services.results.test_intake_api import key_of


def test_each_choice_has_a_row_of_its_own_that_says_which_and_her_log_says_it_in_words(platform: Standing) -> None:
    """Looking, seeing what a choice would do, making it and taking it back are four things."""
    key, doctor = key_of(platform, platform.nin("renumbered")), platform.persona("outsider")
    with tab(platform, "renumbered", "me") as it:
        page, before = it.get("/me/privacy"), about(platform, key)
        assert "choices" in before
        wish = {"kind": "block", "typed": doctor.hpr, "service": "record"}
        preview = it.post(page, "/me/privacy/preview", **wish)
        assert about(platform, key) == before, "nothing is chosen yet"
        page = it.post(preview, "/me/privacy/save", **wish)
        assert "saved=made" in str(page.url), text(page)
        (made,) = platform.rows(
            "SELECT number FROM privacy_choice WHERE patient = $1 AND kind = 'block' ORDER BY made_at DESC LIMIT 1", key
        )
        lifted = it.post(page, "/me/privacy/lift", number=str(made["number"]), service="record")
        assert "saved=lifted" in str(lifted.url), text(lifted)
        log = text(it.get("/me/log?show=all&service=record"))
    number = made["number"]
    assert about(platform, key) - before == {f"choices/made/block/{number}", f"choices/ended/block/{number}"}
    assert "Blokkerte en person. Gjelder: Journal." in log and "Opphevet en blokkering. Gjelder: Journal." in log
    assert "Så eller endret" not in log


def about(platform: Standing, key: int) -> set[str]:
    """What the rows of choosing say that they are about."""
    return {
        row["about"]
        for row in platform.rows(
            "SELECT about FROM audit WHERE patient = $1 AND action = 'choose' AND outcome = 0", key
        )
    }


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
