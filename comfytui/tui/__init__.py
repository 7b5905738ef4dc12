"""The dashboard a person looks at."""
