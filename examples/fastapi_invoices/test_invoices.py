from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from meterd.pytest import Metered

ACME = {"X-Api-Key": "key-of-acme"}
GLOBEX = {"X-Api-Key": "key-of-globex"}


@pytest.fixture
def service() -> Any:
    """The application, loaded anew for each test."""
    spec = importlib.util.spec_from_file_location("invoices", Path(__file__).parent / "app.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["invoices"] = module
    spec.loader.exec_module(module)
    return TestClient(module.app)


def test_an_invoice_is_one_event_of_its_tenant(service: Any, metered: Metered) -> None:
    for headers in (ACME, ACME, GLOBEX):
        assert service.post("/orders/o_1/invoice", json=["a"], headers=headers).status_code == 201
    assert metered.total("billing", "invoice_generate", tenant="org_acme") == 2
    assert metered.total("billing", "invoice_generate", tenant="org_globex") == 1
    route = "POST:/orders/:order_id/invoice"
    assert metered.total("invoices-api", route, tenant="org_acme") == 2


def test_an_export_counts_its_pages(service: Any, metered: Metered) -> None:
    made = service.post("/orders/o_2/invoice", json=["a"] * 25, headers=ACME).json()
    assert service.get(f"/invoices/{made['number']}/pdf", headers=ACME).status_code == 200
    assert metered.total("invoice.create", "pdf_export", tenant="org_acme") == 3
    (event,) = [event for event in metered.events if event["feature"] == "pdf_export"]
    assert event["metadata"] == {"invoice": made["number"]}


def test_who_has_no_invoices_left_gets_none(service: Any, metered: Metered) -> None:
    metered.deny("invoice_generate")
    answer = service.post("/orders/o_4/invoice", json=["a"], headers=ACME)
    assert (answer.status_code, answer.json()["code"]) == (429, "quota_exceeded")
    assert answer.headers["content-type"] == "application/problem+json"
    assert metered.total("billing") == 0
    assert metered.total("invoices-api", tenant="org_acme") == 1


def test_what_fails_counts_as_a_request_only(service: Any, metered: Metered) -> None:
    assert service.post("/orders/o_3/invoice", json=[], headers=ACME).status_code == 422
    assert service.get("/invoices/99/pdf", headers=ACME).status_code == 404
    assert service.get("/invoices/1/pdf", headers={"X-Api-Key": "wrong"}).status_code == 401
    assert service.get("/healthz").status_code == 200
    assert metered.total("billing") == metered.total("invoice.create") == 0
    assert metered.total("invoices-api", tenant="org_acme") == 2
    assert metered.total("invoices-api", tenant="default") == 1
