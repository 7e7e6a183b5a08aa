"""Variables that a secret holds, in front of the environment's own."""

from collections.abc import Callable, Iterator, Mapping


class SecretEnviron(Mapping[str, str]):
    """What the secret held when it was last read; reading it anew is left to whoever has the time.

    What is known of providers is looked up while requests go on, which wait for no secret.
    """

    def __init__(
        self, environ: Mapping[str, str], read: Callable[[], Mapping[str, str]], on_failure: Callable[[Exception], None]
    ) -> None:
        """Reads at once. Raises whatever `read` does: without credentials there is nothing to serve."""
        self._environ, self._read, self._on_failure = environ, read, on_failure
        self._values = dict(read())

    def refresh(self) -> bool:
        """Whether something has changed. What cannot be read is told to `on_failure`, and the last values stay."""
        try:
            values = dict(self._read())
        except Exception as error:
            self._on_failure(error)
            return False
        has_changed = values != self._values
        self._values = values
        return has_changed

    def __getitem__(self, name: str) -> str:
        values = self._values
        return values[name] if name in values else self._environ[name]

    def __iter__(self) -> Iterator[str]:
        return iter({**self._environ, **self._values})

    def __len__(self) -> int:
        return len({**self._environ, **self._values})
