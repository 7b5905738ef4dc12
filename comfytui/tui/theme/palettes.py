"""Colors of all themes, for terminals of 16.7 million, 256 and 16 colors."""

from __future__ import annotations

from typing import NamedTuple


class Palette(NamedTuple):
    """Colors and styles of a theme; roles are those of `comfytui.render.cells.Role`.

    Attributes:
        background: Background of the screen.
        bar: Background of header, footer, text boxes and dialogs.
        cursor: Background and style of the selected row.
        blurred: Background and style of the selected row while its table has no focus.
        selected: Background of the selected line in Textual's own lists, which reverse nothing.
        frames: Color of a pane's frame, and of the focused pane's.
        alert: Text and background of alerts.
        tints: Red, orange, yellow, green, cyan, blue and purple, for the names of profiles.
    """

    background: str
    bar: str
    foreground: str
    strong: str
    muted: str
    neutral: str
    accent: str
    good: str
    working: str
    waiting: str
    bad: str
    unknown: str
    changed: str
    alert: tuple[str, str]
    frames: tuple[str, str]
    cursor: tuple[str, str]
    blurred: tuple[str, str]
    selected: str
    tints: tuple[str, str, str, str, str, str, str]
    dark: bool = True


_PASTELS = ("#ff8f8f", "#ffb070", "#ffe07a", "#8fe08f", "#72dede", "#93bcff", "#d6a8ff")

TRUECOLOR = {
    "dark": Palette(
        background="#0f1419",
        bar="#1a212a",
        foreground="#d7dce2",
        strong="#f2f5f8",
        muted="#a3aeba",
        neutral="#a9b2bd",
        accent="#8ecae6",
        good="#7bd88f",
        working="#6fc3ff",
        waiting="#ffd866",
        bad="#ff8a94",
        unknown="#d6a0ff",
        changed="#ffb454",
        alert=("#1a1005", "#ffb454"),
        frames=("#36424f", "#5fa8d3"),
        cursor=("#274056", "bold"),
        blurred=("#1c2732", "none"),
        selected="#274056",
        tints=_PASTELS,
    ),
    "light": Palette(
        background="#fbfcfd",
        bar="#e9edf1",
        foreground="#24292f",
        strong="#0b0f14",
        muted="#4f5863",
        neutral="#424a53",
        accent="#0b4a8f",
        good="#0f5f28",
        working="#0a4fb0",
        waiting="#6f4600",
        bad="#a8101b",
        unknown="#6529ad",
        changed="#7a3300",
        alert=("#ffffff", "#9c3f00"),
        frames=("#b4bdc7", "#0969da"),
        cursor=("#c5dcf2", "bold"),
        blurred=("#e1e8ef", "none"),
        selected="#c5dcf2",
        tints=("#a8101b", "#783600", "#664f00", "#0f5f28", "#0a555d", "#0a4fb0", "#6529ad"),
        dark=False,
    ),
    "safe": Palette(
        background="#0b0e12",
        bar="#171c23",
        foreground="#d7dce2",
        strong="#ffffff",
        muted="#a2acb6",
        neutral="#c8ced6",
        accent="#c8ced6",
        good="#7cc8f2",
        working="#aa92ff",
        waiting="#f0e442",
        bad="#ff8552",
        unknown="#ffffff",
        changed="#f0e442",
        alert=("#0b0e12", "#f0e442"),
        frames=("#39434e", "#7cc8f2"),
        cursor=("#223140", "bold"),
        blurred=("#1a232d", "none"),
        selected="#223140",
        tints=_PASTELS,
    ),
    "contrast": Palette(
        background="#000000",
        bar="#1a1a1a",
        foreground="#ffffff",
        strong="#ffffff",
        muted="#d0d0d0",
        neutral="#e0e0e0",
        accent="#8fe3ff",
        good="#6dff8a",
        working="#8fd0ff",
        waiting="#ffe95c",
        bad="#ffa8a8",
        unknown="#e6c2ff",
        changed="#ffc266",
        alert=("#000000", "#ffe95c"),
        frames=("#b0b0b0", "#8fe3ff"),
        cursor=("#000000", "bold reverse"),
        blurred=("#000000", "bold underline"),
        selected="#0a4a8c",
        tints=("#ffa8a8", "#ffc08a", "#ffe95c", "#a0f0a0", "#8ff0f0", "#a9ccff", "#e6c2ff"),
    ),
}


def _for_256_colors(look: Palette, background: str, bar: str, cursor: str, blurred: str) -> Palette:
    """Return a palette with backgrounds for 256 colors: the nearest ones of its own would have another hue."""
    return look._replace(
        background=background, bar=bar, cursor=(cursor, "bold"), blurred=(blurred, "none"), selected=cursor
    )


COLORS_256 = {
    "dark": _for_256_colors(TRUECOLOR["dark"], "#121212", "#1c1c1c", "#303030", "#262626"),
    "light": _for_256_colors(TRUECOLOR["light"], "#ffffff", "#f0f0f0", "#d7d7ff", "#e8e8e8"),
    "safe": _for_256_colors(TRUECOLOR["safe"], "#080808", "#1c1c1c", "#303030", "#262626"),
    "contrast": TRUECOLOR["contrast"],
}

# Rich's values of the 16 ANSI colors; a terminal replaces them by its own.
_BLACK, _RED, _GREEN, _BROWN, _BLUE, _MAGENTA, _CYAN, _SILVER = (
    *("#000000", "#aa0000", "#00aa00", "#aa5500"),
    *("#0000aa", "#aa00aa", "#00aaaa", "#aaaaaa"),
)
_GREY, _LIGHT_RED, _LIGHT_GREEN, _YELLOW, _LIGHT_BLUE, _PINK, _LIGHT_CYAN, _WHITE = (
    *("#555555", "#ff5555", "#55ff55", "#ffff55"),
    *("#5555ff", "#ff55ff", "#55ffff", "#ffffff"),
)

_BRIGHT_TINTS = (_LIGHT_RED, _BROWN, _YELLOW, _LIGHT_GREEN, _LIGHT_CYAN, _LIGHT_BLUE, _PINK)

_SIXTEEN_DARK = {
    "background": _BLACK,
    "bar": _BLACK,
    "foreground": _SILVER,
    "strong": _WHITE,
    "muted": _SILVER,
    "neutral": _SILVER,
    "accent": _CYAN,
    "good": _LIGHT_GREEN,
    "working": _LIGHT_CYAN,
    "waiting": _YELLOW,
    "bad": _LIGHT_RED,
    "unknown": _PINK,
    "changed": _YELLOW,
}
_SIXTEEN_LIGHT = {
    "background": _WHITE,
    "bar": _WHITE,
    "foreground": _BLACK,
    "strong": _BLACK,
    "muted": _GREY,
    "neutral": _GREY,
    "accent": _BLUE,
    "good": _GREEN,
    "working": _BLUE,
    "waiting": _BROWN,
    "bad": _RED,
    "unknown": _MAGENTA,
    "changed": _MAGENTA,
}


def _build_ansi16(colors: dict[str, str], frames: tuple[str, str], **other: str) -> Palette:
    dark = colors["background"] == _BLACK
    return Palette(
        **{**colors, **other},
        alert=(_BLACK, _YELLOW) if dark else (_WHITE, _RED),
        frames=frames,
        cursor=(colors["background"], "bold reverse"),
        blurred=(colors["background"], "underline"),
        selected=_BLUE if dark else _SILVER,
        tints=_BRIGHT_TINTS if dark else (_RED, _BROWN, _GREY, _GREEN, _CYAN, _BLUE, _MAGENTA),
        dark=dark,
    )


ANSI16 = {
    "dark": _build_ansi16(_SIXTEEN_DARK, (_GREY, _LIGHT_CYAN)),
    "light": _build_ansi16(_SIXTEEN_LIGHT, (_SILVER, _BLUE)),
    "safe": _build_ansi16(
        _SIXTEEN_DARK, (_GREY, _LIGHT_CYAN), good=_LIGHT_CYAN, working=_PINK, bad=_LIGHT_RED, unknown=_WHITE
    ),
    "contrast": _build_ansi16(
        _SIXTEEN_DARK, (_SILVER, _LIGHT_CYAN), foreground=_WHITE, muted=_WHITE, neutral=_WHITE, accent=_LIGHT_CYAN
    ),
}
