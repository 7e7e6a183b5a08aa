"""The catalog that is served, kept current while requests go on."""

import threading
from collections.abc import Callable, Iterable, Mapping

from turnpike.domain.catalog import Catalog, Model, Provider

_CHECK_AFTER_S = 60.0
_STALE_AFTER_S = 120.0
_RETRY_AFTER_S = 10.0
_PATIENCE_S = 1.0


class LiveCatalog:
    """A catalog that looks for a newer one at most once a minute, in a thread of its own.

    A request is answered by what is there. It only waits, for a second at most, where the last look was two minutes
    ago or there was none, as in an environment that is new or was frozen: otherwise its first request would go by
    prices from the day of the deployment. While looking fails, the last good catalog is served.
    """

    def __init__(
        self,
        first: Catalog,
        load: Callable[[], Catalog | None],
        *,
        now: Callable[[], float],
        on_change: Callable[[Catalog], None],
        on_failure: Callable[[Exception], None],
    ) -> None:
        """`load` gives the catalog if it is another one now; it may take its time, and fail."""
        self._catalog = self._before = first
        self._load = load
        self._now = now
        self._on_change = on_change
        self._on_failure = on_failure
        self._looked_at: float | None = None
        self._retry_at = 0.0
        self._lock = threading.Lock()
        self._looking: threading.Thread | None = None

    def current(self) -> Catalog:
        """The only one of its methods that looks for a newer one; the others say what was found."""
        now = self._now()
        age = None if self._looked_at is None else now - self._looked_at
        if (age is None or age >= _CHECK_AFTER_S) and now >= self._retry_at:
            thread = self._look()
            if thread is not None and (age is None or age >= _STALE_AFTER_S):
                thread.join(_PATIENCE_S)
        return self._catalog

    @property
    def version(self) -> str:
        return self._catalog.version

    @property
    def models(self) -> Iterable[Model]:
        return self._catalog.models

    @property
    def providers(self) -> Iterable[Provider]:
        return self._catalog.providers

    @property
    def aliases(self) -> Mapping[str, str]:
        return self._catalog.aliases

    def get_model(self, slug: str) -> Model:
        return self._catalog.get_model(slug)

    def get_provider(self, slug: str) -> Provider:
        """Also one that has gone since, for those who began before."""
        try:
            return self._catalog.get_provider(slug)
        except KeyError:
            return self._before.get_provider(slug)

    def resolve(self, slug: str) -> str:
        return self._catalog.resolve(slug)

    def with_unserved(self) -> Catalog:
        return self._catalog.with_unserved()

    def address_of(self, provider: str, variables: Mapping[str, str]) -> str | None:
        return self._catalog.address_of(provider, variables)

    def _look(self) -> threading.Thread | None:
        """None where somebody is looking already, and perhaps waits for it: whoever comes then does not."""
        with self._lock:
            if self._looking is not None and self._looking.is_alive():
                return None
            self._looking = threading.Thread(target=self._replace, name="catalog", daemon=True)
            self._looking.start()
            return self._looking

    def _replace(self) -> None:
        try:
            newer = self._load()
        except Exception as error:
            self._retry_at = self._now() + _RETRY_AFTER_S
            self._on_failure(error)
            return
        if newer is not None:
            self._before, self._catalog = self._catalog, newer
            self._on_change(newer)
        self._looked_at = self._now()
