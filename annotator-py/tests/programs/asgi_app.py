"""A FastAPI service under uvicorn."""

from typing import Annotated

from fastapi import Depends, FastAPI, Header, HTTPException

import meterd
import meterd.fastapi

app = FastAPI()
meterd.fastapi.install(app, resource="api")


def account(authorization: Annotated[str, Header()]) -> str:
    """Runs in a thread of the pool, with a copy of the context."""
    if not authorization.startswith("Bearer "):
        raise HTTPException(401)
    meterd.set_tenant(authorization.removeprefix("Bearer "))
    return authorization


@meterd.meter(resource="api.work")
def work() -> None: ...


@app.get("/accounts/{account_id}/invoices/{invoice:int}")
def invoice(account_id: str, invoice: int, who: Annotated[str, Depends(account)]) -> dict[str, str]:
    work()
    return {"who": who}


@app.get("/healthz")
def health() -> dict[str, str]:
    return {}


@app.get("/broken")
def broken() -> None:
    raise RuntimeError("a bug")
