"""Buying credit: checkouts, the payment provider's webhook, and automatic top-ups."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from turnpike.api.auth import Guard
from turnpike.api.edge import json_response, read_body, read_json
from turnpike.api.resource import resource
from turnpike.api.times import present_time
from turnpike.api.validation import parse
from turnpike.domain.money import present_usd
from turnpike.domain.payments import Checkout, Price
from turnpike.services.manage_auto_top_up import AutoTopUpReport, ManageAutoTopUp
from turnpike.services.receive_payment_event import ReceivePaymentEvent
from turnpike.services.start_checkout import StartCheckout

_Address = Annotated[str, Field(max_length=2048)]


class CheckoutBody(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    amount: float
    currency: Literal["USD", "usd"] = "USD"
    success_url: _Address | None = None
    cancel_url: _Address | None = None
    save_payment_method: bool = False


class AutoTopUpBody(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    threshold: float
    amount: float


def routes(
    guard: Guard, start_checkout: StartCheckout, receive_event: ReceivePaymentEvent, auto_top_up: ManageAutoTopUp
) -> Sequence[BaseRoute]:
    async def post_checkout(request: Request) -> Response:
        principal = await guard.management(request.headers)
        body = parse(CheckoutBody, await read_json(request))
        checkout, price = await start_checkout(
            principal.account_id,
            body.amount,
            success_url=body.success_url,
            cancel_url=body.cancel_url,
            saves_payment_method=body.save_payment_method,
        )
        return json_response({"data": present_checkout(checkout, price)}, 201)

    async def post_webhook(request: Request) -> Response:
        # No bearer key: the signature over the body, byte for byte, is what says who sends it.
        body = await read_body(request.headers, request.receive)
        await receive_event(body, request.headers.get("stripe-signature"))
        return json_response({"received": True})

    async def get_auto_top_up(request: Request) -> Response:
        principal = await guard.management(request.headers)
        return json_response({"data": present_auto_top_up(await auto_top_up.get(principal.account_id))})

    async def put_auto_top_up(request: Request) -> Response:
        principal = await guard.management(request.headers)
        body = parse(AutoTopUpBody, await read_json(request))
        report = await auto_top_up.put(principal.account_id, threshold_usd=body.threshold, amount_usd=body.amount)
        return json_response({"data": present_auto_top_up(report)})

    async def delete_auto_top_up(request: Request) -> Response:
        principal = await guard.management(request.headers)
        return json_response({"data": present_auto_top_up(await auto_top_up.delete(principal.account_id))})

    return [
        resource("/credits/checkout", post=post_checkout),
        resource("/credits/webhook", post=post_webhook),
        resource("/credits/auto-top-up", get=get_auto_top_up, put=put_auto_top_up, delete=delete_auto_top_up),
    ]


def present_checkout(checkout: Checkout, price: Price) -> dict[str, Any]:
    return {
        "id": checkout.id,
        "url": checkout.url,
        "amount": price.credit_cents / 100,
        "fee": price.fee_cents / 100,
        "total": price.total_cents / 100,
        "currency": "USD",
        "expires_at": present_time(checkout.expires_at_s),
    }


def present_auto_top_up(report: AutoTopUpReport) -> dict[str, Any]:
    state = report.state
    return {
        "enabled": state is not None and state.is_on,
        "threshold": None if state is None else present_usd(state.threshold),
        "amount": None if state is None else state.amount_cents / 100,
        "payment_method": None if report.method is None else report.method.label,
        "pending": state is not None and state.pending is not None,
        "failures": 0 if state is None else state.failures,
        "reason": (state.reason or None) if state is not None else None,
        "charged_today": present_usd(report.charged_today),
        "daily_limit": present_usd(report.daily_limit),
    }
