"""Composition roots, one module per function: the only code that knows concrete classes."""
