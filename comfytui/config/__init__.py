"""Settings from flags, environment, configuration file and saved state."""
