"""What all inference skins share: authentication, reading, calling, streaming, and how a request is routed."""
