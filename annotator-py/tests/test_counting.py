"""What a call counts as: what it was given, what it gave, how it ended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

import meterd
from meterd import Arg, Call, Result
from meterd.pytest import Metered


def test_what_a_call_counts(metered: Metered) -> None:
    class Usage:
        total_tokens = 812

    @meterd.meter(
        resource="llm",
        quantity=Result("usage.total_tokens"),
        tenant=Arg("order.customer"),
        metadata=lambda call: {"model": call.args["model"]},
        when=Arg("order.billable"),
    )
    def complete(order: dict[str, Any], model: str = "small") -> Any:
        return {"usage": Usage}

    complete({"customer": 17, "billable": True})
    complete({"customer": 17, "billable": False})
    (event,) = metered.events
    assert (event["tenant_id"], event["quantity"]) == ("17", 812)
    assert event["metadata"] == {"model": "small"}

    @meterd.meter(resource="batch", quantity=lambda call: len(call.args["rows"]))
    def load(*rows: int) -> None: ...

    load(1, 2, 3)
    assert metered.total("batch") == 3


def test_streams(metered: Metered) -> None:
    @meterd.meter(resource="stream", quantity=Result("usage.total_tokens"))
    def stream() -> Iterator[dict[str, Any]]:
        yield {"text": "a"}
        yield {"text": "b", "usage": {"total_tokens": 31}}
        yield {"text": ""}

    assert len(list(stream())) == 3
    assert metered.total("stream") == 31

    @meterd.meter(resource="items", count="item", quantity=2)
    async def items() -> AsyncIterator[int]:
        for number in range(4):
            yield number

    async def read() -> list[int]:
        return [item async for item in items()]

    assert asyncio.run(read()) == [0, 1, 2, 3]
    assert metered.total("items") == 8
    assert len(metered.events) == 2


@pytest.mark.parametrize("on_error", ["skip", "count", "tag"])
@pytest.mark.parametrize("kind", ["function", "coroutine", "generator", "async generator"])
def test_errors(metered: Metered, on_error: Any, kind: str) -> None:
    error = ValueError("the user's own")

    def function() -> None:
        raise error

    async def coroutine() -> None:
        raise error

    def generator() -> Iterator[int]:
        yield 1
        raise error

    async def async_generator() -> AsyncIterator[int]:
        yield 1
        raise error

    async def exhaust(items: AsyncIterator[int]) -> None:
        async for _ in items:
            pass

    calls: dict[str, tuple[Any, Callable[[Any], Any]]] = {
        "function": (function, lambda call: call()),
        "coroutine": (coroutine, lambda call: asyncio.run(call())),
        "generator": (generator, lambda call: list(call())),
        "async generator": (async_generator, lambda call: asyncio.run(exhaust(call()))),
    }
    bare, use = calls[kind]
    decorated = meterd.meter(bare, resource="errors", on_error=on_error)
    with pytest.raises(ValueError) as raised:
        use(decorated)
    assert raised.value is error
    assert (error.__cause__, error.__context__) == (None, None)
    assert metered.total("errors") == (0 if on_error == "skip" else 1)
    if on_error == "tag":
        assert metered.events[0]["metadata"] == {"error": "ValueError"}


@pytest.mark.parametrize("on_error", ["skip", "tag"])
def test_cancellation(metered: Metered, on_error: Any) -> None:
    @meterd.meter(resource="cancelled", on_error=on_error)
    async def wait() -> None:
        await asyncio.Event().wait()

    async def cancel() -> None:
        task = asyncio.ensure_future(wait())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert task.cancelled()

    asyncio.run(cancel())
    assert [event.get("metadata") for event in metered.events] == (
        [] if on_error == "skip" else [{"error": "CancelledError"}]
    )


def test_blocks(metered: Metered) -> None:
    with meterd.meter(resource="block", feature="plain"):
        pass
    with meterd.meter(resource="block", feature="said", tenant="org_2") as block:
        block.quantity = 7
        block.metadata = {"why": "told"}
    with pytest.raises(ZeroDivisionError), meterd.meter(resource="block", feature="failed"):
        raise ZeroDivisionError
    plain, said = metered.events
    assert (plain["feature"], plain["quantity"]) == ("plain", 1)
    assert (said["tenant_id"], said["quantity"], said["metadata"]) == ("org_2", 7, {"why": "told"})

    async def use() -> None:
        async with meterd.meter(resource="block", feature="async"):
            pass

    asyncio.run(use())
    assert metered.total("block", "async") == 1


def test_what_a_meter_cannot_read_never_reaches_the_caller() -> None:
    client = meterd.Client(transport="memory", default_tenant="t")

    def broken(call: Call) -> int:
        raise RuntimeError("in the meter")

    def work(n: int) -> int:
        return n

    for settings in (
        {"quantity": broken},
        {"quantity": Result("not.there")},
        {"quantity": -1},
        {"quantity": 1.5},
        {"quantity": True},
        {"quantity": 10**12 + 1},
        {"tenant": broken},
        {"tenant": lambda call: "no tenant"},
        {"when": broken},
        {"resource": "no resource"},
        {"feature": "é"},
    ):
        before = client.stats()["invalid"]
        rule: Any = {"resource": "r", "client": client, **settings}
        decorated = meterd.meter(work, **rule)
        assert decorated(3) == 3
        assert client.stats()["invalid"] == before + 1, settings
    assert client.recorded() == []
    for metadata in (
        {"x": object()},
        {"x": float("nan")},
        {"x": "a" * 9000},
        [1],
        {1: {"a": "\0"}},
    ):
        meterd.meter(work, resource="r", metadata=lambda call, m=metadata: m, client=client)(3)
    assert client.stats()["metadata_dropped"] == 5
    # The use is counted all the same.
    assert len(client.recorded()) == 5
