"""From a call that has ended to an event."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from meterd import _client
from meterd._call import (
    MISSING,
    Arg,
    Call,
    Count,
    Metadata,
    OnError,
    Quantity,
    Result,
    Tenant,
    When,
    evaluate,
)


class Rule:
    """What `meter` was asked to record. (A dataclass would double the time of the import.)"""

    __slots__ = (
        "client",
        "count",
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
        self.client = client

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
        )

    @property
    def reads_arguments(self) -> bool:
        asked = (self.quantity, self.tenant, self.metadata, self.when)
        return any(isinstance(one, Arg) or callable(one) for one in asked)


class Recorder:
    """Records the calls of one function. Raises nothing, unless the client is strict."""

    def __init__(self, rule: Rule, name: str) -> None:
        self.rule = rule
        self._client = (rule.client or _client.default)._native
        feature = feature_of(name) if rule.feature is None else rule.feature
        tenant = rule.tenant if isinstance(rule.tenant, str) else None
        self.meter = (rule.client or _client.default).meter(rule.resource, feature, tenant)

    def done(self, result: Any, args: Mapping[str, Any]) -> None:
        """The call returned."""
        self.ended(None, None, Call(args, result))

    def failed(self, error: BaseException, args: Mapping[str, Any]) -> None:
        """The call raised."""
        self.ended(None, None, Call(args, error=error))

    def streamed(self, stream: Stream, args: Mapping[str, Any]) -> None:
        """A generator was exhausted or closed."""
        result = stream.last if stream.found is MISSING else stream.found
        quantity = stream.quantity if self.rule.count == "item" else None
        self.ended(quantity, None, Call(args, result))

    def ended(self, quantity: Any, metadata: Mapping[str, Any] | None, call: Call) -> None:
        """Records the call, unless the rule says otherwise. What is given wins over the rule."""
        rule = self.rule
        if call.error is not None and rule.on_error == "skip":
            return
        try:
            if rule.when is not None and evaluate(rule.when, call) in (MISSING, None, False, 0):
                return
            quantity = evaluate(rule.quantity, call) if quantity is None else quantity
            tenant = evaluate(rule.tenant, call)
            metadata = evaluate(rule.metadata, call) if metadata is None else metadata
            if call.error is not None:
                # A failed call has no result to read a quantity from; it counts as one.
                quantity = 1 if quantity is MISSING else quantity
                if rule.on_error == "tag":
                    metadata = {**(metadata or {}), "error": type(call.error).__name__}
            tenant = None if tenant in (MISSING, None) else str(tenant)
        except Exception as error:
            self._client.count_invalid(f"{rule.resource}: {error!r}")
            return
        self.meter.add(None if quantity is MISSING else quantity, tenant, metadata)


class Stream:
    """The items of one generator as they pass."""

    __slots__ = ("_recorder", "found", "last", "quantity")

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self.last: Any = None
        self.found: Any = MISSING
        self.quantity: Any = 0

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
