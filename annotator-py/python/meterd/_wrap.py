"""Functions that do what another does, and record it: compiled with that one's exact signature, so
that a call costs no packing of arguments and nobody who inspects it sees a difference."""

from __future__ import annotations

import functools
import inspect
import textwrap
from collections.abc import Callable, Generator, Mapping
from contextlib import suppress
from types import FunctionType
from typing import Any

from meterd._checked import Checked
from meterd._recorder import Recorder, Stream

# What the compiled code uses beside the function's own parameters.
_OWN = "_meterd_"
_FACTORY = """
def _meterd_make(_meterd_call, _meterd_record, _meterd_done, _meterd_failed, _meterd_streamed, \
_meterd_stream, _meterd_relay, _meterd_none, _meterd_check):
{function}
    return {name}
"""


def wrapped(fn: Any, recorder: Recorder) -> Callable[..., Any]:
    """A function like `fn` whose calls are recorded."""
    new = _packing(fn, recorder)
    if isinstance(fn, FunctionType):
        # Whatever it has for a signature, decorating must not fail at import.
        with suppress(SyntaxError, TypeError, ValueError):
            new = _compiled(fn, recorder)
        new.__code__ = new.__code__.replace(co_name=fn.__name__)
    return functools.update_wrapper(new, fn)


def kind_of(fn: Callable[..., Any]) -> Callable[..., list[str]]:
    """Which body a function like `fn` needs."""
    if inspect.iscoroutinefunction(fn):
        return _coroutine
    if inspect.isasyncgenfunction(fn):
        return _async_generator
    if inspect.isgeneratorfunction(fn):
        return _generator
    return _function


def _compiled(fn: FunctionType, recorder: Recorder) -> FunctionType:
    parameters = inspect.signature(fn, follow_wrapped=False).parameters
    if any(name.startswith(_OWN) for name in parameters):
        raise ValueError("a parameter has one of the compiled code's own names")
    # The parameters' defaults are those of `fn`, set below; here it matters only that there is one.
    blank = [
        parameter.replace(
            annotation=parameter.empty,
            default=parameter.default if parameter.default is parameter.empty else _Blank(),
        )
        for parameter in parameters.values()
    ]
    signature = str(inspect.Signature(blank))
    new: FunctionType = _make(
        kind_of(fn), fn, recorder, signature, _arguments(parameters), tuple(parameters)
    )
    new.__defaults__ = fn.__defaults__
    new.__kwdefaults__ = fn.__kwdefaults__
    return new


class _Blank:
    def __repr__(self) -> str:
        return "None"


def _packing(fn: Callable[..., Any], recorder: Recorder) -> FunctionType:
    """Whatever the signature: arguments are packed."""
    taken = "*args, **kwargs"
    new: FunctionType = _make(kind_of(fn), fn, recorder, f"({taken})", taken, ("args", "kwargs"))
    return new


def _make(
    kind: Callable[..., list[str]],
    fn: Callable[..., Any],
    recorder: Recorder,
    signature: str,
    arguments: str,
    names: tuple[str, ...],
) -> Any:
    rule = recorder.rule
    read = ", ".join(f"{name!r}: {name}" for name in names) if rule.reads_arguments else ""
    read = f"{{{read}}}" if read else "_meterd_none"
    if rule.check == "off":
        lines = kind(signature, arguments, read, rule.is_plain, rule.on_error != "skip")
    else:
        body = _CHECKED[kind].format(signature=signature, arguments=arguments, read=read)
        lines = body.splitlines()
    source = _FACTORY.format(
        function=textwrap.indent("\n".join(lines), "    "), name="_meterd_function"
    )
    made: dict[str, Any] = {}
    # The function's globals are those of `fn`, for those who resolve its annotations by them.
    exec(compile(source, "<meterd>", "exec"), getattr(fn, "__globals__", {}), made)
    return made["_meterd_make"](
        fn,
        recorder.meter.record,
        recorder.done,
        recorder.failed,
        recorder.streamed,
        lambda: Stream(recorder),
        relay,
        {},
        functools.partial(Checked, recorder),
    )


def _arguments(parameters: Mapping[str, inspect.Parameter]) -> str:
    """What passes every parameter on."""
    form = {
        inspect.Parameter.POSITIONAL_ONLY: "{}",
        inspect.Parameter.POSITIONAL_OR_KEYWORD: "{}",
        inspect.Parameter.VAR_POSITIONAL: "*{}",
        inspect.Parameter.KEYWORD_ONLY: "{0}={0}",
        inspect.Parameter.VAR_KEYWORD: "**{}",
    }
    return ", ".join(form[one.kind].format(one.name) for one in parameters.values())


_FAILED = """\
    except BaseException as _meterd_error:
        _meterd_failed(_meterd_error, {read})
        raise"""


def _function(
    signature: str,
    arguments: str,
    read: str,
    plain: bool,
    counts_errors: bool,
    prefix: str = "",
    wait: str = "",
) -> list[str]:
    lines = [f"{prefix}def _meterd_function{signature}:"]
    if plain:
        return [*lines, f"    return _meterd_record({wait}_meterd_call({arguments}))"]
    call = f"_meterd_result = {wait}_meterd_call({arguments})"
    if counts_errors:
        lines += ["    try:", f"        {call}", _FAILED.format(read=read)]
    else:
        lines.append(f"    {call}")
    record = f"_meterd_done(_meterd_result, {read})"
    return [*lines, f"    {record}", "    return _meterd_result"]


def _coroutine(
    signature: str, arguments: str, read: str, plain: bool, counts_errors: bool
) -> list[str]:
    return _function(signature, arguments, read, plain, counts_errors, "async ", "await ")


def _generator(
    signature: str, arguments: str, read: str, plain: bool, counts_errors: bool
) -> list[str]:
    generator = f"_meterd_call({arguments})"
    record = "_meterd_record(None)"
    begin: list[str] = []
    if not plain:
        begin = ["    _meterd_seen = _meterd_stream()"]
        generator = f"_meterd_relay({generator}, _meterd_seen.see)"
        record = f"_meterd_streamed(_meterd_seen, {read})"
    return [
        f"def _meterd_function{signature}:",
        *begin,
        "    try:",
        f"        _meterd_result = yield from {generator}",
        # Whoever reads it has had enough: that is an end, not an error.
        "    except GeneratorExit:",
        f"        {record}",
        "        raise",
        *([_FAILED.format(read=read)] if counts_errors else []),
        f"    {record}",
        "    return _meterd_result",
    ]


_ASYNC_RELAY = """\
{indent}_meterd_items = _meterd_call({arguments})
{indent}try:
{indent}    _meterd_item = await _meterd_items.__anext__()
{indent}    while True:
{indent}        _meterd_seen.see(_meterd_item)
{indent}        try:
{indent}            _meterd_sent = yield _meterd_item
{indent}        except GeneratorExit:
{indent}            await _meterd_items.aclose()
{indent}            raise
{indent}        except BaseException as _meterd_error:
{indent}            _meterd_item = await _meterd_items.athrow(_meterd_error)
{indent}        else:
{indent}            _meterd_item = await _meterd_items.asend(_meterd_sent)"""

_ASYNC_GENERATOR = f"""\
async def _meterd_function{{signature}}:
    _meterd_seen = _meterd_stream()
{_ASYNC_RELAY.replace("{indent}", "    ")}
    except (StopAsyncIteration, GeneratorExit) as _meterd_end:
        _meterd_streamed(_meterd_seen, {{read}})
        if isinstance(_meterd_end, GeneratorExit):
            raise"""


def _async_generator(
    signature: str, arguments: str, read: str, plain: bool, counts_errors: bool
) -> list[str]:
    del plain
    lines = [_ASYNC_GENERATOR.format(signature=signature, arguments=arguments, read=read)]
    return [*lines, _FAILED.format(read=read)] if counts_errors else lines


# What asks before it calls.
_CHECKED = {
    _function: """\
def _meterd_function{signature}:
    with _meterd_check({read}, False) as _meterd_checked:
        _meterd_checked.result = _meterd_call({arguments})
    return _meterd_checked.result""",
    _coroutine: """\
async def _meterd_function{signature}:
    async with _meterd_check({read}, False) as _meterd_checked:
        _meterd_checked.result = await _meterd_call({arguments})
    return _meterd_checked.result""",
    _generator: """\
def _meterd_function{signature}:
    with _meterd_check({read}, True) as _meterd_checked:
        return (
            yield from _meterd_relay(_meterd_call({arguments}), _meterd_checked.stream.see)
        )""",
    _async_generator: f"""\
async def _meterd_function{{signature}}:
    async with _meterd_check({{read}}, True) as _meterd_checked:
        _meterd_seen = _meterd_checked.stream
{_ASYNC_RELAY.replace("{indent}", "        ")}
        except StopAsyncIteration:
            pass""",
}


def relay(items: Generator[Any, Any, Any], see: Callable[[Any], None]) -> Generator[Any, Any, Any]:
    """`yield from items`, with a look at every item."""
    try:
        item = next(items)
        while True:
            see(item)
            try:
                sent = yield item
            except GeneratorExit:
                items.close()
                raise
            except BaseException as error:
                item = items.throw(error)
            else:
                item = items.send(sent)
    except StopIteration as stop:
        return stop.value
