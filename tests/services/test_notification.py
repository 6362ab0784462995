"""What is an address that a message can be sent to, and how much of it is shown."""

from __future__ import annotations

import pytest

from kjerne.errors import Refusal
from kjerne.services import notification
from kjerne.services.notification import Channel


@pytest.mark.parametrize(
    ("channel", "text", "kept", "shown"),
    [
        ("email", " kari@example.test ", "kari@example.test", "k•••@example.test"),
        ("sms", "+47 987 65 432", "+4798765432", "•••••••••32"),
        ("sms", "987-65-432", "98765432", "••••••32"),
    ],
)
def test_an_address_is_kept_in_one_way_and_shown_in_part(channel: Channel, text: str, kept: str, shown: str) -> None:
    assert notification.address(channel, text) == kept
    assert notification.masked(channel, kept) == shown


@pytest.mark.parametrize(
    ("channel", "text"),
    [
        ("email", ""), ("email", "kari"), ("email", "kari@localhost"), ("email", "a@b.no, c@d.no"),
        ("email", "a@b.no\r\nBcc: c@d.no"), ("email", "<a@b.no>"), ("email", f"{'a' * 65}@b.no"), ("email", "å@b.no"),
        ("email", "98765432"), ("email", "15877912091@example.test"),
        ("sms", "1234"), ("sms", "a@b.no"), ("sms", "9876543210123456"), ("sms", "98765432\n1"),
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused(channel: Channel, text: str) -> None:
    with pytest.raises(Refusal) as refusal:
        notification.address(channel, text)
    assert refusal.value.where == "address"
