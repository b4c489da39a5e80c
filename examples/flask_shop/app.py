"""A shop under Flask: requests are metered by their route, checkouts by the number of items.

    flask --app app run

with METERD_ENDPOINT and METERD_API_KEY in the environment.
"""

from __future__ import annotations

from typing import Any

from flask import Flask, abort, request

import meterd
from meterd.flask import Metering

PRICES = {"book": 1200, "pen": 150}

checkouts = meterd.Meter("shop", "items_sold")


def create_app() -> Flask:
    app = Flask(__name__)
    Metering(app, resource="shop-api")

    @app.before_request
    def find_shop() -> None:
        """Each shop has a host name of its own: acme.example is the tenant `acme`."""
        meterd.set_tenant(request.host.partition(".")[0])

    @app.get("/products/<product>")
    def product(product: str) -> dict[str, Any]:
        if product not in PRICES:
            abort(404)
        return {"product": product, "cents": PRICES[product]}

    @app.post("/checkout")
    def checkout() -> dict[str, Any]:
        cart: dict[str, int] = request.get_json()
        if not cart or not cart.keys() <= PRICES.keys():
            abort(422)
        total = sum(PRICES[product] * count for product, count in cart.items())
        checkouts.add(sum(cart.values()), cents=total)
        return {"cents": total}

    return app
