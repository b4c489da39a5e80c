"""The processor's time for import, configuration and the first event, as JSON.

Python's own modules are loaded before: every service has them.
"""

import asyncio  # noqa: F401
import inspect  # noqa: F401
import json
import logging  # noqa: F401
import time

before = time.process_time_ns()
import meterd  # noqa: E402

meterd.configure(default_tenant="org_1")
meterd.record("first", "event")
print(json.dumps({"cpu_ms": (time.process_time_ns() - before) / 1e6}))
