"""Credentials of providers, from this environment into the stage's secret."""

import os
from collections.abc import Mapping
from urllib.parse import urlsplit

import orjson
from botocore.exceptions import ClientError

from infra.cloud.reach import Missing, Reach
from infra.cloud.storage import variables_of
from infra.config import StageConfig
from turnpike.domain.catalog_tables import CatalogFileError

_THIS_MACHINE = ("127.0.0.1", "localhost", "::1")


def put(config: StageConfig, environ: Mapping[str, str]) -> str:
    """Add what `environ` has to what is there, and take away what it has empty. What to tell, without any value.

    Raises Missing, also for what cannot be used; then nothing was written.
    """
    # Only now: the logger behind it reads the environment.
    from turnpike.bootstrap.credentials import ProviderCredentials

    reach = Reach(config, config.home_region)
    reach.require_deployment()
    os.environ.update(variables_of(config))
    credentials = ProviderCredentials(os.environ)
    found = {name: environ[name].strip() for name in credentials.variables() & environ.keys()}
    if not config.is_emulated:
        found = _reachable(found)
    if not found:
        raise Missing(
            "There is no credential of a provider in this environment. docs/providers.md lists the variables, as in: "
            f"OPENAI_API_KEY=sk-… make providers STAGE={config.stage}"
        )
    name = f"turnpike-{config.stage}-providers"
    values = {key: value for key, value in {**_read(reach, name), **found}.items() if value}
    try:
        served = credentials.check(values)
    except CatalogFileError as error:
        raise Missing(f"Nothing was written: {error}") from error
    reach.secrets.put_secret_value(SecretId=name, SecretString=orjson.dumps(values).decode())
    return "\n".join(
        [
            *(f"{'wrote' if found[each] else 'removed'} {each}" for each in sorted(found)),
            *served.notes,
            f"served now: {', '.join(served.providers) or 'nobody'}",
            "Environments that run already see it within six minutes.",
            f"Next: make status STAGE={config.stage}",
        ]
    )


def _reachable(found: Mapping[str, str]) -> dict[str, str]:
    """Without what a local run has left behind in a shell: functions cannot reach this machine."""
    here = {name for name in found if name.endswith("_BASE_URL") and urlsplit(found[name]).hostname in _THIS_MACHINE}
    slugs = {name.removesuffix("BASE_URL") for name in here}
    return {name: value for name, value in found.items() if not any(name.startswith(slug) for slug in slugs)}


def _read(reach: Reach, name: str) -> dict[str, str]:
    """Raises Missing."""
    try:
        content = orjson.loads(reach.secrets.get_secret_value(SecretId=name)["SecretString"])
    except (ClientError, KeyError, orjson.JSONDecodeError) as error:
        # From None: the decoder's error holds the text.
        raise Missing(f"The secret {name} cannot be read, or is no JSON object ({type(error).__name__})") from None
    return dict(content)
