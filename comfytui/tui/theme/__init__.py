"""Themes: the only place with colors."""
