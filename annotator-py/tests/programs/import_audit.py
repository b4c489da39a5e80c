"""What happens while `meterd` is imported, as JSON."""

import json
import os
import sys

events: list[str] = []
watched = ("socket.", "subprocess.", "os.mkdir", "os.rename", "os.remove", "_thread.start")


def audit(event: str, arguments: tuple[object, ...]) -> None:
    if event.startswith(watched):
        events.append(event)
    if event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wa+x"):
        events.append(f"open {arguments[0]}")


before = set(sys.modules)
sys.dont_write_bytecode = True
sys.addaudithook(audit)
import meterd  # noqa: E402, F401

loaded = {name.partition(".")[0] for name in set(sys.modules) - before}
print(
    json.dumps(
        {
            "events": events,
            "threads": len(os.listdir("/proc/self/task")),
            "strangers": sorted(loaded - set(sys.stdlib_module_names) - {"meterd"}),
        }
    )
)
