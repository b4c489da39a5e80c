"""Invoices over HTTP: every request and every invoice that is made is metered.

    uvicorn app:app

with METERD_ENDPOINT and METERD_API_KEY in the environment.
"""

from __future__ import annotations

import itertools
from dataclasses import asdict, dataclass
from typing import Annotated

from fastapi import Depends, FastAPI, Header, HTTPException

import meterd
import meterd.fastapi

# Who may call: a real service asks its database.
ACCOUNTS = {"key-of-acme": "org_acme", "key-of-globex": "org_globex"}


@dataclass
class Invoice:
    number: int
    order_id: str
    lines: list[str]


app = FastAPI(title="Invoices")
meterd.fastapi.install(app, resource="invoices-api")
numbers = itertools.count(1)
invoices: dict[tuple[str, int], Invoice] = {}


def account(x_api_key: Annotated[str, Header()]) -> str:
    """The tenant, once it is known: from here on all that is metered is theirs."""
    tenant = ACCOUNTS.get(x_api_key)
    if tenant is None:
        raise HTTPException(401, "unknown key")
    meterd.set_tenant(tenant)
    return tenant


Account = Annotated[str, Depends(account)]


# A tenant whose quota is used up gets a 429 from the middleware, and no invoice.
@meterd.meter(resource="billing", feature="invoice_generate", quantity=1, check="reserve")
def process_invoice(order_id: str, lines: list[str]) -> Invoice:
    return Invoice(next(numbers), order_id, lines)


@meterd.meter(
    resource="invoice.create",
    feature="pdf_export",
    quantity=lambda call: call.result.count(b"/Page "),
    metadata=lambda call: {"invoice": call.args["invoice"].number},
)
def generate_invoice(invoice: Invoice) -> bytes:
    """A page for every ten lines."""
    pages = -(-len(invoice.lines) // 10)
    return b"%PDF-1.4\n" + b"<< /Type /Page >>\n" * pages


@app.post("/orders/{order_id}/invoice", status_code=201)
def create(order_id: str, lines: list[str], tenant: Account) -> dict[str, object]:
    if not lines:
        raise HTTPException(422, "an invoice has lines")
    invoice = process_invoice(order_id, lines)
    invoices[tenant, invoice.number] = invoice
    return asdict(invoice)


@app.get("/invoices/{number}/pdf")
def export(number: int, tenant: Account) -> dict[str, int]:
    invoice = invoices.get((tenant, number))
    if invoice is None:
        raise HTTPException(404, "no such invoice")
    return {"bytes": len(generate_invoice(invoice))}


@app.get("/healthz")
def health() -> dict[str, str]:
    return {"status": "ok"}
