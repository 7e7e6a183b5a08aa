"""Batches: many requests at once, each asked as if it had come by itself."""
