"""The request budget: 40 requests in any 10 s for an address, half of them ours, shared by all processes."""
