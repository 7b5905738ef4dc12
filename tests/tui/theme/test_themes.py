"""The themes: readable everywhere, distinguishable by every eye, and visible with few colours or none."""

from __future__ import annotations

import math
from functools import cache
from itertools import combinations
from typing import TYPE_CHECKING, TypeAlias

import pytest
from rich._palettes import STANDARD_PALETTE
from rich.color import Color, ColorSystem
from rich.style import Style
from textual.app import App, ComposeResult
from textual.color import Color as TextualColor
from textual.widgets import Button, Input, OptionList

from comfytui.config.settings import ACCENT_COLORS
from comfytui.render.cells import Role, Span
from comfytui.tui.terminal.capabilities import ColorDepth
from comfytui.tui.terminal.filters import line_filters
from comfytui.tui.theme.themes import CURSOR, CURSOR_BLURRED, NAMES, build_theme, build_themes
from comfytui.tui.widgets.line_widget import StatusBar

if TYPE_CHECKING:
    from textual.strip import Strip
    from textual.theme import Theme

Linear: TypeAlias = tuple[float, float, float]

SYSTEMS = {
    ColorDepth.TRUECOLOR: ColorSystem.TRUECOLOR,
    ColorDepth.COLORS_256: ColorSystem.EIGHT_BIT,
    ColorDepth.COLORS_16: ColorSystem.STANDARD,
}
FEW = (ColorDepth.COLORS_16, ColorDepth.NONE)

TEXTS = ("foreground", *(f"role-{role}" for role in Role if not role.startswith(("plain", "alert", "tint"))))
TINTS = tuple(f"tint-{colour}" for colour in ACCENT_COLORS)
BEHIND = ("background", "bar-background", "cursor-background", "cursor-blurred-background")

# Machado, Oliveira and Fernandes: A Physiologically-based Model for Simulation of Color Vision Deficiency, IEEE
# Transactions on Visualization and Computer Graphics 15(6), 2009; the matrices of severity 1.0, for linear RGB.
EYES = {
    "usual": ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)),
    "protanopia": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "deuteranopia": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881)),
    "tritanopia": ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.303900)),
}


def shown(colour: str, colours: ColorDepth) -> Linear:
    """The colour as such a terminal shows it, in linear RGB."""
    kept = colours is not ColorDepth.COLORS_256
    triplet = (Color.parse(colour) if kept else Color.parse(colour).downgrade(ColorSystem.EIGHT_BIT)).get_truecolor()
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in triplet.normalized
    )
    return (red, green, blue)


def luminance(colour: Linear) -> float:
    """Relative luminance (WCAG 2.2)."""
    return 0.2126 * colour[0] + 0.7152 * colour[1] + 0.0722 * colour[2]


def contrast(one: Linear, other: Linear) -> float:
    """The contrast ratio (WCAG 2.2)."""
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def seen(colour: Linear, eye: str) -> Linear:
    """The colour as these eyes see it."""
    first, second, third = (
        min(1.0, max(0.0, sum(a * b for a, b in zip(row, colour, strict=True)))) for row in EYES[eye]
    )
    return (first, second, third)


def lab(colour: Linear) -> tuple[float, float, float]:
    """CIELAB, D65."""
    red, green, blue = colour
    tristimulus = (
        (0.4124 * red + 0.3576 * green + 0.1805 * blue) / 0.9505,
        luminance(colour),
        (0.0193 * red + 0.1192 * green + 0.9505 * blue) / 1.0890,
    )
    x, y, z = (math.cbrt(each) if each > 0.008856 else 7.787 * each + 16 / 116 for each in tristimulus)
    return (116 * y - 16, 500 * (x - y), 200 * (y - z))


@cache
def variables(name: str, colours: ColorDepth) -> dict[str, str]:
    """Everything that stylesheets may name in this theme."""
    theme = build_theme(name, colours)
    return {**theme.to_color_system().generate(), **theme.variables}


def test_every_theme_exists_for_every_color_depth() -> None:
    assert NAMES == ("dark", "light", "safe", "contrast")
    for colours in ColorDepth:
        assert tuple(theme.name for theme in build_themes(colours)) == NAMES
    assert build_theme("no such", ColorDepth.TRUECOLOR) == build_theme("dark", ColorDepth.TRUECOLOR)
    assert [theme.dark for theme in build_themes(ColorDepth.TRUECOLOR)] == [True, False, True, True]


@pytest.mark.parametrize("name", NAMES)
def test_all_variants_have_the_same_variables_and_every_role(name: str) -> None:
    (first, *others) = (set(build_theme(name, colours).variables) for colours in ColorDepth)
    assert all(other == first for other in others)
    assert {f"role-{role}" for role in Role if not role.startswith(("plain", "alert", "tint"))} <= first
    assert set(TINTS) <= first


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("colours", "wanted"), [(ColorDepth.TRUECOLOR, {"contrast": 7.0}), (ColorDepth.COLORS_256, {"contrast": 7.0})]
)
def test_texts_are_readable_wherever_they_stand(name: str, colours: ColorDepth, wanted: dict[str, float]) -> None:
    # The nearest of 256 colours is somewhat off.
    least = wanted.get(name, 4.5 if colours is ColorDepth.TRUECOLOR else 4.0)
    look = variables(name, colours)
    ratios = {
        (text, behind): contrast(shown(look[text], colours), shown(look[behind], colours))
        for text in (*TEXTS, *TINTS)
        for behind in BEHIND
    }
    for pair in ("alert", "block-cursor", "block-cursor-blurred"):
        text, behind = look[f"{pair}-foreground"], look[f"{pair}-background"]
        ratios[pair, pair] = contrast(shown(text, colours), shown(behind, colours))
    assert {pair: ratio for pair, ratio in ratios.items() if ratio < least} == {}


@pytest.mark.parametrize("colours", [ColorDepth.TRUECOLOR, ColorDepth.COLORS_256, ColorDepth.COLORS_16])
def test_the_safe_theme_is_safe_for_every_eye(colours: ColorDepth) -> None:
    look = variables("safe", colours)
    statuses = {role: shown(look[f"role-{role}"], colours) for role in ("good", "bad", "working", "waiting")}
    distances = {
        (eye, one, other): math.dist(lab(seen(statuses[one], eye)), lab(seen(statuses[other], eye)))
        for eye in EYES
        for one, other in combinations(statuses, 2)
    }
    # A difference of 2.3 is just noticeable (Mahy et al., 1994).
    assert {what: distance for what, distance in distances.items() if distance < 20} == {}


def test_the_usual_theme_would_not_be_safe() -> None:
    look = variables("dark", ColorDepth.TRUECOLOR)
    good, bad = (
        lab(seen(shown(look[f"role-{role}"], ColorDepth.TRUECOLOR), "deuteranopia")) for role in ("good", "bad")
    )
    assert math.dist(good, bad) < 20


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("colours", FEW)
def test_16_color_theme_uses_ansi_colors(name: str, colours: ColorDepth) -> None:
    look = variables(name, colours)
    for text in (*TEXTS, *TINTS, "frame", "frame-focused"):
        for behind in BEHIND:
            assert number_of(look[text]) != number_of(look[behind]), (text, behind)
    assert number_of(look["alert-foreground"]) != number_of(look["alert-background"])
    ours = [value for value in build_theme(name, colours).variables.values() if value.startswith("#")]
    assert all(STANDARD_PALETTE[number_of(value)].hex == value for value in ours)


def number_of(colour: str) -> int:
    """Which of the sixteen it becomes."""
    number = Color.parse(colour).downgrade(ColorSystem.STANDARD).number
    assert number is not None
    return number


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("colours", FEW)
def test_with_few_colours_the_cursor_is_reversed(name: str, colours: ColorDepth) -> None:
    look = variables(name, colours)
    for variable in ("cursor", "input-cursor"):
        assert "reverse" in look[f"{variable}-text-style"]
    assert look["cursor-blurred-text-style"] not in {"none", look["cursor-text-style"]}
    assert ("reverse" in look["alert-text-style"]) == (colours is ColorDepth.NONE)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("colours", [ColorDepth.TRUECOLOR, ColorDepth.COLORS_256])
def test_with_many_colours_the_cursor_differs_from_what_is_around_it(name: str, colours: ColorDepth) -> None:
    look = variables(name, colours)
    cursor, blurred, plain = (
        (Color.parse(look[behind]).downgrade(SYSTEMS[colours]).number, look[behind], style)
        for behind, style in (
            ("cursor-background", look["cursor-text-style"]),
            ("cursor-blurred-background", look["cursor-blurred-text-style"]),
            ("background", "none"),
        )
    )
    assert len({cursor, blurred, plain}) == 3


class Gallery(StatusBar):
    """Every role, plain and under both cursors."""

    DEFAULT_CSS = "Gallery { height: 3; background: $background; }"

    def draw(self, width: int, height: int) -> list[Strip]:
        pieces = tuple(Span("x", role) for role in Role)
        return [self.strip(pieces, width, below) for below in ("", CURSOR, CURSOR_BLURRED)]


class GalleryApp(App[None]):
    """Our own widget and those of Textual that are used, in one theme."""

    def __init__(self, theme: Theme, colours: ColorDepth) -> None:
        super().__init__()
        self._colours = colours
        self.register_theme(theme)
        self.theme = theme.name

    def compose(self) -> ComposeResult:
        yield Gallery()
        yield Input("text", placeholder="empty", compact=True)
        yield Button("go", compact=True)
        yield OptionList("one", "two", compact=True)

    def shown(self) -> list[Strip]:
        filters = (*line_filters(self._colours, only_ascii=False), *self.get_line_filters())
        strips = self.screen._compositor.render_strips()
        for each in filters:
            strips = [strip.apply_filter(each, TextualColor(0, 0, 0)) for strip in strips]
        return strips


def styles(strip: Strip) -> list[Style]:
    return [style or Style() for text, style, _ in strip for _ in text]


def hidden(strip: Strip, colours: ColorDepth) -> list[str]:
    """The characters that are drawn in the colour behind them."""
    system = SYSTEMS.get(colours, ColorSystem.STANDARD)
    pairs = [
        (text, style.color.downgrade(system), style.bgcolor.downgrade(system))
        for text, style, _ in strip
        if style and style.color and style.bgcolor
    ]
    return [text for text, ink, paper in pairs if text.strip() and ink[1:] == paper[1:]]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("colours", ColorDepth)
async def test_every_widget_can_be_seen(name: str, colours: ColorDepth) -> None:
    app = GalleryApp(build_theme(name, colours), colours)
    async with app.run_test(size=(40, 12)) as pilot:
        app.query_one(Input).cursor_blink = False
        await pilot.pause()
        strips = app.shown()
        assert [(row, char) for row, strip in enumerate(strips) for char in hidden(strip, colours)] == []
        plain, cursor, blurred = (styles(strip)[: len(Role)] for strip in strips[:3])
        plain_at = [*Role].index(Role.PLAIN)
        assert len({plain[plain_at], cursor[plain_at], blurred[plain_at]}) == 3
        alert_at = [*Role].index(Role.ALERT)
        assert plain[alert_at] != plain[plain_at]
        field, button, highlighted, other = (styles(strip) for strip in strips[3:7])
        assert field[4] != field[3]
        assert highlighted[0] != other[0]
        app.query_one(Button).focus()
        await pilot.pause()
        assert styles(app.shown()[4]) != button
        if colours is ColorDepth.NONE:
            assert all(each.color is each.bgcolor is None for strip in strips for each in styles(strip))
