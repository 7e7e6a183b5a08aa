"""The settings with which this machine's commands use a deployment's storage, as its functions do."""

from collections.abc import Mapping

from infra.catalog import built_catalog
from infra.config import StageConfig
from turnpike.settings import Settings


def variables_of(config: StageConfig) -> Mapping[str, str]:
    """The region among them. Whoever builds `Resources` of them reaches AWS as this process's environment says."""
    named = f"turnpike-{config.stage}-{{}}".format
    settings = Settings(
        stage=config.stage,
        ledger_table=named("ledger"),
        keys_table=named("keys"),
        catalog_table=named("catalog"),
        usage_queue_url="",
        catalog_artefact=str(built_catalog()),
    )
    return {**settings.environ(), "AWS_REGION": config.home_region, "AWS_DEFAULT_REGION": config.home_region}
