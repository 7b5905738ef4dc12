"""Plain ComfyUI servers as runners: what they say, put in the words of ComfyControl's API."""
