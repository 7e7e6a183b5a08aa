"""Providers: wire formats, which are pure, and the one HTTP client that speaks them."""
