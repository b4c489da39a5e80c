"""`meter`: the decorator and the context manager."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from types import FunctionType, TracebackType
from typing import Any, TypeVar, overload

from meterd import _client
from meterd._call import (
    Call,
    Check,
    Count,
    Estimate,
    Metadata,
    OnError,
    Quantity,
    Tenant,
    When,
)
from meterd._checked import hold_for
from meterd._decision import Reservation
from meterd._recorder import Recorder, Rule
from meterd._wrap import wrapped

F = TypeVar("F", bound=Callable[..., Any])


@overload
def meter(
    fn: F,
    /,
    *,
    resource: str,
    feature: str | None = None,
    quantity: Quantity = 1,
    tenant: Tenant | None = None,
    metadata: Metadata | None = None,
    when: When | None = None,
    on_error: OnError = "skip",
    count: Count = "call",
    check: Check = "off",
    estimate: Estimate | None = None,
    client: _client.Client | None = None,
) -> F: ...
@overload
def meter(
    fn: None = None,
    /,
    *,
    resource: str,
    feature: str | None = None,
    quantity: Quantity = 1,
    tenant: Tenant | None = None,
    metadata: Metadata | None = None,
    when: When | None = None,
    on_error: OnError = "skip",
    count: Count = "call",
    check: Check = "off",
    estimate: Estimate | None = None,
    client: _client.Client | None = None,
) -> Metering: ...
def meter(
    fn: Any = None,
    /,
    *,
    resource: str,
    feature: str | None = None,
    quantity: Quantity = 1,
    tenant: Tenant | None = None,
    metadata: Metadata | None = None,
    when: When | None = None,
    on_error: OnError = "skip",
    count: Count = "call",
    check: Check = "off",
    estimate: Estimate | None = None,
    client: _client.Client | None = None,
) -> Any:
    """Records every completed call of a function, or every run of a `with` block.

    `feature` is the function's name unless it is given. `quantity`, `tenant`, `metadata` and `when`
    may be read from the call: `Arg("order.items")`, `Result("usage.total_tokens")`, or a function
    of a `Call`. A coroutine counts when it has ended, a generator when it is exhausted or closed;
    with `count="item"` a generator counts `quantity` for every item, in one event. `on_error` says
    what a call that raises is: nothing (`skip`), an event (`count`), or an event whose metadata
    names the error (`tag`).

    `check` asks the server before the call, which raises `DeniedError` if the tenant may not use
    more: `check` only asks, `reserve` holds the units, commits what the call counted, and releases
    them if it counted nothing. `estimate` is how many units to ask for where `quantity` is known
    only afterwards; without it, one.
    """
    rule = Rule(
        resource,
        feature,
        quantity,
        tenant,
        metadata,
        when,
        on_error,
        count,
        check,
        estimate,
        client,
    )
    return Metering(rule) if fn is None else metered(fn, rule)


def metered(fn: Any, rule: Rule) -> Any:
    """`fn`, recorded. Whatever it is, the answer is one of the same kind."""
    if isinstance(fn, (staticmethod, classmethod)):
        return type(fn)(metered(fn.__func__, rule))
    if isinstance(fn, FunctionType):
        return wrapped(fn, Recorder(rule, fn.__name__))
    if isinstance(fn, type):
        # Its instances count; it stays the class it is.
        fn.__init__ = wrapped(fn.__init__, Recorder(rule, fn.__name__))  # type: ignore[misc]
        return fn
    if hasattr(fn, "apply_async") and hasattr(fn, "run"):
        # A Celery task: a worker calls `run`.
        fn.run = metered(fn.run, rule)
        return fn
    if isinstance(fn, functools.partial):
        return _Partial(fn, rule)
    return _Callable(fn, rule)


def _name(fn: Any) -> str:
    return getattr(fn, "__name__", type(fn).__name__)


class _Partial(functools.partial[Any]):
    # A partial object whose calls are recorded; everything else of it, the text too, is inherited.
    __doc__ = functools.partial.__doc__

    rule: Rule
    _call: Callable[..., Any]

    def __new__(cls, fn: functools.partial[Any], rule: Rule) -> _Partial:
        new = super().__new__(cls, fn.func, *fn.args, **fn.keywords)
        new.rule = rule
        new._call = wrapped(fn, Recorder(rule, _name(fn.func)))
        return new

    def __call__(self, /, *args: Any, **keywords: Any) -> Any:
        return self._call(*args, **keywords)

    def __reduce__(self) -> Any:
        bare = functools.partial(self.func, *self.args, **self.keywords)
        return metered, (bare, self.rule)


class _Callable:
    """Any other callable object, recorded: a function written in C, a bound method, an instance
    with `__call__`."""

    def __init__(self, fn: Any, rule: Rule) -> None:
        self._rule = rule
        self._call = wrapped(fn, Recorder(rule, _name(fn)))
        functools.update_wrapper(self, fn)

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        return self._call(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["__wrapped__"], name)

    def __reduce__(self) -> Any:
        return metered, (self.__wrapped__, self._rule)


class Block:
    """A `with` block that is recorded when it ends; what it used may be said within it."""

    __slots__ = ("_hold", "metadata", "quantity", "result")

    def __init__(self, hold: Reservation | None) -> None:
        self._hold = hold
        self.quantity: int | None = None
        self.metadata: Mapping[str, Any] | None = None
        self.result: Any = None


class Metering:
    """What `meter(...)` without a function is: a decorator, and a context manager for one block at
    a time."""

    def __init__(self, rule: Rule) -> None:
        self._rule = rule
        self._blocks: list[Block] = []

    def __call__(self, fn: F) -> F:
        new: F = metered(fn, self._rule)
        return new

    def __enter__(self) -> Block:
        block = Block(hold_for(self._rule, _BLOCK, Call()))
        if block._hold is not None:
            block._hold.__enter__()
        self._blocks.append(block)
        return block

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        hold, used = self._blocks[-1]._hold, None
        try:
            used = self._record(error)
        finally:
            if hold is not None:
                hold.resolve(used)

    async def __aenter__(self) -> Block:
        block = Block(hold_for(self._rule, _BLOCK, Call()))
        if block._hold is not None:
            await block._hold.__aenter__()
        self._blocks.append(block)
        return block

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        hold, used = self._blocks[-1]._hold, None
        try:
            used = self._record(error)
        finally:
            if hold is not None and not isinstance(error, GeneratorExit):
                await hold.aresolve(used)

    def _record(self, error: BaseException | None) -> int | None:
        block = self._blocks.pop()
        recorder = Recorder(self._rule, _BLOCK)
        call = Call(result=block.result, error=error)
        return recorder.ended(block.quantity, block.metadata, call, block._hold)


# The feature of a block that names none.
_BLOCK = "block"
