"""What the operator puts right in accounts' credit."""

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from turnpike.api.auth import Guard
from turnpike.api.edge import json_response, read_json
from turnpike.api.names import AccountName, KeyName
from turnpike.api.resource import resource
from turnpike.api.validation import parse
from turnpike.domain.amounts import parse_change, parse_credit
from turnpike.domain.ids import AccountId, GenerationId
from turnpike.domain.money import present_usd
from turnpike.services.correct_credit import AdjustCredit, Corrected, RefundGeneration


class RefundBody(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    account_id: AccountName
    generation_id: KeyName
    amount: float | None = None


class AdjustmentBody(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    account_id: AccountName
    amount: float
    reason: Annotated[str, Field(min_length=1, max_length=500)]
    idempotency_key: KeyName
    allow_negative: bool = False


def routes(guard: Guard, refund_generation: RefundGeneration, adjust_credit: AdjustCredit) -> Sequence[BaseRoute]:
    async def post_refund(request: Request) -> Response:
        await guard.operator(request.headers)
        body = parse(RefundBody, await read_json(request))
        corrected = await refund_generation(
            AccountId(body.account_id),
            GenerationId(body.generation_id),
            None if body.amount is None else parse_credit(body.amount, field="amount"),
        )
        return _answer(corrected, {"generation_id": body.generation_id})

    async def post_adjustment(request: Request) -> Response:
        await guard.operator(request.headers)
        body = parse(AdjustmentBody, await read_json(request))
        corrected = await adjust_credit(
            AccountId(body.account_id),
            parse_change(body.amount, field="amount"),
            reason=body.reason,
            idempotency_key=body.idempotency_key,
            allow_negative=body.allow_negative,
        )
        return _answer(corrected, {"idempotency_key": body.idempotency_key, "reason": corrected.reason})

    return [
        resource("/credits/refunds", post=post_refund),
        resource("/credits/adjustments", post=post_adjustment),
    ]


def _answer(corrected: Corrected, named: dict[str, Any]) -> Response:
    content = {
        "account_id": corrected.account_id,
        **named,
        "amount": present_usd(corrected.amount),
        "available": present_usd(corrected.balance.available),
        "created": corrected.created,
    }
    return json_response({"data": content}, 201 if corrected.created else 200)
