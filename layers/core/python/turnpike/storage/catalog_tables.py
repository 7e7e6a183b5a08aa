"""A table of a catalog file, whose fields are read by type, with errors that name file, table and field."""

from collections.abc import Mapping, Sequence
from typing import Any


class CatalogFileError(ValueError):
    """A catalog file cannot be used; the message names the file, the table and the field."""


class Table:
    """Remembers which fields were asked for, so that a misspelt one is found."""

    def __init__(self, file: str, name: str, values: Mapping[str, Any]) -> None:
        self.file, self.name, self.values = file, name, values
        self._asked: set[str] = set()

    def error(self, field: str, problem: str) -> CatalogFileError:
        # A model's id finds the place sooner than its number; a table may be read from its second file on.
        label = self.values.get("id") or self.values.get("provider")
        place = f"[{self.name}{f' {label}' if isinstance(label, str) else ''}] " if self.name else ""
        return CatalogFileError(f"{self.file}: {place}{field} {problem}")

    def refuse_unknown(self, *also_known: str) -> None:
        for field in self.values:
            if field not in self._asked and field not in also_known:
                raise self.error(field, "is not a field of this table")

    def over(self, earlier: "Table | None") -> "Table":
        """This table with the fields that only the earlier one has."""
        return Table(self.file, self.name, {**earlier.values, **self.values}) if earlier else self

    def with_value(self, field: str, value: object) -> "Table":
        return Table(self.file, self.name, {**self.values, field: value})

    def text(self, field: str, default: str | None = None) -> str:
        value = self._get(field, default)
        if not isinstance(value, str) or not value:
            raise self.error(field, "is not a text" if value is not None else "is missing")
        return value

    def text_or_none(self, field: str) -> str | None:
        return self.text(field) if self._get(field, None) is not None else None

    def texts(self, field: str, default: Sequence[str] | None = None) -> tuple[str, ...]:
        value = self._get(field, default)
        if not isinstance(value, (list, tuple)) or not all(isinstance(item, str) for item in value):
            raise self.error(field, "is not a list of texts" if value is not None else "is missing")
        return tuple(value)

    def whole(self, field: str, default: int | None = None) -> int:
        value = self._get(field, default)
        if not isinstance(value, int) or isinstance(value, bool):
            raise self.error(field, "is not a whole number" if value is not None else "is missing")
        return value

    def positive(self, field: str, default: int | None = None) -> int:
        value = self.whole(field, default)
        if value <= 0:
            raise self.error(field, "is not above zero")
        return value

    def positive_or_none(self, field: str) -> int | None:
        return self.positive(field) if self._get(field, None) is not None else None

    def seconds(self, field: str, default: float) -> float:
        value = self._get(field, default)
        if not isinstance(value, (int, float)) or isinstance(value, bool) or not 0 < value < float("inf"):
            raise self.error(field, "is not a number of seconds above zero")
        return float(value)

    def flag(self, field: str, default: bool) -> bool:
        value = self._get(field, default)
        if not isinstance(value, bool):
            raise self.error(field, "is neither true nor false")
        return value

    def table(self, field: str, *, optional: bool = False) -> "Table":
        value = self._get(field, {} if optional else None)
        if not isinstance(value, dict):
            raise self.error(field, "is not a table" if value is not None else "is missing")
        return Table(self.file, f"{self._label()}.{field}", value)

    def tables(self, field: str) -> Mapping[str, "Table"]:
        value = self._get(field, {})
        if not isinstance(value, dict) or not all(isinstance(item, dict) for item in value.values()):
            raise self.error(field, "is not a group of tables")
        return {slug: Table(self.file, f"{field}.{slug}", item) for slug, item in value.items()}

    def array(self, field: str) -> "Sequence[Table]":
        value = self._get(field, [])
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise self.error(field, "is not an array of tables")
        name = f"{self._label()}.{field}" if self.name else field
        return [Table(self.file, name, item) for item in value]

    def _label(self) -> str:
        return f"{self.name} {self.values['id']}" if "id" in self.values else self.name

    def _get(self, field: str, default: object) -> Any:
        self._asked.add(field)
        return self.values.get(field, default)
