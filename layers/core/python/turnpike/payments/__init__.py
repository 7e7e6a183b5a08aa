"""The payment provider's side of payments: Stripe, through its official library."""
