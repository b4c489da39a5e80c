from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from meterd.pytest import Metered

ACME = "http://acme.example"


@pytest.fixture
def shop() -> Any:
    spec = importlib.util.spec_from_file_location("shop", Path(__file__).parent / "app.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.create_app().test_client()


def test_a_checkout_counts_its_items(shop: Any, metered: Metered) -> None:
    answer = shop.post("/checkout", json={"book": 2, "pen": 3}, base_url=ACME)
    assert answer.get_json() == {"cents": 2850}
    assert metered.total("shop", "items_sold", tenant="acme") == 5
    sold = next(event for event in metered.events if event["resource"] == "shop")
    assert sold["metadata"] == {"cents": 2850}


def test_requests_count_by_their_route(shop: Any, metered: Metered) -> None:
    for product in ("book", "pen", "car"):
        shop.get(f"/products/{product}", base_url=ACME).close()
    shop.get("/products/pen", base_url="http://globex.example").close()
    shop.get("/nowhere", base_url=ACME).close()
    route = "GET:/products/:product"
    assert metered.total("shop-api", route, tenant="acme") == 3
    assert metered.total("shop-api", route, tenant="globex") == 1
    assert metered.total("shop-api", "GET:unmatched") == 1
    assert metered.total("shop") == 0
