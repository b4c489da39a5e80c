"""From a call that has ended to an event."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from meterd import _client
from meterd._call import (
    MISSING,
    Arg,
    Call,
    Check,
    Count,
    Estimate,
    Metadata,
    OnError,
    Quantity,
    Result,
    Tenant,
    When,
    evaluate,
)

if TYPE_CHECKING:
    from meterd._decision import Reservation


class Rule:
    """What `meter` was asked to record. (A dataclass would double the time of the import.)"""

    __slots__ = (
        "check",
        "client",
        "count",
        "estimate",
        "feature",
        "metadata",
        "on_error",
        "quantity",
        "resource",
        "tenant",
        "when",
    )

    def __init__(
        self,
        resource: str,
        feature: str | None,
        quantity: Quantity,
        tenant: Tenant | None,
        metadata: Metadata | None,
        when: When | None,
        on_error: OnError,
        count: Count,
        check: Check,
        estimate: Estimate | None,
        client: _client.Client | None,
    ) -> None:
        self.resource = resource
        self.feature = feature
        self.quantity = quantity
        self.tenant = tenant
        self.metadata = metadata
        self.when = when
        self.on_error = on_error
        self.count = count
        self.check = check
        self.estimate = estimate
        self.client = client

    @property
    def chosen_client(self) -> _client.Client:
        return self.client or _client.default

    def feature_for(self, name: str) -> str:
        return feature_of(name) if self.feature is None else self.feature

    @property
    def is_plain(self) -> bool:
        """One unit a call, whatever it was given or gives back."""
        return (
            type(self.quantity) is int
            and self.quantity == 1
            and (self.tenant is None or isinstance(self.tenant, str))
            and self.metadata is None
            and self.when is None
            and self.on_error == "skip"
            and self.count == "call"
            and self.check == "off"
        )

    @property
    def reads_arguments(self) -> bool:
        asked = (self.quantity, self.tenant, self.metadata, self.when, self.estimate)
        return any(isinstance(one, Arg) or callable(one) for one in asked)


class Recorder:
    """Records the calls of one function. Raises nothing, unless the client is strict."""

    def __init__(self, rule: Rule, name: str) -> None:
        self.rule = rule
        self.name = name
        client = rule.chosen_client
        self._client = client._native
        tenant = rule.tenant if isinstance(rule.tenant, str) else None
        self.meter = client.meter(rule.resource, rule.feature_for(name), tenant)

    def done(self, result: Any, args: Mapping[str, Any]) -> None:
        """The call returned."""
        self.ended(None, None, Call(args, result))

    def failed(self, error: BaseException, args: Mapping[str, Any]) -> None:
        """The call raised."""
        self.ended(None, None, Call(args, error=error))

    def streamed(self, stream: Stream, args: Mapping[str, Any]) -> None:
        """A generator was exhausted or closed."""
        self.ended(stream.total, None, Call(args, stream.result))

    def ended(
        self,
        quantity: Any,
        metadata: Mapping[str, Any] | None,
        call: Call,
        hold: Reservation | None = None,
    ) -> int | None:
        """Records the call, unless the rule says otherwise. What is given wins over the rule. The
        answer is how many units were recorded, None if nothing was."""
        rule = self.rule
        if call.error is not None and rule.on_error == "skip":
            return None
        try:
            if rule.when is not None and evaluate(rule.when, call) in (MISSING, None, False, 0):
                return None
            quantity = evaluate(rule.quantity, call) if quantity is None else quantity
            tenant = evaluate(rule.tenant, call) if hold is None else hold.tenant
            metadata = evaluate(rule.metadata, call) if metadata is None else metadata
            if call.error is not None:
                # A failed call has no result to read a quantity from; it counts as one.
                quantity = 1 if quantity is MISSING else quantity
                if rule.on_error == "tag":
                    metadata = {**(metadata or {}), "error": type(call.error).__name__}
            tenant = None if tenant in (MISSING, None) else str(tenant)
        except Exception as error:
            self._client.count_invalid(f"{rule.resource}: {error!r}")
            return None
        quantity = None if quantity is MISSING else quantity
        # With the id of what was reserved, both count once.
        event_id = None if hold is None else hold.event_id
        self.meter.add(quantity, tenant, metadata, None, event_id)
        return quantity if type(quantity) is int and quantity >= 0 else None


class Stream:
    """The items of one generator as they pass."""

    __slots__ = ("_recorder", "found", "last", "quantity")

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self.last: Any = None
        self.found: Any = MISSING
        self.quantity: Any = 0

    @property
    def result(self) -> Any:
        """The last item that has the quantity, else the last one."""
        return self.last if self.found is MISSING else self.found

    @property
    def total(self) -> Any:
        """Of all items, where they are what counts."""
        return self.quantity if self._recorder.rule.count == "item" else None

    def see(self, item: Any) -> None:
        self.last = item
        asked = self._recorder.rule.quantity
        try:
            quantity = evaluate(asked, Call(result=item))
        except Exception:
            # What it stands for is not in this item; the last one that has it decides.
            return
        if quantity is MISSING or quantity is None:
            return
        if isinstance(asked, Result):
            self.found = item
        if self._recorder.rule.count == "item":
            self.quantity += quantity


def feature_of(name: str) -> str:
    """A function's name as a feature: `_charge` becomes `charge`, `<lambda>` becomes `lambda`."""
    return name.strip("_<>") or "call"
