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
    stage: str = "local"
    catalog_overrides: str = ""
    """Paths of further catalog files, separated as in PATH and read after the packaged one; empty for none."""
    public_url: str = ""
    """Where the API is reached from outside, without `/api/v1`, for links in answers; empty leaves them relative."""
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
