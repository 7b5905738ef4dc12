"""A terminal dashboard for ComfyUI fleets.

The map of the package. Everything that shows runners speaks the ComfyControl HTTP API, and everything that has
runners is made to speak it: `gateway` serves it for a simulated fleet, `api` is its client, `engine` polls through
that client and publishes immutable snapshots, `tui` draws them, `cli` reads the command line, `config` turns flags
and environment into settings, and `wiring` joins the rooms. `clock` is the only place that reads the time.
"""

__version__ = "0.1.0"
