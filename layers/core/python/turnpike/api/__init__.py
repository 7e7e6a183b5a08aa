"""The HTTP edge: one module per API skin or resource, and what they share."""
