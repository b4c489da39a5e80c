"""May a tenant use more? The server's decisions, and what holds where there is none in time."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from datetime import datetime, timezone
from types import TracebackType
from typing import Any, Literal, NamedTuple, TypeAlias

from meterd import _client
from meterd._native import new_id

Mode: TypeAlias = Literal["check", "consume", "reserve"]
Answer: TypeAlias = tuple[int, str] | None

_VALIDATE = "/v1/meter/validate"
# What a thread may take to come back after its time is over.
_GRACE = 0.1


class Decision(NamedTuple):
    """Whether a tenant may use more; true if it may.

    `exact` decisions are the server's; otherwise `reason` says why there is none, and `allowed`
    what holds in that case. `remaining` is before taking for a check, after taking for the others;
    `limit`, `period` and `reset_at` are those of the limit that binds, None without one. `id` names
    the decision: the event of what was consumed or reserved takes it as its own, and the same
    request with it is decided once.
    """

    allowed: bool
    exact: bool
    id: str
    feature: str
    remaining: int | None = None
    limit: int | None = None
    period: str | None = None
    reset_at: datetime | None = None
    overage: int | None = None
    reason: str | None = None

    def __bool__(self) -> bool:
        return self.allowed

    def problem(self) -> tuple[int, dict[str, str], bytes]:
        """What a web service answers where this said no: the status, headers, and a body as
        RFC 9457 has it. 429, or 503 where nobody knows."""
        status, title, code = 503, "Service Unavailable", "decision_unknown"
        detail, wait = "it is not known whether you may use more; try again", 1
        if self.exact:
            status, title, code = 429, "Too Many Requests", "quota_exceeded"
            detail = f"{self.feature}: {self.remaining} of {self.limit} left, {self.period}"
        body: dict[str, Any] = {"status": status, "title": title, "code": code, "detail": detail}
        headers = {"content-type": "application/problem+json"}
        if self.exact:
            reset_at = self.reset_at
            body |= {
                "feature": self.feature,
                "limit": self.limit,
                "remaining": self.remaining,
                "period": self.period,
                "reset_at": reset_at and reset_at.isoformat().replace("+00:00", "Z"),
            }
            if reset_at is not None:
                wait = int((reset_at - datetime.now(timezone.utc)).total_seconds()) + 1
        if not self.exact or self.reset_at is not None:
            headers["retry-after"] = str(max(wait, 1))
        return status, headers, json.dumps(body).encode()


class DeniedError(Exception):
    """The tenant may not use more (or nobody knows, and that counts as no). `decision` has the
    details; the web adapters answer it with `decision.problem()`."""

    def __init__(self, decision: Decision) -> None:
        self.decision = decision
        known = f"{decision.remaining} of {decision.limit} left" if decision.exact else "unknown"
        super().__init__(f"{decision.feature}: {decision.reason or known}")

    def __reduce__(self) -> tuple[type[DeniedError], tuple[Decision]]:
        return type(self), (self.decision,)


class Question:
    """What one decision is about, asked and asked again with the same id."""

    __slots__ = ("_body", "client", "fail_open", "feature", "id", "mode", "tenant", "timeout")

    def __init__(
        self,
        client: _client.Client | None,
        tenant: object,
        feature: str,
        quantity: object,
        *,
        mode: Mode,
        resource: str | None = None,
        id: object = None,  # noqa: A002
        timeout: float | None = None,
        fail_open: bool | None = None,
        ttl_seconds: int | None = None,
    ) -> None:
        self.client = (client or _client.default).configured()
        native = self.client._native
        self.tenant = native.current_tenant() if tenant is None else str(tenant)
        self.timeout = self.client.decision_timeout if timeout is None else timeout
        self.fail_open = self.client.fail_open if fail_open is None else fail_open
        self.feature = feature
        self.id = new_id() if id is None else str(id)
        self.mode = mode
        self._body = {
            "tenant_id": self.tenant,
            "feature": feature,
            "resource": resource,
            "quantity": quantity,
            "mode": mode,
            "id": self.id,
            "ttl_seconds": ttl_seconds,
        }

    def decide(self) -> Decision:
        return self._understand(_ask(self.client, _VALIDATE, self._body, self.timeout))

    async def adecide(self) -> Decision:
        return self._understand(await _aask(self.client, _VALIDATE, self._body, self.timeout))

    def _understand(self, answer: Answer) -> Decision:
        native = self.client._native
        if answer is None:
            return self._in_a_test()
        status, text = answer
        found = _members(text)
        if status == 200 and "allowed" in found:
            if not found["allowed"]:
                native.count_denied()
            return self._decision(found)
        why = (
            f"no decision about {self.feature}: {found.get('detail') or found.get('code') or text}"
        )
        if 400 <= status < 500:
            native.count_invalid(why)
        else:
            native.count_undecided(why)
        return self._without(why, allowed=self.fail_open)

    def _in_a_test(self) -> Decision:
        if self.feature not in self.client.denied:
            return self._without("this transport asks nobody", allowed=True)
        self.client._native.count_denied()
        return Decision(False, True, self.id, self.feature, remaining=0, limit=0)

    def _without(self, why: str, *, allowed: bool) -> Decision:
        return Decision(allowed, False, self.id, self.feature, reason=why)

    def _decision(self, found: Mapping[str, Any]) -> Decision:
        reset_at = found.get("reset_at")
        return Decision(
            allowed=bool(found["allowed"]),
            exact=True,
            id=self.id,
            feature=self.feature,
            remaining=found.get("remaining"),
            limit=found.get("limit"),
            period=found.get("period"),
            reset_at=None if reset_at is None else _instant(reset_at),
            overage=found.get("overage"),
        )


class Reservation:
    """Units that are held for a `with` or an `async with` block, see `meterd.reserve`.

    It is for one block. `quantity` is what the block has used, as much as it reserved unless the
    block says otherwise. `decision` is there from the beginning of the block on; `status` from its
    end on: `committed`, `released`, the server's code for why neither, or `unknown`.
    """

    __slots__ = ("_question", "decision", "quantity", "status")

    def __init__(self, question: Question, quantity: int) -> None:
        self._question = question
        self.quantity = quantity
        self.decision: Decision | None = None
        self.status: str | None = None

    @property
    def id(self) -> str:
        """Also the id for the event of what was used: it counts once."""
        return self._question.id

    @property
    def event_id(self) -> str | None:
        """None if nothing is held, so that there is nothing for an event to settle."""
        return self.id if self._question.mode == "reserve" else None

    @property
    def tenant(self) -> str:
        return self._question.tenant

    def __enter__(self) -> Reservation:
        return self._begin(self._question.decide())

    async def __aenter__(self) -> Reservation:
        return self._begin(await self._question.adecide())

    def _begin(self, decision: Decision) -> Reservation:
        self.decision = decision
        if not decision.allowed:
            raise DeniedError(decision)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.resolve(None if error is not None else self.quantity)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # A coroutine that is closed cannot wait any more; what it held ends by itself.
        if not isinstance(error, GeneratorExit):
            await self.aresolve(None if error is not None else self.quantity)

    def resolve(self, quantity: int | None) -> None:
        """Commits so many units, or with None releases what is held."""
        if self._is_held():
            question = self._question
            self._understand(_ask(question.client, *self._end(quantity), question.timeout))

    async def aresolve(self, quantity: int | None) -> None:
        """`resolve`, without blocking the event loop."""
        if self._is_held():
            question = self._question
            self._understand(await _aask(question.client, *self._end(quantity), question.timeout))

    def _is_held(self) -> bool:
        # Where nobody knows, asking again would cost as much time once more: what the server may
        # hold ends by itself, or by the event that has its id.
        known = self.decision is not None and self.decision.exact
        return known and self.status is None and self._question.mode == "reserve"

    def _end(self, quantity: int | None) -> tuple[str, dict[str, Any]]:
        body: dict[str, Any] = {"tenant_id": self.tenant}
        if quantity is not None:
            # The work is done: more than was held counts too.
            body |= {"quantity": quantity, "overshoot": True}
        verb = "release" if quantity is None else "commit"
        return f"/v1/meter/reservations/{self.id}/{verb}", body

    def _understand(self, answer: Answer) -> None:
        status, text = answer or (0, "the transport was changed")
        found = _members(text)
        self.status = str(found.get("status" if status == 200 else "code", "unknown"))
        native = self._question.client._native
        why = f"the reservation of {self._question.feature} ends by itself: {text}"
        if self.status == "unknown":
            native.count_undecided(why)
        elif status == 422:
            native.count_invalid(why)


def _ask(client: _client.Client, path: str, body: dict[str, Any], timeout: float) -> Answer:
    """The status and the text, or 0 and why there is none; None if the transport asks nobody."""
    try:
        text = json.dumps(body, allow_nan=False)
    except (TypeError, ValueError):
        return 422, '{"code": "invalid_quantity", "detail": "what was asked is no JSON"}'
    return client._native.ask(path, text, timeout)


async def _aask(client: _client.Client, path: str, body: dict[str, Any], timeout: float) -> Answer:
    """`_ask` in a thread of the event loop's pool, bounded also if all of them are busy."""
    deadline = time.monotonic() + timeout

    def ask() -> Answer:
        return _ask(client, path, body, max(deadline - time.monotonic(), 0.0))

    asked = asyncio.get_running_loop().run_in_executor(None, ask)
    await asyncio.wait({asked}, timeout=timeout + _GRACE)
    if asked.done():
        return asked.result()
    # A thread that comes to it only now asks nothing: its time is over.
    asked.cancel()
    return 0, "the threads of the event loop are busy"


def _members(text: str) -> Mapping[str, Any]:
    """Of a JSON object; whatever answered may be no meterd at all."""
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _instant(text: str) -> datetime:
    """RFC 3339 in UTC; Python 3.10 reads no Z, and fractions of three or six digits only."""
    whole, _, fraction = text.removesuffix("Z").partition(".")
    micros = int(fraction[:6].ljust(6, "0")) if fraction else 0
    return datetime.fromisoformat(whole).replace(microsecond=micros, tzinfo=timezone.utc)


def validate(
    tenant: object,
    feature: str,
    quantity: int = 1,
    *,
    mode: Literal["check", "consume"] = "check",
    resource: str | None = None,
    id: object = None,  # noqa: A002
    timeout: float | None = None,
    fail_open: bool | None = None,
    client: _client.Client | None = None,
) -> Decision:
    """Asks whether `tenant` (None: the context's) may use `quantity` more units of `feature`;
    `consume` takes them at once if so. To hold units for a while there is `reserve`.

    Takes at most `timeout` seconds (the client's unless it is given), and asks again meanwhile
    where the answer got lost: with the same `id` units are taken once, however often they are asked
    for. If nobody knows by then, `fail_open` (the client's unless it is given) is the answer. So it
    is where the server refuses the question, which counts as `invalid` and raises ValueError if the
    client is strict."""
    question = Question(
        client,
        tenant,
        feature,
        quantity,
        mode=mode,
        resource=resource,
        id=id,
        timeout=timeout,
        fail_open=fail_open,
    )
    return question.decide()


async def avalidate(
    tenant: object,
    feature: str,
    quantity: int = 1,
    *,
    mode: Literal["check", "consume"] = "check",
    resource: str | None = None,
    id: object = None,  # noqa: A002
    timeout: float | None = None,
    fail_open: bool | None = None,
    client: _client.Client | None = None,
) -> Decision:
    """`validate`, without blocking the event loop."""
    question = Question(
        client,
        tenant,
        feature,
        quantity,
        mode=mode,
        resource=resource,
        id=id,
        timeout=timeout,
        fail_open=fail_open,
    )
    return await question.adecide()


def reserve(
    tenant: object,
    feature: str,
    quantity: int = 1,
    *,
    resource: str | None = None,
    ttl_seconds: int = 300,
    timeout: float | None = None,
    fail_open: bool | None = None,
    client: _client.Client | None = None,
) -> Reservation:
    """Holds `quantity` units for a `with` or an `async with` block, then commits what it used:

        with meterd.reserve("org_1", "tokens", 500) as hold:
            hold.quantity = answer(question).tokens
        meterd.record("llm", "tokens", hold.quantity, tenant=hold.tenant, id=hold.id)

    The block does not begin if there is no room: `DeniedError`. It releases the units by raising.
    What it neither commits nor releases, because its process or the server died, is free again
    after `ttl_seconds`. `timeout` and `fail_open` are as for `validate`."""
    question = Question(
        client,
        tenant,
        feature,
        quantity,
        mode="reserve",
        resource=resource,
        timeout=timeout,
        fail_open=fail_open,
        ttl_seconds=ttl_seconds,
    )
    return Reservation(question, quantity)
