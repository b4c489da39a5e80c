"""Events survive their process: an exit, a signal, a fork; and whoever comes next sends them."""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path

import pytest

from support import Meterd, Sink, counted, drain, environment, eventually, python, run

# Says in shared memory, which survives it, how many calls have returned.
BURST = """
import meterd, mmap, sys, time
with open(sys.argv[1], "r+b") as file:
    returned = memoryview(mmap.mmap(file.fileno(), 8)).cast("Q")
meter = meterd.Meter(sys.argv[2], "event", tenant="org_1")
pause = float(sys.argv[3])
while True:
    meter.add()
    returned[0] += 1
    if pause:
        time.sleep(pause)
"""


class Burst:
    """A process that records as fast as it can, or with a pause after each call."""

    def __init__(
        self, directory: Path, resource: str, env: dict[str, str], pause: float = 0
    ) -> None:
        self._said = directory / f"returned-{time.monotonic_ns()}"
        self._said.write_bytes(bytes(8))
        self.process = python("-c", BURST, self._said, resource, pause, env=env)

    def returned(self) -> int:
        return int.from_bytes(self._said.read_bytes(), sys.byteorder)

    def end(self, how: signal.Signals) -> int:
        """Ends it, and says how many calls had returned."""
        self.process.send_signal(how)
        self.process.communicate()
        assert self.process.returncode == -how
        return self.returned()


def test_exit_without_flush(sink: Sink, spool: Path) -> None:
    program = """
import meterd
@meterd.meter(resource="exit", tenant="org_1")
def work(): pass
for _ in range(5000): work()
"""
    run("-c", program, env=environment(sink.url, spool))
    assert sink.has(5000)["unique"] == 5000
    assert sink.report()["received"] == 5000
    assert list(spool.glob("*.segment")) == []


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM, signal.SIGABRT])
def test_killed_in_the_middle_of_a_burst(
    sink: Sink, spool: Path, tmp_path: Path, end: signal.Signals
) -> None:
    # The server is away, so that everything has to wait in the queue.
    sink.fail("status", status=503)
    env = environment(sink.url, spool)
    burst = Burst(tmp_path, "burst", env)
    eventually(lambda: burst.returned() > 20_000, "a burst")
    returned = burst.end(end)
    sink.fail("none")
    assert ", 0 refused" in drain(env)
    report = sink.report()
    # The last call may have recorded and not returned.
    assert returned <= report["unique"] <= returned + 1
    assert report["received"] == report["unique"]
    # One that its process was only making when it died has no first word yet.
    begun = [path for path in spool.glob("*.segment") if path.read_bytes()[:8].strip(b"\0")]
    assert begun == []


def test_killed_while_sending_counts_once(meterd: Meterd, spool: Path, tmp_path: Path) -> None:
    env = environment(meterd.url, spool, api_key=meterd.key, flush_interval="0.05")
    lower = 0
    for life in range(1, 4):
        # The server counts all of them before the next life, also on a busy machine.
        burst = Burst(tmp_path, "killed", env, pause=0.000_1)
        counted(meterd, "killed", lower + 1)
        lower += burst.end(signal.SIGKILL)
        drain(env)
        # What is drained was accepted, and what was accepted is counted soon, and once.
        count = counted(meterd, "killed", lower)
        assert lower <= count <= lower + life
    assert meterd.total("killed") == (count, count)


FORKS = """
import meterd, multiprocessing, os, sys
meter = meterd.Meter("fork", "event", tenant="org_1")
def work(i):
    meter.add()
    os._exit(0)
if __name__ == "__main__":
    multiprocessing.set_start_method("fork")
    meter.add()
    for i in range(100):
        child = multiprocessing.Process(target=work, args=(i,))
        child.start()
        child.join()
    meter.add()
    print(meterd.drain(30), meterd.stats())
"""


def test_children_that_leave_by_exit(sink: Sink, spool: Path) -> None:
    program = FORKS.replace("meterd.drain", "meterd._client.default.drain")
    out = run("-W", "error", "-c", program, env=environment(sink.url, spool))
    assert "Warning" not in out
    report = sink.has(102)
    assert (report["unique"], report["received"]) == (102, 102)
    assert list(spool.glob("*.segment")) == []


FORKS_WHILE_OTHERS_WAIT = """
import meterd, os, threading
meter = meterd.Meter("fork", "event", tenant="org_1")
meter.add()
ending = threading.Event()
def wait():
    while not ending.is_set():
        meterd.flush(0.001)
waiting = [threading.Thread(target=wait) for _ in range(4)]
for thread in waiting: thread.start()
for _ in range(100):
    pid = os.fork()
    if pid == 0:
        meter.add()
        meterd.stats()
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
ending.set()
for thread in waiting: thread.join()
"""


def test_forks_while_other_threads_wait(sink: Sink, spool: Path) -> None:
    """A child has none of those threads, and must not wait for what they held."""
    sink.fail("hang")
    env = environment(sink.url, spool)
    run("-c", FORKS_WHILE_OTHERS_WAIT, env=env, within=60)
    sink.fail("none")
    drain(env)
    assert sink.has(101)["unique"] == 101


def test_orphans_are_adopted_by_who_lives(sink: Sink, spool: Path) -> None:
    env = environment(sink.url, spool)
    run("-c", "import meterd, os; meterd.record('r', 'f', tenant='t'); os._exit(0)", env=env)
    died = time.monotonic()
    program = "import meterd, sys; meterd.record('r', 'g', tenant='t'); sys.stdin.read()"
    process = python("-c", program, env=env, stdin=-1)
    sink.has(2, within=10)
    assert time.monotonic() - died < 10
    process.communicate("")
    assert sink.report()["features"] == {"f": 1, "g": 1}
