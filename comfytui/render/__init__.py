"""Pure functions from values to lines of spans, table rows, JSON and CSV."""
