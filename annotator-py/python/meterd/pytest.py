"""The fixture `metered`: what a test's code meters, instead of a queue and a server.

def test_an_invoice_is_metered(metered):
    create_invoice(...)
    assert metered.total("billing", "invoice_generate") == 1
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from meterd import _client


class Metered:
    """The events recorded since the test began, the oldest first."""

    @property
    def events(self) -> list[dict[str, Any]]:
        """As they would be sent, without their ids."""
        return _client.default.recorded()

    def total(self, resource: str, feature: str | None = None, tenant: str | None = None) -> int:
        """The sum of the quantities of the events that match."""
        return sum(
            event["quantity"]
            for event in self.events
            if event["resource"] == resource
            and feature in (None, event["feature"])
            and tenant in (None, event["tenant_id"])
        )

    def deny(self, *features: str) -> None:
        """From here on `validate`, `reserve` and `check=` say no for these."""
        _client.default.denied.update(features)

    def clear(self) -> None:
        """Forgets what was recorded so far."""
        _client.default.recorded(clear=True)


@pytest.fixture
def metered() -> Iterator[Metered]:
    """Has the default client record into memory, and strictly: bad input raises."""
    before = _client.default.settings
    _client.default.configure(transport="memory", strict=True, default_tenant="default")
    _client.default.recorded(clear=True)
    yield Metered()
    _client.default.denied.clear()
    _client.default.recorded(clear=True)
    _client.default.configure(**(before or {"transport": "noop"}))
