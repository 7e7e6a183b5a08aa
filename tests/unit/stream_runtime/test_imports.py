"""The runtime brings nothing along: what it imports is Python's own, or its own."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import stream_runtime

PACKAGE = Path(stream_runtime.__file__).parent
LAYER = PACKAGE.parents[1]
MODULES = sorted(PACKAGE.glob("*.py"))


def imported_by(module: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            assert node.module is not None
            yield node.module


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.stem)
def test_it_imports_the_standard_library_alone(module: Path) -> None:
    packages = {name.partition(".")[0] for name in imported_by(module)}
    assert packages <= sys.stdlib_module_names | {"stream_runtime"}


def test_the_wrapper_can_be_executed() -> None:
    wrapper = LAYER / "bootstrap-stream"
    assert wrapper.stat().st_mode & 0o111 == 0o111
    assert wrapper.read_text().startswith("#!/bin/sh\n")
