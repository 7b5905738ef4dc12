"""Terminal control and input, and all uses of Textual's private names."""
