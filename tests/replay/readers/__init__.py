"""One module for each wire format: `expected(exchange) -> Expected`, and `ERRORS`, by the name of the exchange.

A reader knows the provider's JSON and nothing of the adapter. Where a wire format has none, the matrix fails.
"""
