"""Commands, keys and keymaps; without Textual but for bindings and type-ahead."""
