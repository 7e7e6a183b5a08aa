"""Stores an operator's catalog file in a deployment: `python -m infra.catalog_override <stage> [<file>]`.

It is checked first, and served within two minutes, without a deployment; an empty file takes it back. Without a file,
the one that is stored is printed. `--port` names a local run (stage `local`) that is not on the usual port.
"""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from infra.catalog import built_catalog
from infra.config import ConfigError
from infra.reaching import LOCAL, reach, reached, variables_of
from turnpike.bootstrap.override import find_overrides, put_overrides
from turnpike.domain.catalog_tables import CatalogFileError
from turnpike.domain.errors import TurnpikeError


def variables_with_catalog(stage: str, port: int) -> Mapping[str, str]:
    """Raises OSError where there is no such local run."""
    variables = variables_of(stage, port)
    if stage == LOCAL:
        return variables
    return {
        **variables,
        "TURNPIKE_CATALOG_ARTEFACT": str(built_catalog()),
        "TURNPIKE_CATALOG_OVERRIDES": os.environ.get("TURNPIKE_CATALOG_OVERRIDES", ""),
    }


def main(
    arguments: Sequence[str] | None = None,
    find_variables: Callable[[str, int], Mapping[str, str]] = variables_with_catalog,
) -> int:
    parser = reached(__doc__ or "")
    parser.add_argument("file", type=Path, nargs="?")
    options = parser.parse_args(arguments)
    try:
        reach(find_variables(options.stage, options.port))
        if options.file is None:
            print(find_overrides(os.environ) or "", end="")
            return 0
        version = put_overrides(os.environ, str(options.file), options.file.read_text(encoding="utf-8"))
    except (CatalogFileError, ConfigError, TurnpikeError, BotoCoreError, ClientError, OSError, UnicodeError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{options.file} is stored as version {version}, and served within two minutes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
