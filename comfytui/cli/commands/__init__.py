"""Subcommands, a module each."""
