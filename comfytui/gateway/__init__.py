"""ComfyControl's HTTP API, server side: demo fleets and plain ComfyUI servers behind the same routes."""
