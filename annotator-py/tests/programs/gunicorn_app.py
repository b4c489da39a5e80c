"""A Flask service under gunicorn: metered by its middleware, by a decorator, and at its import."""

from flask import Flask

import meterd
from meterd.flask import Metering

meterd.configure(default_tenant="nobody")
# Before the fork: the master has a queue and a thread too.
meterd.record("gunicorn", "loaded")

app = Flask(__name__)
Metering(app, resource="shop")


@meterd.meter(resource="gunicorn", feature="decorated")
def work() -> None: ...


@app.get("/items/<int:item>")
def item(item: int) -> dict[str, int]:
    work()
    return {"item": item}
