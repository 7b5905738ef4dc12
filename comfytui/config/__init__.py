"""What a person chose and left behind: flags, environment, configuration and state, turned into settings."""
