"""Everything that touches the terminal, or private names of Textual."""
