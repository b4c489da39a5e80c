"""`meter` on every kind of callable: nobody sees a difference, every call is one event."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import inspect
import pickle
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, get_type_hints

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import meterd
from meterd.pytest import Metered

metering = meterd.meter(resource="matrix")
checking = meterd.meter(resource="matrix", check="reserve")
# What asks before it calls is another body around the same function.
both = pytest.mark.parametrize("metering", [metering, checking], ids=["metering", "checking"])


def function(a: int, /, b: int = 2, *rest: int, c: int = 3, **more: int) -> tuple[Any, ...]:
    """What it does."""
    return a, b, rest, c, more


async def coroutine(a: int, *, b: int = 2) -> int:
    await asyncio.sleep(0)
    return a + b


def generator(count: int) -> Iterator[int]:
    got = 0
    for number in range(count):
        try:
            got += (yield number) or 0
        except KeyError:
            yield -1
    return got


async def async_generator(count: int) -> AsyncIterator[int]:
    for number in range(count):
        try:
            yield (yield number) or number
        except KeyError:
            yield -1


class Plain:
    def __init__(self, value: int = 1) -> None:
        self.value = value

    def method(self, more: int) -> int:
        return self.value + more

    @classmethod
    def made(cls, value: int) -> Any:
        return cls(value)

    @staticmethod
    def twice(value: int) -> int:
        return 2 * value


class Decorated:
    def __init__(self, value: int = 1) -> None:
        self.value = value

    @metering
    def method(self, more: int) -> int:
        return self.value + more

    @metering
    @classmethod
    def made(cls, value: int) -> Any:
        return cls(value)

    @metering
    @staticmethod
    def twice(value: int) -> int:
        return 2 * value


class Adder:
    def __call__(self, a: int, b: int = 1) -> int:
        return a + b


# As a module has them: decorated under their own names.
module_function = metering(function)
module_coroutine = metering(coroutine)


@metering
def picklable(a: int) -> int:
    return a + 1


@metering
class Class:
    def __init__(self, value: int) -> None:
        self.value = value


partial = metering(functools.partial(function, 1, c=9))
partial_coroutine = metering(functools.partial(coroutine, 1))
builtin = metering(len)
instance = metering(Adder())

KINDS: list[tuple[Callable[..., Any], Callable[..., Any]]] = [
    (function, module_function),
    (coroutine, module_coroutine),
    (generator, metering(generator)),
    (async_generator, metering(async_generator)),
    (Plain.method, Decorated.method),
    (Plain().method, Decorated().method),
    (Plain.made, Decorated.made),
    (Plain.twice, Decorated.twice),
    (functools.partial(function, 1, c=9), partial),
    (functools.partial(coroutine, 1), partial_coroutine),
    (len, builtin),
    (Adder(), instance),
    *((one, checking(one)) for one in (function, coroutine, generator, async_generator)),
]


@pytest.mark.parametrize(("bare", "decorated"), KINDS, ids=lambda one: type(one).__name__)
def test_nobody_sees_a_difference(bare: Callable[..., Any], decorated: Callable[..., Any]) -> None:
    assert inspect.signature(decorated) == inspect.signature(bare)
    for question in (
        inspect.iscoroutinefunction,
        inspect.isgeneratorfunction,
        inspect.isasyncgenfunction,
        inspect.ismethod,
        inspect.isfunction,
        callable,
    ):
        assert question(decorated) == question(bare), question
    for name in ("__name__", "__doc__", "__defaults__", "__kwdefaults__"):
        assert getattr(decorated, name, None) == getattr(bare, name, None), name


def test_calls(metered: Metered) -> None:
    assert module_function(1, 2, 3, c=4, d=5) == (1, 2, (3,), 4, {"d": 5})
    assert asyncio.run(module_coroutine(1)) == 3
    assert (Decorated(2).method(3), Decorated.made(4).value, Decorated.twice(5)) == (5, 4, 10)
    assert Decorated(0).made(4).value == 4
    assert partial(5) == (1, 5, (), 9, {})
    assert asyncio.run(partial_coroutine(b=5)) == 6
    assert builtin([1, 2]) == 2
    assert instance(2) == 3
    assert Class(3).value == 3
    with pytest.raises(TypeError, match="missing 1 required positional argument"):
        module_function()
    features = [event["feature"] for event in metered.events]
    assert features == [
        "function",
        "coroutine",
        "method",
        "made",
        "twice",
        "made",
        "function",
        "coroutine",
        "len",
        "Adder",
        "Class",
    ]


@pytest.mark.parametrize(
    "one", [picklable, partial, builtin, instance], ids=lambda one: type(one).__name__
)
def test_pickle(metered: Metered, one: Callable[..., Any]) -> None:
    again = pickle.loads(pickle.dumps(one))
    argument: Any = [1] if one is builtin else 1
    assert again(argument) == one(argument)
    assert len(metered.events) == 2
    instances = pickle.loads(pickle.dumps(Class(7)))
    assert instances.value == 7
    assert isinstance(instances, Class)


@both
def test_generators_end_to_end(metered: Metered, metering: Any) -> None:
    metered_generator = metering(generator)
    running = metered_generator(3)
    assert (next(running), running.send(10), running.throw(KeyError), next(running)) == (
        0,
        1,
        -1,
        2,
    )
    assert metered.events == []
    with pytest.raises(StopIteration) as stop:
        running.send(5)
    assert stop.value.value == 15
    assert metered.total("matrix", "generator") == 1
    closed = metered_generator(3)
    next(closed)
    closed.close()
    assert metered.total("matrix", "generator") == 2
    with pytest.raises(ZeroDivisionError):
        (failing := metered_generator(3)).send(None)
        failing.throw(ZeroDivisionError)
    assert metered.total("matrix", "generator") == 2


@both
def test_async_generators_end_to_end(metered: Metered, metering: Any) -> None:
    decorated = metering(async_generator)

    async def use() -> None:
        running = decorated(2)
        assert await running.__anext__() == 0
        assert await running.asend(7) == 7
        assert await running.__anext__() == 1
        assert await running.athrow(KeyError) == -1
        with pytest.raises(StopAsyncIteration):
            await running.__anext__()
        assert metered.total("matrix") == 1
        closed = decorated(2)
        await closed.__anext__()
        await closed.aclose()
        assert metered.total("matrix") == 2
        with pytest.raises(ZeroDivisionError):
            await (failing := decorated(2)).__anext__()
            await failing.athrow(ZeroDivisionError)
        assert metered.total("matrix") == 2
        async with contextlib.aclosing(decorated(5)) as items:
            assert [item async for item in items] == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
        assert metered.total("matrix") == 3

    asyncio.run(use())


NAMES = st.lists(
    st.sampled_from(["a", "b", "self", "value", "x1", "_y", "type", "record", "call"]),
    unique=True,
    max_size=6,
)


# How fast a machine is says nothing of signatures.
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(names=NAMES, data=st.data())
def test_any_signature(names: list[str], data: st.DataObject) -> None:
    """Over signatures of every form: equal to the bare one, and every call gives the same."""
    kinds = sorted(data.draw(st.sampled_from(list(inspect._ParameterKind))) for _ in names)
    parameters: list[inspect.Parameter] = []
    defaulted = False
    for name, kind in zip(names, kinds, strict=True):
        starred = kind in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
        if starred and any(kind == other.kind for other in parameters):
            continue
        default: Any = inspect.Parameter.empty
        positional = kind < inspect.Parameter.VAR_POSITIONAL
        if not starred and (data.draw(st.booleans()) or (positional and defaulted)):
            default = data.draw(st.one_of(st.none(), st.integers(), st.text(max_size=3)))
            defaulted = defaulted or positional
        parameters.append(inspect.Parameter(name, kind, default=default))
    signature = inspect.Signature(parameters)
    names_of = ", ".join(parameter.name for parameter in parameters)
    scope: dict[str, Any] = {}
    source = str(
        signature.replace(
            parameters=[
                one.replace(
                    default=one.default if one.default is one.empty else _Quoted(one.default)
                )
                for one in parameters
            ]
        )
    )
    exec(f"def bare{source}: return [{names_of}]", scope)
    bare = scope["bare"]
    client = meterd.Client(transport="memory", strict=True, default_tenant="t")
    decorated = meterd.meter(bare, resource="any", client=client)
    assert inspect.signature(decorated) == inspect.signature(bare) == signature
    assert (
        decorated.__code__.co_varnames[: len(parameters)] != ("args", "kwargs")
        or len(parameters) == 2
    )
    positional_arguments = data.draw(st.lists(st.integers(), max_size=4))
    keywords = data.draw(
        st.dictionaries(st.sampled_from(names or ["z"]), st.integers(), max_size=3)
    )
    try:
        expected: Any = bare(*positional_arguments, **keywords)
    except TypeError:
        with pytest.raises(TypeError):
            decorated(*positional_arguments, **keywords)
        assert client.recorded() == []
    else:
        assert decorated(*positional_arguments, **keywords) == expected
        assert len(client.recorded()) == 1


class _Quoted:
    def __init__(self, value: object) -> None:
        self.value = value

    def __repr__(self) -> str:
        return repr(self.value)


def test_annotations_of_other_modules_resolve() -> None:
    assert get_type_hints(module_coroutine)["a"] is int
    assert module_coroutine.__globals__ is sys.modules[__name__].__dict__


def test_fastapi_dependencies(metered: Metered) -> None:
    from fastapi import Depends, FastAPI
    from fastapi.testclient import TestClient

    @metering
    def page(size: int = 10) -> int:
        return size

    @metering
    async def doubled(size: int = Depends(page)) -> int:
        return size * 2

    app = FastAPI()

    @app.get("/")
    @metering
    async def root(size: int = Depends(doubled)) -> dict[str, int]:
        return {"size": size}

    with TestClient(app) as client:
        assert client.get("/?size=4").json() == {"size": 8}
        assert client.get("/?size=x").status_code == 422
    assert [event["feature"] for event in metered.events] == ["page", "doubled", "root"]


def test_celery_tasks(metered: Metered) -> None:
    from celery import Celery

    app = Celery("tasks", broker="memory://", backend="cache+memory://")
    app.conf.task_always_eager = True

    @metering
    @app.task
    def above(a: int) -> int:
        return a + 1

    @app.task
    @metering
    def below(a: int) -> int:
        return a + 2

    assert (above.delay(1).get(), below.delay(1).get()) == (2, 3)
    assert (above(1), below(1)) == (2, 3)
    assert above.name.endswith(".above")
    assert metered.total("matrix", "above") == metered.total("matrix", "below") == 2
