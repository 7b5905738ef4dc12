"""What a person chose: flags and environment turned into settings."""
