"""The checks of `comfytui doctor`, from the installation to the API."""
