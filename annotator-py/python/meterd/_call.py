"""What a meter reads from a call: its arguments, its result, or what a function of both says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeAlias


class _Path:
    """A name, then dots and names of attributes, keys or positions: `usage.total_tokens`."""

    __slots__ = ("path",)

    def __init__(self, path: str) -> None:
        self.path = path

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.path!r})"


class Arg(_Path):
    """What the call was given as an argument, or something within it: `Arg("order.items")`."""


class Result(_Path):
    """Something within what the call returned: `Result("usage.total_tokens")`, or all of it:
    `Result("")`. Of a generator, the last item that has it."""


class Call:
    """A call that has ended, for functions that decide what it counts.

    `args` has the arguments by their parameters' names, `result` what it returned (of a generator:
    its last item), `error` what it raised, where such calls count.
    """

    __slots__ = ("args", "error", "result")

    def __init__(
        self,
        args: Mapping[str, Any] | None = None,
        result: Any = None,
        error: BaseException | None = None,
    ) -> None:
        self.args: Mapping[str, Any] = args or {}
        self.result = result
        self.error = error


Quantity: TypeAlias = int | Arg | Result | Callable[[Call], int]
Tenant: TypeAlias = str | Arg | Callable[[Call], object]
Metadata: TypeAlias = Mapping[str, Any] | Callable[[Call], Mapping[str, Any] | None]
When: TypeAlias = Arg | Result | Callable[[Call], object]
OnError: TypeAlias = Literal["skip", "count", "tag"]
Count: TypeAlias = Literal["call", "item"]
Check: TypeAlias = Literal["off", "check", "reserve"]
Estimate: TypeAlias = int | Arg | Callable[[Call], int]

MISSING = object()


def find(value: Any, path: str) -> Any:
    """What `path` leads to from `value`, or MISSING."""
    for name in path.split(".") if path else ():
        if isinstance(value, Mapping):
            value = value.get(name, MISSING)
        elif name.isdigit() and isinstance(value, (list, tuple)):
            value = value[int(name)] if int(name) < len(value) else MISSING
        else:
            value = getattr(value, name, MISSING)
        if value is MISSING:
            return MISSING
    return value


def evaluate(asked: Any, call: Call) -> Any:
    """The value of an argument of `meter`, or MISSING where a path leads nowhere."""
    if isinstance(asked, Arg):
        return find(call.args, asked.path)
    if isinstance(asked, Result):
        return find(call.result, asked.path)
    if callable(asked):
        return asked(call)
    return asked
