"""Every provider's API on loopback: strict about requests, and able to fail in each way that a provider fails."""
