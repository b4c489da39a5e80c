"""What `configure` was given, else what the environment says, else the default."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

DEFAULTS: dict[str, Any] = {
    "endpoint": "http://127.0.0.1:8686",
    "api_key": None,
    "transport": "batch",
    "batch_size": 1000,
    "batch_bytes": 524_288,
    "flush_interval": 1.0,
    "max_retries": 3,
    "timeout": 5.0,
    "compression": "zstd",
    "spool_dir": None,
    "spool_max_bytes": 2**28,
    "durability": "process",
    "on_full": "drop_oldest",
    "exit_timeout": 1.0,
    "default_tenant": None,
    "disabled": False,
    "strict": False,
    "fail_open": True,
    "decision_timeout": 0.2,
}

_DAY = 86_400
_TRUE = {"1", "true", "yes", "on"}
_FALSE = {"", "0", "false", "no", "off"}


def _flag(text: str) -> bool:
    if text.strip().lower() in _TRUE | _FALSE:
        return text.strip().lower() in _TRUE
    raise ValueError(f"must be true or false, not {text!r}")


_PARSERS: dict[type, Callable[[str], Any]] = {bool: _flag, int: int, float: float}


def _parser(name: str) -> Callable[[str], Any]:
    return _PARSERS.get(type(DEFAULTS[name]), str)


def from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    """What METERD_* variables set. Raises ValueError for a value of the wrong kind."""
    found: dict[str, Any] = {}
    for name in DEFAULTS:
        variable = f"METERD_{name.upper()}"
        text = environment.get(variable)
        if text is None:
            continue
        try:
            found[name] = _parser(name)(text)
        except ValueError as error:
            raise ValueError(f"{variable}: {error}") from None
    return found


def resolve(
    given: Mapping[str, Any], environment: Mapping[str, str] = os.environ
) -> dict[str, Any]:
    """Every setting: what is not None in `given`, else the environment's, else the default."""
    explicit = {name: value for name, value in given.items() if value is not None}
    settings = {**DEFAULTS, **from_environment(environment), **explicit}
    if settings["disabled"]:
        settings["transport"] = "noop"
    # All others are checked by the native client; this one is used here.
    patience = settings["decision_timeout"]
    if not isinstance(patience, (int, float)) or not 0 < patience < _DAY:
        raise ValueError("decision_timeout must be seconds, more than 0 and less than a day")
    if settings["spool_dir"] is None:
        settings["spool_dir"] = _state_directory()
    else:
        settings["spool_dir"] = os.path.abspath(os.fspath(settings["spool_dir"]))
    return settings


def _state_directory() -> str | None:
    """Where a user's programs keep state; None, hence memory, for a user without a home."""
    state = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    return os.path.join(state, "meterd") if os.path.isabs(state) else None
