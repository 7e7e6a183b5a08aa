"""Credit, and what single generations cost."""

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from turnpike.api.auth import Guard
from turnpike.api.edge import json_response, read_json
from turnpike.api.names import AccountName, KeyName
from turnpike.api.present_generation import present_generation
from turnpike.api.resource import resource
from turnpike.api.validation import parse
from turnpike.domain.amounts import parse_credit
from turnpike.domain.errors import InvalidRequest
from turnpike.domain.ids import AccountId
from turnpike.domain.ledger import Balance
from turnpike.domain.money import present_usd
from turnpike.services.grant_credit import Grant, GrantCredit
from turnpike.services.read_credits import ReadCredits
from turnpike.services.read_generation import ReadGeneration


class GrantBody(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    amount: float
    idempotency_key: KeyName
    account_id: AccountName | None = None


def routes(
    guard: Guard, read_credits: ReadCredits, read_generation: ReadGeneration, grant_credit: GrantCredit
) -> Sequence[BaseRoute]:
    async def get_credits(request: Request) -> Response:
        principal = await guard.management(request.headers)
        return json_response({"data": present_credits(await read_credits(principal.account_id))})

    async def get_generation(request: Request) -> Response:
        principal = await guard.any_key(request.headers)
        generation_id = request.query_params.get("id")
        if not generation_id:
            raise InvalidRequest("Field required", field="id")
        generation = await read_generation(principal.account_id, generation_id)
        return json_response({"data": present_generation(generation)})

    async def post_grant(request: Request) -> Response:
        principal = await guard.operator(request.headers)
        body = parse(GrantBody, await read_json(request))
        grant = await grant_credit(
            AccountId(body.account_id or principal.account_id),
            parse_credit(body.amount, field="amount"),
            idempotency_key=body.idempotency_key,
        )
        return json_response({"data": present_grant(grant)}, 201 if grant.created else 200)

    return [
        resource("/credits", get=get_credits),
        resource("/credits/grants", post=post_grant),
        resource("/generation", get=get_generation),
    ]


def present_credits(balance: Balance) -> dict[str, Any]:
    return {
        "total_credits": present_usd(balance.credits_total),
        "total_usage": present_usd(balance.usage_total),
    }


def present_grant(grant: Grant) -> dict[str, Any]:
    return {
        "account_id": grant.account_id,
        "amount": present_usd(grant.amount),
        "idempotency_key": grant.idempotency_key,
        "total_credits": present_usd(grant.balance.credits_total),
        "created": grant.created,
    }
