"""`python -m comfytui` is `comfytui`."""

from comfytui.cli.main import main

if __name__ == "__main__":
    raise SystemExit(main())
