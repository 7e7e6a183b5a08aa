"""API keys and their budgets, as OpenRouter's clients read them."""

from typing import Any

from turnpike.api.times import present_time
from turnpike.domain.api_keys import ApiKey, KeySpend, Spending
from turnpike.domain.money import ZERO, NanoUsd, present_usd
from turnpike.domain.periods import next_reset_s
from turnpike.services.manage_keys import KeyReport
from turnpike.services.read_current_key import CurrentKey


def present_key(report: KeyReport) -> dict[str, Any]:
    key = report.key
    return {
        **_present_spending(key, report.spend),
        "hash": key.hash,
        "name": key.name,
        "label": key.label,
        "disabled": key.disabled,
        "created_at": present_time(key.created_at_s),
        "updated_at": None if key.updated_at_s is None else present_time(key.updated_at_s),
        "last_used_at": None if report.spend.last_used_at_s is None else present_time(report.spend.last_used_at_s),
        "creator_user_id": None,
        "external_user": None,
        "workspace_id": key.account_id,
    }


def present_current_key(current: CurrentKey) -> dict[str, Any]:
    key = current.key
    manages = key.role != "inference"
    budgets = [] if key.limit is None else [_present_budget(key, key.limit, current.spend, current.read_at_s)]
    return {
        **_present_spending(key, current.spend),
        "label": key.label,
        "is_free_tier": current.is_free_tier,
        "is_management_key": manages,
        "is_provisioning_key": manages,
        "allowed_data_regions": ["global"],
        "budgets": budgets,
        "effective_budget": budgets[0] if budgets else None,
        "free_model_daily_requests": {
            "limit": current.free_requests_limit,
            "remaining": max(current.free_requests_limit - current.free_requests_used, 0),
            "used": current.free_requests_used,
        },
        "rate_limit": {
            "requests": -1,
            "interval": "10s",
            "note": "This field is deprecated and safe to ignore.",
        },
        "creator_user_id": None,
        "organization_id": None,
        "workspace_id": key.account_id,
    }


def _present_spending(key: ApiKey, spend: KeySpend) -> dict[str, Any]:
    remaining = None if key.limit is None else max(key.limit - spend.in_window_of(key), ZERO)
    return {
        **_present_periods("usage", spend.credit),
        **_present_periods("byok_usage", spend.byok),
        "limit": None if key.limit is None else present_usd(key.limit),
        "limit_remaining": None if remaining is None else present_usd(NanoUsd(remaining)),
        "limit_reset": key.limit_reset,
        "include_byok_in_limit": key.include_byok_in_limit,
        "expires_at": None if key.expires_at_s is None else present_time(key.expires_at_s),
    }


def _present_periods(name: str, spending: Spending) -> dict[str, float]:
    return {
        name: present_usd(spending.total),
        f"{name}_daily": present_usd(spending.daily),
        f"{name}_weekly": present_usd(spending.weekly),
        f"{name}_monthly": present_usd(spending.monthly),
    }


def _present_budget(key: ApiKey, limit: NanoUsd, spend: KeySpend, now_s: int) -> dict[str, Any]:
    resets_at = None if key.limit_reset is None else present_time(next_reset_s(key.limit_reset, now_s))
    return {
        "scope": "key_limit",
        "limit_usd": present_usd(limit),
        "spend_usd": present_usd(spend.in_window_of(key)),
        "remaining_usd": present_usd(NanoUsd(limit - spend.in_window_of(key))),
        "reset_interval": key.limit_reset,
        "resets_at": resets_at,
        "include_byok": key.include_byok_in_limit,
        "budget_id": None,
        "guardrail_id": None,
    }
