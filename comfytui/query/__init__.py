"""Filtering, sorting and derived views of runners and workflows. Pure, for screen and scripts."""
