"""Looks for a newer catalog, and puts it together anew when other credentials are there: other models can be served."""

from collections.abc import Callable

from turnpike.domain.catalog import Catalog

Load = Callable[[], Catalog | None]


class ReloadCatalog:
    """Calling it gives the catalog if it is another one now. Raises what `load` does; the next call tries again."""

    def __init__(
        self, credentials_changed: Callable[[], bool], begin: Callable[[], Load], packaged: Callable[[], Catalog]
    ) -> None:
        """`begin` gives a loader that has seen nothing yet; `packaged` is what there is where nothing is stored."""
        self._credentials_changed, self._begin, self._packaged = credentials_changed, begin, packaged
        self._load = begin()
        self._is_due = False

    def __call__(self) -> Catalog | None:
        # Told once, and not forgotten while the store cannot be reached.
        self._is_due = self._credentials_changed() or self._is_due
        if not self._is_due:
            return self._load()
        load = self._begin()
        catalog = load() or self._packaged()
        self._load, self._is_due = load, False
        return catalog
