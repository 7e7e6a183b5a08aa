"""Lets a request ask free models, as long as its account may; costs nothing where no free model is asked."""

from collections.abc import Awaitable, Callable, Sequence

from turnpike.domain.catalog import Endpoint
from turnpike.domain.ids import AccountId

CountFree = Callable[[AccountId], Awaitable[None]]
"""Raises FreeModelsExhausted."""


class FreePass:
    """One request's. It counts once, when the first of its free models is about to be asked."""

    __slots__ = ("_account_id", "_count", "_counted")

    def __init__(self, count: CountFree | None, account_id: AccountId) -> None:
        """Without a `count`, free models may be asked as often as anybody likes."""
        self._count = count
        self._account_id = account_id
        self._counted = False

    async def admit(self, endpoints: Sequence[Endpoint]) -> Sequence[Endpoint]:
        """What may be asked of these, the first of which is about to be: without the free ones if those are used up.

        Raises FreeModelsExhausted when no others are left, and TemporarilyBusy.
        """
        if self._count is None or self._counted or not endpoints or not endpoints[0].model_id.endswith(":free"):
            return endpoints
        # Not before it is needed: most requests ask no free model.
        from turnpike.domain.free_quota import FreeModelsExhausted, is_free

        try:
            await self._count(self._account_id)
        except FreeModelsExhausted:
            others = [endpoint for endpoint in endpoints if not is_free(endpoint.model_id)]
            if not others:
                raise
            return others
        self._counted = True
        return endpoints
