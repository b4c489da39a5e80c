"""What a web service answers when a call was denied, by the real server's decision."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import meterd as package
from support import Meterd, environment, run

# Each program asks its service three times, and prints the last answer's status, headers and body.
SHARED = """
import json, meterd
meterd.configure(default_tenant="org_1")

@meterd.meter(resource="denials", feature=FEATURE, check="reserve")
def work(): pass

def show(status, headers, body):
    names = {name.lower(): value for name, value in headers.items()}
    stats = meterd.stats()
    print(json.dumps({"status": status, "headers": names, "body": json.loads(body),
        "recorded": stats["recorded"], "denied": stats["denied"]}))
"""
FASTAPI = """
import meterd.fastapi
from fastapi import FastAPI
from fastapi.testclient import TestClient
app = FastAPI()
meterd.fastapi.install(app, resource="api")

@app.get("/work")
def handler():
    work()
    return {}

client = TestClient(app)
answers = [client.get("/work") for _ in range(3)]
assert [answer.status_code for answer in answers] == [200, 200, 429], answers[-1].text
show(429, answers[-1].headers, answers[-1].text)
"""
FLASK = """
import meterd.flask
from flask import Flask
app = Flask("shop")
meterd.flask.Metering(app, resource="api")

@app.get("/work")
def handler():
    work()
    return {}

client = app.test_client()
answers = [client.get("/work") for _ in range(3)]
for answer in answers: answer.close()
assert [answer.status_code for answer in answers] == [200, 200, 429], answers[-1].text
show(429, answers[-1].headers, answers[-1].text)
"""
WSGI = """
from werkzeug.test import Client

def bare(environ, start_response):
    work()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"{}"]

client = Client(meterd.MeterdWSGIMiddleware(bare, resource="api"))
answers = [client.get("/work") for _ in range(3)]
for answer in answers: answer.close()
assert [answer.status_code for answer in answers] == [200, 200, 429], answers[-1].text
show(429, answers[-1].headers, answers[-1].text)
"""
DJANGO = """
import asyncio, django
from django.conf import settings
from django.http import JsonResponse
from django.urls import path

settings.configure(
    SECRET_KEY="k", ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], METERD_RESOURCE="api",
    MIDDLEWARE=["meterd.django.MeterdMiddleware"],
)
django.setup()

def handler(request):
    work()
    return JsonResponse({})

urlpatterns = [path("work", handler)]
from django.test import AsyncClient, Client
answers = [Client().get("/work") for _ in range(3)]
assert [answer.status_code for answer in answers] == [200, 200, 429], answers[-1].content
again = asyncio.run(AsyncClient().get("/work"))
assert again.status_code == 429
show(429, answers[-1].headers, answers[-1].content)
"""
PROGRAMS = {"fastapi": FASTAPI, "flask": FLASK, "wsgi": WSGI, "django": DJANGO}


@pytest.mark.parametrize("framework", PROGRAMS)
def test_denied_is_429(meterd: Meterd, spool: Path, framework: str) -> None:
    feature = f"denied-{framework}"
    meterd.limit(feature, 2)
    env = environment(meterd.url, spool, api_key=meterd.key, decision_timeout="30")
    program = f"FEATURE = {feature!r}\n{SHARED}{PROGRAMS[framework]}"
    lines = run("-c", program, env=env).splitlines()
    said = next(json.loads(line) for line in lines if line.startswith('{"status"'))
    body = said["body"]
    assert said["headers"]["content-type"] == "application/problem+json"
    assert int(said["headers"]["retry-after"]) > 0
    assert (body["status"], body["code"], body["feature"]) == (429, "quota_exceeded", feature)
    assert (body["limit"], body["remaining"], body["period"]) == (2, 0, "yearly")
    assert body["title"] == "Too Many Requests"
    assert body["reset_at"] > "2025"
    # Two that worked, and every request, the denied ones too.
    requests = 4 if framework == "django" else 3
    assert (said["recorded"], said["denied"]) == (2 + requests, requests - 2)


def test_an_answer_that_has_begun_stays_as_it_is(make_decision: Callable[..., Any]) -> None:
    """Nothing but an error can be said in its middle."""
    import asyncio

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise package.DeniedError(make_decision())

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    client = package.Client(transport="memory", default_tenant="org_1")
    middleware = package.MeterdASGIMiddleware(app, resource="api", client=client)
    scope = {"type": "http", "path": "/", "method": "GET", "headers": []}
    with pytest.raises(package.DeniedError):
        asyncio.run(middleware(scope, None, send))
    assert [message["type"] for message in sent] == ["http.response.start"]
    assert client.recorded() == []


@pytest.fixture
def make_decision() -> Callable[..., Any]:
    def make() -> Any:
        return package.Decision(allowed=False, exact=True, id="x", feature="f")

    return make
