"""May they use more? `validate`, `reserve` and `check=` against the real server, and what holds
where it does not answer."""

from __future__ import annotations

import asyncio
import inspect
import pickle
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from meterd import Arg, Client, DeniedError, Result, avalidate, meter, reserve, tenant, validate
from meterd.pytest import Metered
from proxy import Proxy
from support import Meterd, Sink, environment, run

# Nothing listens there.
NOWHERE = "http://127.0.0.1:9"
# The machine may be busy with other tests; what is tested is what is decided, not how fast.
PATIENT = 30.0

Make = Callable[..., Client]


@pytest.fixture
def make(spool: Path) -> Iterator[Make]:
    made: list[Client] = []

    def make(url: str, **settings: Any) -> Client:
        defaults = {"api_key": "a-key", "spool_dir": spool, "flush_interval": 0.05}
        made.append(Client(endpoint=url, **{**defaults, **settings}))
        return made[-1]

    yield make
    for client in made:
        client.shutdown()


@pytest.fixture
def client(make: Make, meterd: Meterd) -> Client:
    return make(meterd.url, api_key=meterd.key, strict=True, decision_timeout=PATIENT)


def test_check_and_consume(meterd: Meterd, client: Client) -> None:
    meterd.limit("consumed", 100)

    def ask(quantity: int, mode: Any = "check", **how: Any) -> Any:
        return validate("org_1", "consumed", quantity, mode=mode, client=client, **how)

    before = ask(100)
    assert before
    assert (before.exact, before.remaining, before.limit) == (True, 100, 100)
    assert before.period == "yearly"
    assert before.reset_at > datetime.now(timezone.utc)
    taken = ask(30, "consume")
    assert taken.remaining == 70
    # The same again is the same; its event is what was taken, and not more.
    assert ask(30, "consume", id=taken.id)
    assert meterd.left("org_1", "consumed") == 70
    client.record("shop", "consumed", 25, tenant="org_1", id=taken.id)
    assert client.flush()
    assert meterd.left("org_1", "consumed") == 75
    denied = ask(76, "consume")
    assert not denied
    assert (denied.exact, denied.remaining) == (True, 75)
    assert client.stats()["denied"] == 1
    # What no quota counts has no limit.
    free = validate("org_1", "unlimited", client=client)
    assert (free.allowed, free.exact, free.limit, free.reset_at) == (True, True, None, None)


def test_fifty_threads_consume_a_limit_exactly(meterd: Meterd, client: Client) -> None:
    meterd.limit("threads", 100)

    def consume(_: int) -> bool:
        decision = validate("org_1", "threads", mode="consume", fail_open=False, client=client)
        assert decision.exact, decision.reason
        return decision.allowed

    with ThreadPoolExecutor(50) as pool:
        assert sum(pool.map(consume, range(200))) == 100
    assert meterd.left("org_1", "threads") == 0
    assert client.stats()["denied"] == 100


def test_tasks_consume_a_limit_exactly(meterd: Meterd, client: Client) -> None:
    meterd.limit("tasks", 40)

    async def consume() -> bool:
        decision = await avalidate("org_1", "tasks", mode="consume", fail_open=False, client=client)
        assert decision.exact, decision.reason
        return decision.allowed

    async def everyone() -> list[bool]:
        return await asyncio.gather(*(consume() for _ in range(60)))

    assert sum(asyncio.run(everyone())) == 40
    assert meterd.left("org_1", "tasks") == 0


def test_a_reservation_commits_or_releases(meterd: Meterd, client: Client) -> None:
    meterd.limit("reserved", 100)

    def hold(quantity: int) -> Any:
        return reserve("org_1", "reserved", quantity, client=client)

    with hold(80) as held:
        assert meterd.left("org_1", "reserved") == 20
        with pytest.raises(DeniedError) as denied, hold(21):
            pytest.fail("the block of a denied reservation ran")
        held.quantity = 30
    assert held.status == "committed"
    assert meterd.left("org_1", "reserved") == 70
    assert pickle.loads(pickle.dumps(denied.value)).decision == denied.value.decision
    # Its event is what was committed, and not more.
    client.record("shop", "reserved", held.quantity, tenant=held.tenant, id=held.id)
    assert client.flush()
    assert meterd.left("org_1", "reserved") == 70
    with pytest.raises(KeyError), hold(70) as failed:
        raise KeyError
    assert failed.status == "released"
    assert meterd.left("org_1", "reserved") == 70
    # More than was held is used all the same, and counts.
    with hold(1) as held:
        held.quantity = 80
    assert held.status == "committed"
    assert meterd.left("org_1", "reserved") == 0

    async def use() -> None:
        async with hold(1):
            pytest.fail("the block of a denied reservation ran")

    with pytest.raises(DeniedError):
        asyncio.run(use())


@pytest.mark.parametrize("kind", ["function", "coroutine", "generator", "async generator", "block"])
def test_a_call_reserves_and_commits(meterd: Meterd, client: Client, kind: str) -> None:
    feature = f"call-{kind.replace(' ', '-')}"
    meterd.limit(feature, 100)
    ran: list[int] = []
    metering: dict[str, Any] = {
        "resource": f"checked-{kind.replace(' ', '-')}",
        "feature": feature,
        "tenant": "org_1",
        "quantity": Result("used"),
        "estimate": Arg("most"),
        "check": "reserve",
        "client": client,
    }

    def begin(most: int, used: int) -> dict[str, int]:
        ran.append(used)
        # All of it is held while the call runs.
        assert meterd.left("org_1", feature) <= 100 - most
        if used < 0:
            raise KeyError
        return {"used": used}

    @meter(**metering)
    def function(most: int, used: int) -> dict[str, int]:
        return begin(most, used)

    @meter(**metering)
    async def coroutine(most: int, used: int) -> dict[str, int]:
        return begin(most, used)

    @meter(**metering)
    def generator(most: int, used: int) -> Iterator[Any]:
        yield {}
        yield begin(most, used)

    @meter(**metering)
    async def async_generator(most: int, used: int) -> AsyncIterator[Any]:
        yield {}
        yield begin(most, used)

    def block(most: int, used: int) -> None:
        with meter(**{**metering, "quantity": 1, "estimate": most}) as inside:
            inside.quantity = begin(most, used)["used"]

    async def exhaust(items: AsyncIterator[Any]) -> None:
        async for _ in items:
            pass

    call: Callable[[int, int], object] = {
        "function": function,
        "coroutine": lambda most, used: asyncio.run(coroutine(most, used)),
        "generator": lambda most, used: list(generator(most, used)),
        "async generator": lambda most, used: asyncio.run(exhaust(async_generator(most, used))),
        "block": block,
    }[kind]
    call(60, 45)
    assert meterd.left("org_1", feature) == 55
    with pytest.raises(KeyError):
        call(50, -1)
    assert meterd.left("org_1", feature) == 55
    with pytest.raises(DeniedError) as denied:
        call(56, 1)
    assert denied.value.decision.remaining == 55
    assert ran == [45, -1]
    # The events have the reservations' ids: nothing counts twice.
    assert client.flush()
    assert meterd.left("org_1", feature) == 55
    stats = client.stats()
    assert (stats["recorded"], stats["denied"], stats["undecided"]) == (1, 1, 0)


def test_a_call_that_only_asks(meterd: Meterd, client: Client) -> None:
    meterd.limit("asked", 2)

    class Shop:
        @meter(
            resource="asks", feature="asked", check="check", quantity=Arg("count"), client=client
        )
        def sell(self, count: int) -> int:
            return count

    assert list(inspect.signature(Shop.sell).parameters) == ["self", "count"]
    with tenant("org_asks"):
        assert Shop().sell(2) == 2
        assert client.flush()
        with pytest.raises(DeniedError):
            Shop().sell(1)
        # No unit needs no permission.
        assert Shop().sell(0) == 0
    assert meterd.left("org_asks", "asked") == 0
    assert client.stats()["recorded"] == 2


def test_a_reader_that_leaves_early_commits_what_it_read(meterd: Meterd, client: Client) -> None:
    meterd.limit("rows", 100)

    @meter(
        resource="early",
        feature="rows",
        tenant="org_1",
        count="item",
        estimate=lambda call: call.args["most"],
        check="reserve",
        client=client,
    )
    async def rows(most: int) -> AsyncIterator[int]:
        for number in range(most):
            yield number

    async def read() -> None:
        reading = rows(90)
        async for number in reading:
            if number == 9:
                break
        assert meterd.left("org_1", "rows") == 10
        await reading.aclose()

    asyncio.run(read())
    assert meterd.left("org_1", "rows") == 90


def test_a_lost_answer_is_asked_for_again_and_taken_once(
    meterd: Meterd, meterd_proxy: Proxy, make: Make
) -> None:
    meterd.limit("lost", 10)
    client = make(meterd_proxy.url, api_key=meterd.key, decision_timeout=PATIENT)
    meterd_proxy.lose_answers(3)
    decision = validate("org_1", "lost", 4, mode="consume", client=client)
    assert (meterd_proxy.lost, decision.exact, decision.remaining) == (3, True, 6)
    meterd_proxy.lose_answers(2)
    with reserve("org_1", "lost", 5, client=client) as held:
        held.quantity = 1
        meterd_proxy.lose_answers(2)
    assert (meterd_proxy.lost, held.status) == (7, "committed")
    assert meterd.left("org_1", "lost") == 5


@pytest.mark.parametrize("fail_open", [True, False])
@pytest.mark.parametrize("fault", ["down", "hang", "503", "lost", "garbage", "no key"])
def test_without_an_answer_the_policy_holds(
    sink: Sink, make: Make, fault: str, fail_open: bool
) -> None:
    url, api_key = (NOWHERE if fault == "down" else sink.url), "a-key"
    if fault == "503":
        sink.fail("status", status=503, headers={"Retry-After": "1"})
    elif fault == "garbage":
        sink.fail("status", status=200, body=["nonsense"])
    elif fault in ("hang", "lost"):
        sink.fail(fault)
    client = make(url, api_key=None if fault == "no key" else api_key, fail_open=fail_open)
    ran = []

    @meter(resource="policy", tenant="org_1", check="reserve", client=client)
    def work() -> None:
        ran.append(True)

    before = time.monotonic()
    decision = validate("org_1", "policy", timeout=0.2, client=client)
    assert time.monotonic() - before < 0.2 + 0.3
    assert (decision.allowed, decision.exact) == (fail_open, False)
    assert decision.reason
    # What the call says wins over what was configured.
    opposite = validate("org_1", "policy", timeout=0.05, fail_open=not fail_open, client=client)
    assert opposite.allowed is not fail_open
    if fail_open:
        work()
        assert client.stats()["recorded"] == 1
    else:
        with pytest.raises(DeniedError) as denied:
            work()
        status, headers, body = denied.value.decision.problem()
        assert (status, headers["retry-after"]) == (503, "1")
        assert b"decision_unknown" in body
        assert client.stats()["recorded"] == 0
    assert ran == [True] * fail_open
    assert client.stats()["undecided"] == 3
    asked = asyncio.run(avalidate("org_1", "policy", timeout=0.05, client=client))
    assert (asked.allowed, asked.exact) == (fail_open, False)
    sink.fail("none")


BAD: list[dict[str, Any]] = [
    {"quantity": 0},
    {"quantity": -1},
    {"quantity": "many"},
    {"quantity": object()},
    {"quantity": float("nan")},
    {"quantity": 10**30},
    {"tenant": "no tenant"},
    {"feature": "a b"},
    {"feature": "x" * 129},
    {"resource": "*"},
    {"mode": "guess"},
    {"id": "nope"},
    {"id": "00000000-0000-0000-0000-000000000000"},
]


def test_bad_questions_are_counted_and_raise_only_if_strict(meterd: Meterd, make: Make) -> None:
    client = make(meterd.url, api_key=meterd.key, decision_timeout=PATIENT)
    strict = make(meterd.url, api_key=meterd.key, decision_timeout=PATIENT, strict=True)
    for wrong in BAD:
        question = {"tenant": "org_1", "feature": "f", **wrong}
        assert validate(**question, client=client).allowed
        assert not validate(**question, fail_open=False, client=client).allowed
        with pytest.raises(ValueError):
            validate(**question, client=strict)
    assert client.stats()["invalid"] == 2 * len(BAD)
    assert strict.stats()["invalid"] == len(BAD)
    # Nor does it raise at the end of a block that has done its work.
    for wrong in (object(), -1, "many"):
        with reserve("org_1", "f", client=client) as held:
            held.quantity = wrong  # type: ignore[assignment]
        assert held.status == "invalid_quantity"
    assert client.stats()["invalid"] == 2 * len(BAD) + 3
    # A key that nobody knows is no answer either.
    stranger = make(meterd.url, api_key="mtr_nobody", fail_open=False, decision_timeout=PATIENT)
    decision = validate("org_1", "f", client=stranger)
    assert (decision.allowed, decision.exact, stranger.stats()["invalid"]) == (False, False, 1)


def test_in_tests_and_where_nothing_is_metered_all_is_allowed(metered: Metered, make: Make) -> None:
    @meter(resource="tests", check="reserve")
    def work() -> None: ...

    work()
    assert metered.total("tests", "work") == 1
    assert validate("org_1", "work").allowed
    metered.deny("work")
    with pytest.raises(DeniedError) as denied:
        work()
    assert denied.value.decision.problem()[0] == 429
    assert metered.total("tests", "work") == 1
    assert validate("org_1", "f").allowed
    assert validate("org_1", "f", client=make(NOWHERE, transport="noop", fail_open=False)).allowed


def test_a_child_asks_for_itself(meterd: Meterd, spool: Path) -> None:
    """Also one that was forked while other threads were asking."""
    meterd.limit("forks", 1000)
    program = """
import meterd, os, threading
def take():
    return meterd.validate("org_1", "forks", mode="consume", fail_open=False)
ending = threading.Event()
def ask():
    while not ending.is_set():
        assert meterd.validate("org_1", "forks", fail_open=False)
asking = [threading.Thread(target=ask) for _ in range(3)]
for thread in asking: thread.start()
for _ in range(10):
    pid = os.fork()
    if pid == 0:
        os._exit(0 if take().exact else 1)
    assert os.waitpid(pid, 0)[1] == 0
ending.set()
for thread in asking: thread.join()
"""
    env = environment(meterd.url, spool, api_key=meterd.key, decision_timeout="30")
    run("-c", program, env=env, within=120)
    assert meterd.left("org_1", "forks") == 990
