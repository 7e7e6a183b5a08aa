"""The first account of a deployment, with the keys that administer everything else."""

import os

from infra.cloud.reach import Missing, Reach
from infra.cloud.storage import variables_of
from infra.config import StageConfig

ACCOUNT = "acct-operator"

_SAID = """
The account {account} has these keys. They are told once: only their hashes are stored.

  operator key    {operator}   grants credit to any account
  management key  {management}   makes and reads this account's keys
  API key         {api}   asks models

Next:

curl {url}/chat/completions \\
  -H "Authorization: Bearer {api}" -H "Content-Type: application/json" \\
  -d '{{"model": "openrouter/auto", "messages": [{{"role": "user", "content": "Hello!"}}]}}'
"""


def create(config: StageConfig, *, credit_usd: str, again: bool) -> str:
    """What to tell, which is nowhere else. Raises Missing, ValueError."""
    # Only now: the logger behind it reads the environment.
    from turnpike.bootstrap.seed import AlreadySeeded, seed_operator

    reach = Reach(config, config.home_region)
    reach.require_deployment()
    os.environ.update(variables_of(config))
    try:
        keys = seed_operator(os.environ, account_id=ACCOUNT, credit_usd=credit_usd, again=again)
    except AlreadySeeded as error:
        raise Missing(
            f"{ACCOUNT} has the operator key {error} already. If it is lost: "
            f"make bootstrap-account STAGE={config.stage} AGAIN=1 makes further keys, and no further credit"
        ) from None
    return _SAID.format(
        account=keys.account_id,
        operator=keys.operator_key,
        management=keys.management_key,
        api=keys.api_key,
        url=reach.url,
    )
