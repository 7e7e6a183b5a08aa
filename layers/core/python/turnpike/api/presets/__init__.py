"""Presets: kept by the keys function, and put into requests by whatever calls models."""
