"""Screens, each in a file with its stylesheet beside it."""
