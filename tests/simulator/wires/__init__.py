"""One module per wire format: what its API demands, and how it answers and refuses."""
