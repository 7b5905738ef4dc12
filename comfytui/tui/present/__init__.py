"""Pure functions from what the API says to what a line shows."""
