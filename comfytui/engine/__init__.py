"""Polls, folds answers into feeds, publishes snapshots. No Textual, no httpx."""
