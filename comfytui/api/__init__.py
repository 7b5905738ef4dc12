"""ComfyControl's HTTP API, client side. Knows nothing of the dashboard."""
