"""A catalog of models with three endpoints each, of which one, two or all fail, each in one of the ways there are."""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2

from tests.e2e.asking import http_client
from tests.e2e.deployment import Deployment
from tests.e2e.run import free_port
from tests.e2e.simulated import WIRES
from tests.simulator.server import KEY, Simulator, simulating

ACCOUNT = "acct-failing"
SPOKEN = ("openai_compatible", "anthropic", "google")
"""A wire format for each of the three endpoints."""
PATIENCE_S = 0.5
"""With endpoints that fail by silence; all others have the time that they have everywhere."""

WAYS: Mapping[str, str] = {
    "429": "~status.429",
    "500": "~status.500",
    "503": "~trouble.overloaded",
    "refused": "",
    "reset": "~reset.headers",
    "hang": "~hang.headers",
    "slow-headers": "~headers_ms.5000",
    "empty": "~empty.1",
    "junk": "~garbage.0",
}
"""What the simulator finds in the name of a model that is to fail; a refused connection never gets that far."""
LIMITED = "limited"
"""All three say 429, and when to come back: in 30, 20 and 40 seconds."""
RESTING = "resting"
"""The first of three says 429 and to come back in an hour, which is longer than the tests take."""

_REMEMBERED = 5_000
"""Requests to the providers, of which the simulator keeps fewer by itself."""

_PROVIDER = """
[providers.{slug}]
name = "{slug}"
wire = "{wire}"
base_url = "http://127.0.0.1/" # The environment has the port.
"""
_MODEL = """
[[models]]
id = "{model_id}"
name = "{model_id}"
description = "Served by the simulator."
created = 1767225600
context_length = 200000
input_modalities = ["text"]
output_modalities = ["text"]
supported_parameters = ["max_tokens", "temperature"]
"""
_ENDPOINT = """
  [[models.endpoints]]
  provider = "{provider}"
  upstream_model = "{upstream_model}"
  max_completion_tokens = 64000
  pricing = {{ prompt = "0.000002", completion = "0.00001" }}
  timeouts = {{ {timeouts} }}
"""
_IMPATIENT = f"first_token_s = {PATIENCE_S}, gap_s = {PATIENCE_S}, whole_s = {PATIENCE_S}"


@dataclass(frozen=True, slots=True)
class Trio:
    """A model, and which of its three endpoints fail in which way."""

    way: str
    failing: tuple[int, ...]

    @property
    def model(self) -> str:
        return f"fail/{self.way}-{''.join(str(place) for place in self.failing) or 'none'}"

    @property
    def order(self) -> list[str]:
        """The providers, those that fail first."""
        places = [*self.failing, *(place for place in range(3) if place not in self.failing)]
        return [self.provider(place) for place in places]

    def provider(self, place: int) -> str:
        return f"trio-{place}-closed" if self.way == "refused" and place in self.failing else f"trio-{place}"

    def endpoint(self, place: int) -> str:
        upstream_model = WIRES[SPOKEN[place]].model
        fails = place in self.failing
        if fails:
            upstream_model += {
                LIMITED: f"~status.429~retry_after.{(30, 20, 40)[place]}",
                RESTING: "~status.429~retry_after.3600",
                **WAYS,
            }[self.way]
        return _ENDPOINT.format(
            provider=self.provider(place),
            upstream_model=upstream_model,
            timeouts=_IMPATIENT if fails else "",
        )


def trios(count: int) -> Sequence[Trio]:
    """Every way of `count` failing endpoints, whichever of the three they are."""
    by_count: Mapping[int, Sequence[tuple[int, ...]]] = {
        1: [(0,), (1,), (2,)],
        2: [(0, 1), (1, 2), (2, 0)],
        3: [(0, 1, 2)],
    }
    return [Trio(way, failing) for way in WAYS for failing in by_count[count]]


def catalog() -> str:
    parts = []
    for place, wire in enumerate(SPOKEN):
        for slug in (f"trio-{place}", f"trio-{place}-closed"):
            parts.append(_PROVIDER.format(slug=slug, wire=wire))
    models = [trio for count in (1, 2, 3) for trio in trios(count)]
    for trio in [*models, Trio(LIMITED, (0, 1, 2)), Trio(RESTING, (0,))]:
        parts.append(_MODEL.format(model_id=trio.model))
        parts += [trio.endpoint(place) for place in range(3)]
    return "".join(parts)


def variables(address: str) -> dict[str, str]:
    """Keys and addresses of all the providers; nobody listens at the closed ones'."""
    closed = f"http://127.0.0.1:{free_port()}"
    found: dict[str, str] = {}
    for place, wire in enumerate(SPOKEN):
        tested = WIRES[wire]
        for prefix, url in ((f"TRIO_{place}", address), (f"TRIO_{place}_CLOSED", closed)):
            found |= {f"{prefix}_API_KEY": KEY, f"{prefix}_BASE_URL": f"{url}/{tested.mount}{tested.path}"}
    return found


@dataclass(frozen=True, slots=True)
class Failing:
    base_url: str
    api_key: str
    http: httpx2.Client
    simulator: Simulator


@contextmanager
def failing(parts: Deployment, folder: Path) -> Iterator[Failing]:
    overrides = folder / "catalog.toml"
    overrides.write_text(catalog())
    api_key = parts.call("seed", ACCOUNT, "1000")["api_key"]
    with (
        simulating() as (simulator, address),
        parts.serving("serve_api", **variables(address), TURNPIKE_CATALOG_OVERRIDES=str(overrides)) as (_, url),
        http_client(f"{url}/api/v1", api_key) as http,
    ):
        simulator.requests = deque(maxlen=_REMEMBERED)
        yield Failing(f"{url}/api/v1", api_key, http, simulator)
