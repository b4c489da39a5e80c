"""Calls that ask before they begin: `check=` of `meter`."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any

from meterd._call import MISSING, Call, Result, evaluate
from meterd._decision import Question, Reservation
from meterd._recorder import Recorder, Rule, Stream


def hold_for(rule: Rule, name: str, call: Call) -> Reservation | None:
    """What a call has to get before it begins. None if it needs nothing: its rule asks nobody, or
    there is no unit to ask for."""
    if rule.check == "off":
        return None
    client = rule.chosen_client
    try:
        quantity = _estimate(rule, call)
        tenant = evaluate(rule.tenant, call)
    except Exception as error:
        client._native.count_invalid(f"{rule.resource}: {error!r}")
        return None
    if type(quantity) is not int or quantity < 1:
        return None
    question = Question(
        client,
        None if tenant is MISSING else tenant,
        rule.feature_for(name),
        quantity,
        mode=rule.check,
        resource=rule.resource,
    )
    return Reservation(question, quantity)


def _estimate(rule: Rule, call: Call) -> Any:
    """Units, as far as they are known before the call."""
    if rule.estimate is not None:
        return evaluate(rule.estimate, call)
    if isinstance(rule.quantity, Result) or callable(rule.quantity):
        # They read what the call gives back; until then it is at least one unit.
        return 1
    return evaluate(rule.quantity, call)


class Checked:
    """One call of a function: a context that its body does not enter if the answer is no, and that
    records it and settles what it held at its end."""

    __slots__ = ("_args", "_hold", "_recorder", "result", "stream")

    def __init__(self, recorder: Recorder, args: Mapping[str, Any], streams: bool) -> None:
        self._recorder = recorder
        self._args = args
        self._hold = hold_for(recorder.rule, recorder.name, Call(args))
        self.result: Any = None
        self.stream = Stream(recorder) if streams else None

    def __enter__(self) -> Checked:
        if self._hold is not None:
            self._hold.__enter__()
        return self

    async def __aenter__(self) -> Checked:
        if self._hold is not None:
            await self._hold.__aenter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        used = None
        try:
            used = self._record(error)
        finally:
            if self._hold is not None:
                self._hold.resolve(used)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        used = None
        try:
            used = self._record(error)
        finally:
            # A coroutine that is closed cannot wait any more; what it held ends by itself.
            if self._hold is not None and (self.stream or not isinstance(error, GeneratorExit)):
                await self._hold.aresolve(used)

    def _record(self, error: BaseException | None) -> int | None:
        """Units that were recorded."""
        if error is not None and not (self.stream and isinstance(error, GeneratorExit)):
            call, quantity = Call(self._args, error=error), None
        elif self.stream is None:
            call, quantity = Call(self._args, self.result), None
        else:
            # Whoever reads a stream and has had enough ends it well.
            call, quantity = Call(self._args, self.stream.result), self.stream.total
        return self._recorder.ended(quantity, None, call, self._hold)
