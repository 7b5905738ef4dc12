"""The command line: parser, commands, and the only writer to the standard streams."""
