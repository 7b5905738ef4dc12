"""Plain ComfyUI servers as runners of ComfyControl's API."""
