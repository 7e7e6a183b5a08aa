"""infra/config.toml: what is wrong in it is said with its name, before anything is deployed."""

from pathlib import Path
from typing import Any

import pytest

from infra.config import CONFIG, FUNCTIONS, ConfigError, load_config, parse_config
from infra.layers import ROOT

from tests.infra.synthesized import DEFAULTS, DOMAIN, config_of


@pytest.mark.parametrize("stage", ["prod", "dev", "local"])
def test_the_stages_that_come_with_it_can_be_deployed(stage: str) -> None:
    assert load_config(stage).stage == stage


def test_every_function_is_deployed() -> None:
    folders = {path.parent.name for path in (ROOT / "functions").glob("*/handler.py")}
    assert set(FUNCTIONS) == folders


def test_a_stage_changes_what_the_defaults_say() -> None:
    assert config_of(throttle_burst=7).throttle_burst == 7
    assert config_of().throttle_burst == DEFAULTS["throttle_burst"]


@pytest.mark.parametrize("stage", ["Prod", "a-b", "", "1st", "averyverylongname"])
def test_a_name_that_others_could_not_be_made_of_is_refused(stage: str) -> None:
    with pytest.raises(ConfigError, match="name of a stage"):
        load_config(stage)


def test_a_stage_that_is_not_there_is_told_with_those_that_are() -> None:
    with pytest.raises(ConfigError, match=r"no \[stages.beta\].*dev, local, prod"):
        load_config("beta")


def test_an_unknown_table_is_told() -> None:
    with pytest.raises(ConfigError, match=r"no \[stage\]"):
        parse_config("prod", {"stage": {}})


def test_a_file_that_is_no_toml_is_told(tmp_path: Path) -> None:
    path = tmp_path / CONFIG.name
    path.write_text("[defaults")
    with pytest.raises(ConfigError, match=str(path)):
        load_config("prod", path)


@pytest.mark.parametrize(
    ("member", "value", "says"),
    [
        ("region", "eu-central-1", "not known"),
        ("regions", [], "each region once"),
        ("regions", ["eu-central-1", "eu-central-1"], "each region once"),
        ("regions", ["frankfurt"], "no region of AWS"),
        ("log_retention_days", 31, "CloudWatch takes 1, 3"),
        ("log_retention_days", True, "CloudWatch takes 1, 3"),
        ("throttle_rate_rps", 0, "from 1 to"),
        ("throttle_burst", 1.5, "whole number"),
        ("memory_mb", {"completions": 64}, "from 128 to"),
        ("memory_mb", {"completions": 512}, "how much catalog has"),
        ("memory_mb", {"complete": 512}, "there are the functions"),
        ("memory_mb", 512, "must be a table"),
        ("reserved_concurrency", {"completions": "many"}, "from 0 to"),
        ("metering_concurrency", 1, "from 2 to"),
        ("canary", "yes", "true or false"),
        ("alarm_email", "operator", "e-mail address"),
        ("budget_usd_per_month", -1, "amount in USD"),
        ("budget_usd_per_month", 5, "needs alarm_email"),
        ("domain", {"name": "api.example.com"}, "must have name, hosted_zone_id"),
        ("domain", {**DOMAIN, "name": "api.example.org"}, "below its hosted_zone_name"),
        ("domain", {**DOMAIN, "certificate_arns": {}}, "certificate_arns.eu-central-1"),
        ("settings", {"ledger_table": "mine"}, "cannot be set here"),
        ("settings", {"hedge": "p99"}, "hedge_after"),
        ("settings", {"lease_s": "60"}, "type int"),
        ("is_emulated", True, "neither canary"),
    ],
)
def test_what_cannot_be_deployed_is_named(member: str, value: Any, says: str) -> None:
    with pytest.raises(ConfigError, match=f"`{member}` of stage test.*{says}"):
        config_of(**{member: value})


def test_what_excludes_one_another_is_named() -> None:
    with pytest.raises(ConfigError, match=r"snapstart.*provisioned_concurrency"):
        config_of(snapstart=True, provisioned_concurrency=1)
