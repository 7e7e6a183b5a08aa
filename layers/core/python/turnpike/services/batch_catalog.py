"""What a batch may ask: what is served here, and with provider keys of the account's own, whatever is known."""

from collections.abc import Callable

from turnpike.domain.batches import Batch, BatchId
from turnpike.domain.catalog import Catalog
from turnpike.ports.accounts import ByokKeys


class BatchCatalog:
    """`keys` is None where the deployment takes none of its customers."""

    def __init__(self, catalog: Callable[[], Catalog], keys: ByokKeys | None) -> None:
        self._catalog, self._keys = catalog, keys
        self._looked_up: tuple[BatchId, bool] | None = None

    def __call__(self, batch: Batch) -> Catalog:
        """Raises TemporarilyBusy."""
        catalog = self._catalog()
        return catalog.with_unserved() if self._brings_keys(batch) else catalog

    def _brings_keys(self, batch: Batch) -> bool:
        """Looked up once for all lines of a batch. What a key is for, and for whom, each request is told."""
        if self._keys is None:
            return False
        known = self._looked_up
        if known is None or known[0] != batch.id:
            found = any(not key.disabled for key in self._keys.list_for(batch.account_id))
            known = self._looked_up = (batch.id, found)
        return known[1]
