"""The use cases, one a file, named by their verbs. They know ports, never what stands behind them."""
