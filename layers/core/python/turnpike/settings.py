"""The environment contract: infra writes it, bootstrap reads it, and neither spells a name twice."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields

_PREFIX = "TURNPIKE_"


@dataclass(frozen=True, slots=True)
class Settings:
    """Strings and numbers only, so that CDK tokens fit; every field is `TURNPIKE_<FIELD>` in the environment."""

    ledger_table: str
    keys_table: str
    usage_queue_url: str
    home_region: str = ""
    """Where the ledger is, and the key that seals customers' provider keys; empty for the function's own region."""
    health_table: str = ""
    """Without one nothing is counted, and routing knows of endpoints what the environment itself has met."""
    cache_table: str = ""
    """Where answers are kept for clients that ask for the response cache; without one there is none."""
    exports_bucket: str = ""
    """Where the ledger's entries are exported to every day; empty for no exports."""
    stage: str = "local"
    catalog_table: str = ""
    """Where the refreshed catalog and the operator's word on it are kept; empty leaves the packaged one as it is."""
    catalog_artefact: str = ""
    """Path of the compiled catalog; empty for the packaged one."""
    catalog_overrides: str = ""
    """Paths of further catalog files, separated as in PATH and applied in this order; empty for none."""
    catalog_refresh_s: int = 3600
    """How often the catalog is compiled anew from what its sources publish; 0 for never."""
    models_dev_url: str = "https://models.dev/api.json"
    genai_prices_url: str = (
        "https://raw.githubusercontent.com/pydantic/genai-prices/refs/heads/main/prices/new_data/v2/data.json"
    )
    """The one that the package of that name downloads itself; this and the other may be moved to mirrors."""
    provider_secret: str = ""
    """Name or ARN of the Secrets Manager secret that holds providers' credentials and addresses as JSON, each under the
    name that it has in the environment; empty leaves them to the environment, as the local run does."""
    public_url: str = ""
    """Where the API is reached from outside, without `/api/v1`, for links in answers; empty leaves them relative."""
    payments_secret: str = ""
    """Name or ARN of the Secrets Manager secret that holds STRIPE_SECRET_KEY and STRIPE_WEBHOOK_SECRET as JSON; empty
    leaves them to the environment, as the local run does. Without either there are no payments."""
    stripe_api_base: str = "https://api.stripe.com"
    checkout_origins: str = ""
    """The sites that a checkout may lead back to besides `public_url`, as in `https://app.example.com`, separated by
    spaces; the first is where it leads by default."""
    payment_min_usd: str = "5"
    payment_max_usd: str = "10000"
    """The least and the most credit that one payment buys. Amounts of money are decimal text, never floats."""
    payment_fee_percent: str = "0"
    payment_fee_min_usd: str = "0"
    """What is paid besides the credit: a percentage of it, and at least so much."""
    auto_top_up_daily_usd: str = "500"
    """The most credit that automatic top-ups buy an account on a UTC day."""
    log_file: str = ""
    """Where logs go instead of standard output; used by the local run."""
    keepalive_s: float = 10.0
    """How long a stream may be silent before its first content until a comment keeps it alive."""
    principal_ttl_s: float = 30.0
    """How long an API key, known or unknown, is remembered; a change to it takes that long to be seen."""
    hold_ttl_s: int = 1800
    """A hold that nobody settled by then is returned. Above an invocation's 15 minutes and the queue's delays."""
    allowance_tokens: int = 2048
    """Output credited in advance to a request that names no maximum; it is extended while the answer grows."""
    lease_s: int = 60
    """How long credit that an environment leases serves its requests, which then need no write before their provider
    is called; 0 for never."""
    generation_retention_days: int = 180
    """How long the record of a generation can be read, from its request on; 0 for ever. Card payments can be disputed
    for 120 days, and records name users and apps, which nobody needs for longer. What was charged stays in the ledger.
    """
    activity_retention_days: int = 400
    """How long activity can be read and queried; 0 for ever. Any month of the year before can be compared with this
    one's; 31 days are the least, for the 30 completed ones that GET /activity tells."""
    longest_wait_s: float = 3600.0
    """How long an endpoint is left alone at most, whatever its Retry-After says."""
    byok_table: str = ""
    """Where customers' own provider keys are kept; they are taken where there is a key for their encryption, too."""
    byok_kms_key: str = ""
    """Id, alias or ARN of the AWS KMS key under which they are sealed. Without one the deployment takes no such keys,
    and reads none that it took before."""
    byok_fee: str = "0"
    """What a request with a customer's own key is charged, as a share of what it would cost otherwise: 0.05 for 5 %."""
    presets_table: str = ""
    """Where accounts' presets are kept; without one there are none."""
    web_search_engine: str = ""
    """What searches the web where the client names no engine and the provider does not search itself: exa, tavily or
    brave; empty for the first of them that has a key."""
    web_search_prices: str = ""
    """USD that a search is charged, where that is not an engine's list price, as in `exa=0.005 brave=0.003`."""
    ocr_page_usd: str = "0.002"
    """What the engine mistral-ocr is charged for each page of a file; it is there where there is a MISTRAL_API_KEY."""
    moderation_model: str = "omni-moderation-latest"
    """What the plugin `moderation` asks, at OpenAI or where MODERATION_BASE_URL leads."""
    batches_table: str = ""
    """Where batches are kept; there are some where there is a bucket and a queue for them, too."""
    batches_bucket: str = ""
    batches_queue_url: str = ""
    batch_retention_days: int = 30
    """How long a batch, its requests and its results can be read, from the end of its day on."""
    batches_open_limit: int = 100
    """How many batches of an account may be under way at once, 5,000 at most; 0 for any number."""
    hedge_after: str = ""
    """The percentile (p50, p75, p90, p99) of an endpoint's own time to the first content after which a second one
    is asked beside it, and the faster one answers; empty for never. What the slower one costs is absorbed."""

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> "Settings":
        """Raises KeyError naming the variable that is missing."""
        values: dict[str, object] = {}
        for field in fields(cls):
            name = _PREFIX + field.name.upper()
            if name in environ:
                values[field.name] = _KINDS[field.type](environ[name])
            elif field.name in _REQUIRED:
                raise KeyError(f"{name} is not set; the deployment sets it, and so does `make run`")
        return cls(**values)  # type: ignore[arg-type]  # built field by field from the declarations above

    def environ(self) -> dict[str, str]:
        """The variables that `from_environ` reads back."""
        return {_PREFIX + field.name.upper(): str(getattr(self, field.name)) for field in fields(self)}


_KINDS: Mapping[object, Callable[[str], object]] = {str: str, int: int, float: float}
_REQUIRED = {"ledger_table", "keys_table", "usage_queue_url"}
