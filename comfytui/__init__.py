"""A terminal dashboard for ComfyUI fleets.

Everything that shows runners is a client of the ComfyControl HTTP API, and everything that has runners serves it. From
the roof to the ground, each importing only from those below it: `cli` (command line), `wiring` (composition root),
`tui` (dashboard), `render` (values to lines, JSON and CSV), `query` (filters and sort orders), `backends` (hosted API,
demo or ComfyUI servers), `engine` (polls and publishes snapshots), `gateway` (the API, server side), `api` (the API,
client side), `ratelimit` (shared request budget), `config` (settings), and the ground modules beside this one.
"""

__version__ = "0.1.0"
