"""ComfyControl's HTTP API, server side, over whatever has the runners."""
