"""Entry point of `python -m comfytui`."""

from comfytui.cli.main import entry_point

if __name__ == "__main__":
    entry_point()
