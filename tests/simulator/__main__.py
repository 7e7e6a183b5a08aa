"""`python -m tests.simulator --port 9100` serves until it is stopped."""

import argparse
import asyncio
import contextlib

from tests.simulator.server import HOST, KEY, WIRES, Simulator, serve


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--api-key", default=KEY)
    arguments = parser.parse_args()
    print(f"http://{HOST}:{arguments.port}/<wire>, wire being one of {', '.join(WIRES)}", flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(Simulator(arguments.api_key), arguments.port))


if __name__ == "__main__":
    main()
