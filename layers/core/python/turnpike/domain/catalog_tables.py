"""Tables of catalog files (TOML), read by type, with errors that name the file and the line.

The standard library's parser keeps no positions, so the lines of tables and keys are found by a scan of our own
that understands just enough of TOML: headers, keys, strings, comments, and values over several lines.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

Path = tuple[str | int, ...]

_HEADER = re.compile(r"\s*(\[\[?)\s*(.+?)\s*(\]\]?)\s*(?:#.*)?$")
_KEY = re.compile(r"""\s*((?:[\w-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[\w-]+|"[^"]*"|'[^']*'))*)\s*=""")
_PART = re.compile(r"""[\w-]+|"([^"]*)"|'([^']*)'""")


class CatalogFileError(ValueError):
    """A catalog file cannot be used; the message says which, at which line, and what is wrong."""


class MissingError(CatalogFileError):
    """A file is right in itself, and speaks of something that is not there (any more)."""


@dataclass(frozen=True, slots=True)
class Row:
    """One table of a file, which remembers what was asked of it so that a misspelt key is found."""

    file: str
    path: Path
    values: Mapping[str, object]
    lines: Mapping[Path, int]
    _asked: set[str] = field(default_factory=set)

    def error(self, key: str | None, problem: str) -> CatalogFileError:
        return CatalogFileError(self._message(key, problem))

    def missing(self, key: str | None, problem: str) -> MissingError:
        return MissingError(self._message(key, problem))

    def _message(self, key: str | None, problem: str) -> str:
        path: Path = self.path if key is None else (*self.path, key)
        while path and path not in self.lines:
            path = path[:-1]
        # What was not read from a text has no lines, and is found by its name.
        place = f", line {self.lines.get(path, 1)}" if self.lines else f" [{'.'.join(map(str, self.path))}]"
        return f"{self.file}{place}: {key + ' ' if key else ''}{problem}"

    def over(self, earlier: Mapping[str, object]) -> "Row":
        """This table with what only the earlier one says; mistakes in that are looked for where this one begins."""
        return Row(self.file, self.path, {**earlier, **self.values}, self.lines)

    def without(self, key: str) -> "Row":
        return Row(self.file, self.path, {name: self.values[name] for name in self.values if name != key}, self.lines)

    def refuse_unknown(self) -> None:
        for key in self.values:
            if key not in self._asked:
                raise self.error(key, "is not a key of this table")

    def __contains__(self, key: str) -> bool:
        self._asked.add(key)
        return key in self.values

    def get(self, key: str) -> object:
        self._asked.add(key)
        return self.values.get(key)

    def text(self, key: str, default: str | None = None) -> str:
        value = self.get(key)
        value = default if value is None else value
        if not isinstance(value, str) or not value:
            raise self.error(key, "is missing" if value is None else "is not a text")
        return value

    def text_or_none(self, key: str) -> str | None:
        return self.text(key) if key in self else None

    def texts(self, key: str) -> tuple[str, ...]:
        value = self.get(key)
        if value is None:
            return ()
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self.error(key, "is not a list of texts")
        return tuple(value)

    def pairs(self, key: str) -> tuple[tuple[str, str], ...]:
        value = self.get(key) or []
        if not isinstance(value, list):
            raise self.error(key, "is not a list of pairs")
        for item in value:
            if not isinstance(item, list) or len(item) != 2 or not all(isinstance(part, str) for part in item):
                raise self.error(key, "holds something else than pairs of texts")
        return tuple((first, second) for first, second in value)

    def whole_or_none(self, key: str, *, least: int = 0) -> int | None:
        value = self.get(key)
        if value is None:
            return None
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise self.error(key, f"is not a whole number of at least {least}")
        return value

    def flag_or_none(self, key: str) -> bool | None:
        value = self.get(key)
        if value is not None and not isinstance(value, bool):
            raise self.error(key, "is neither true nor false")
        return value

    def table(self, key: str) -> "Row":
        """Empty where the file has none."""
        value = self.get(key)
        if value is not None and not isinstance(value, dict):
            raise self.error(key, "is not a table")
        return Row(self.file, (*self.path, key), value or {}, self.lines)

    def tables(self) -> Iterator[tuple[str, "Row"]]:
        """Every key's table; for a table that holds others alone."""
        for key in self.values:
            yield key, self.table(key)

    def rows(self, key: str) -> "Sequence[Row]":
        value = self.get(key)
        if value is None:
            return []
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise self.error(key, "is not an array of tables")
        return [Row(self.file, (*self.path, key, place), item, self.lines) for place, item in enumerate(value)]


def parse_toml(file: str, text: str) -> Row:
    """The whole of a file. Raises CatalogFileError."""
    # Only who has such files pays for reading them.
    import tomllib

    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        # Its message ends with the line and column.
        raise CatalogFileError(f"{file}: {error}") from error
    return Row(file, (), values, _find_lines(text))


def _find_lines(text: str) -> Mapping[Path, int]:
    lines: dict[Path, int] = {}
    counts: dict[Path, int] = {}
    table: Path = ()
    quotes, depth = "", 0
    for number, line in enumerate(text.splitlines(), start=1):
        if not quotes and not depth:
            header, key = _HEADER.match(line), _KEY.match(line)
            if header and not key:
                table = _enter(_parts(header[2]), counts, is_array=header[1] == "[[")
                lines.setdefault(table, number)
                continue
            if key:
                lines[(*table, *_parts(key[1]))] = number
        quotes, depth = _after(line, quotes, depth)
    return lines


def _parts(name: str) -> list[str]:
    return [match[1] or match[2] or match[0].strip("\"'") for match in _PART.finditer(name)]


def _enter(parts: Sequence[str], counts: dict[Path, int], *, is_array: bool) -> Path:
    """The path of a table whose header was read; within arrays it belongs to their last item."""
    path: Path = ()
    for part in parts[:-1]:
        path = (*path, part)
        if path in counts:
            path = (*path, counts[path] - 1)
    path = (*path, parts[-1])
    if not is_array:
        return path
    counts[path] = counts.get(path, 0) + 1
    return (*path, counts[path] - 1)


def _after(line: str, quotes: str, depth: int) -> tuple[str, int]:
    """(open triple quotes, open brackets) at the end of a line that began with these."""
    place = 0
    while place < len(line):
        if quotes:
            end = line.find(quotes, place)
            if end < 0:
                return quotes, depth
            place, quotes = end + 3, ""
        elif line.startswith(('"""', "'''"), place):
            quotes, place = line[place : place + 3], place + 3
        elif line[place] == "#":
            break
        elif line[place] in "\"'":
            place = _closing(line, place)
        else:
            depth += (line[place] in "[{") - (line[place] in "]}")
            place += 1
    return quotes, max(0, depth)


def _closing(line: str, start: int) -> int:
    """Behind the string that starts there."""
    place = start + 1
    while place < len(line) and line[place] != line[start]:
        place += 2 if line[place] == "\\" and line[start] == '"' else 1
    return place + 1
