"""`python -m comfytui` is `comfytui`."""

from comfytui.cli.main import enter

if __name__ == "__main__":
    enter()
