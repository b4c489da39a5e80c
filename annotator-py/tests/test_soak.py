"""Many events and many forks: memory, descriptors and the queue's directory stay as they are.

`SOAK_EVENTS` sets the size: 1,000,000 unless it is given, 10,000,000 for a long run.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from support import Sink, environment, run

EVENTS = int(os.environ.get("SOAK_EVENTS", "1000000"))

SOAK = """
import json, os, sys, meterd
count = int(sys.argv[1])
meterd.configure(default_tenant="org_1")
meter = meterd.Meter("soak", "event")
work = meterd.meter(lambda: None, resource="soak", feature="call")

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

def descriptors():
    return len(os.listdir("/proc/self/fd"))

def part(events):
    for _ in range(events):
        work()
    assert meterd.flush(120), meterd.stats()

part(count // 10)
before = resident(), descriptors(), len(os.listdir("/proc/self/task"))
for _ in range(9):
    part(count // 10)
    for _ in range(11):
        pid = os.fork()
        if pid == 0:
            meter.add()
            os._exit(0 if meterd.flush(20) else 1)
        assert os.waitpid(pid, 0)[1] == 0
after = resident(), descriptors(), len(os.listdir("/proc/self/task"))
print(json.dumps({"before": before, "after": after, "stats": meterd.stats()}))
"""


def test_memory_and_descriptors_stay_flat(sink: Sink, spool: Path) -> None:
    sink.fail("count")
    env = environment(sink.url, spool)
    seen = json.loads(run("-W", "error", "-c", SOAK, str(EVENTS), env=env, within=600))
    resident = [seen[when][0] for when in ("before", "after")]
    assert resident[1] - resident[0] < 8 << 20, resident
    assert seen["after"][1:] == seen["before"][1:]
    assert seen["stats"]["delivered"] == seen["stats"]["recorded"] == EVENTS
    assert sink.report()["counted"] == EVENTS + 99
    # What the children left open when they ended is adopted in time; nothing undelivered is in it.
    run("-m", "meterd", "drain", env=env)
    assert sink.report()["counted"] == EVENTS + 99
    assert list(spool.glob("*.segment")) == []


THREADS = """
import json, sys, threading, meterd
count = int(sys.argv[1])
meter = meterd.Meter("threads", "event", tenant="org_1")
def work():
    for _ in range(count):
        meter.add()
threads = [threading.Thread(target=work) for _ in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
assert meterd.flush(300), meterd.stats()
print(json.dumps(meterd.stats()))
"""


def test_four_threads_lose_nothing(sink: Sink, spool: Path) -> None:
    sink.fail("count")
    each = EVENTS // 4
    # Four threads are faster than a sink in Python; ten million would be more than the queue holds.
    env = environment(sink.url, spool, on_full="block")
    stats = json.loads(run("-c", THREADS, str(each), env=env, within=600))
    assert stats["recorded"] == stats["delivered"] == 4 * each == sink.report()["counted"]
    assert list(spool.glob("*.segment")) == []
