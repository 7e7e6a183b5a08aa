"""Everything that `make run` starts on this machine."""
