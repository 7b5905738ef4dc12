"""The one place with colours: what each role, frame and cursor looks like."""

from __future__ import annotations

from textual.theme import Theme

__all__ = ["DARK", "THEMES"]

DARK = Theme(
    name="comfytui-dark",
    primary="#5fa8d3",
    secondary="#8ecae6",
    accent="#ffb454",
    success="#7bd88f",
    warning="#ffd866",
    error="#ff7a85",
    foreground="#d7dce2",
    background="#0f1419",
    surface="#0f1419",
    panel="#1a212a",
    boost="#1a212a",
    dark=True,
    variables={
        "role-muted": "#7f8b99",
        "role-strong": "#f2f5f8",
        "role-accent": "#8ecae6",
        "role-good": "#7bd88f",
        "role-working": "#6fc3ff",
        "role-waiting": "#ffd866",
        "role-neutral": "#a9b2bd",
        "role-bad": "#ff7a85",
        "role-unknown": "#d6a0ff",
        "alert-foreground": "#1a1005",
        "alert-background": "#ffb454",
        "frame": "#36424f",
        "frame-focused": "#5fa8d3",
        "cursor-background": "#274056",
        "cursor-blurred-background": "#1c2732",
        "bar-background": "#1a212a",
    },
)

THEMES = (DARK,)
