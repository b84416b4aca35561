"""The product's colour, and what is made of it: readable on light and dark, whatever it is.

Contrast and relative luminance as WCAG 2.2 defines them.  Colours are written ``#rrggbb``.
"""

from __future__ import annotations

import colorsys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Final

TEXT_CONTRAST: Final = 4.5
"""What text needs against its ground."""
DARK_CONTRAST: Final = 6.5
SOFT: Final = 0.55
"""What the accent of the dark scheme has, for it to be calm: contrast, and saturation at most."""
WHITE: Final = "#ffffff"
BLACK: Final = "#000000"
LIGHT_GROUND: Final = "#f4f6f6"
DARK_SURFACE: Final = "#182123"
"""The grounds of portal.css on which the colour has to be read."""
ADMIN_DARK_GROUND: Final = "#1e2939"
"""The lightest ground on which the dark admin writes links."""
LIGHT_SHADES: Final = {50: 0.95, 100: 0.89, 200: 0.78, 300: 0.58, 400: 0.3, 500: 0.0}
DARK_SHADES: Final = {600: 0.0, 700: 0.18, 800: 0.34, 900: 0.48, 950: 0.68}


@dataclass(frozen=True)
class Scheme:
    """The colours of one colour scheme; each is readable on what it is put on."""

    accent: str
    accent_strong: str
    on_accent: str
    tint: str


def luminance(colour: str) -> float:
    """Compute the relative luminance, 0 to 1."""

    def linear(value: int) -> float:
        share = value / 255
        return share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4

    red, green, blue = (linear(value) for value in _channels(colour))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """Compute the contrast of two colours, 1 to 21."""
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def mix(colour: str, other: str, share: float) -> str:
    """Mix a share (0 to 1) of another colour into one."""
    pairs = zip(_channels(colour), _channels(other), strict=True)
    return "#" + "".join(f"{round(one + (two - one) * share):02x}" for one, two in pairs)


@cache
def light(colour: str) -> Scheme:
    """Make the colours of the light scheme."""
    accent = _readable(colour, BLACK, lambda shade: (LIGHT_GROUND, mix(shade, WHITE, 0.88)))
    return Scheme(
        accent=accent,
        accent_strong=mix(accent, BLACK, 0.24),
        on_accent=WHITE,
        tint=mix(accent, WHITE, 0.88),
    )


@cache
def dark(colour: str) -> Scheme:
    """Make the colours of the dark scheme."""
    tint = mix(light(colour).accent, DARK_SURFACE, 0.7)
    accent = _lightened(colour, tint)
    return Scheme(
        accent=accent,
        accent_strong=mix(accent, WHITE, 0.3),
        on_accent=_readable(mix(accent, BLACK, 0.75), BLACK, lambda _shade: (accent,)),
        tint=tint,
    )


@cache
def style_sheet(colour: str) -> str:
    """Write the custom properties that portal.css takes its accents from."""
    return (
        f":root {{\n{_properties(light(colour))}}}\n\n"
        f"@media (prefers-color-scheme: dark) {{\n:root {{\n{_properties(dark(colour))}}}\n}}\n"
    )


def shades(colour: str) -> dict[str, str]:
    """Make the eleven shades that the admin wants of its primary colour.

    It writes links in 600 on light, and in 500 on dark.
    """
    on_light = light(colour).accent
    on_dark = _readable(on_light, WHITE, lambda _shade: (ADMIN_DARK_GROUND,))
    lighter = {str(name): mix(on_dark, WHITE, share) for name, share in LIGHT_SHADES.items()}
    return lighter | {str(name): mix(on_light, BLACK, share) for name, share in DARK_SHADES.items()}


def _readable(colour: str, towards: str, grounds: Callable[[str], tuple[str, ...]]) -> str:
    """Move a colour as little as needed until it can be read on each of its grounds."""
    for step in range(101):
        shade = mix(colour, towards, step / 100)
        if all(contrast(shade, ground) >= TEXT_CONTRAST for ground in grounds(shade)):
            return shade
    return towards


def _lightened(colour: str, ground: str) -> str:
    """Make a colour light and soft enough for a dark ground."""
    red, green, blue = (value / 255 for value in _channels(colour))
    hue, _lightness, saturation = colorsys.rgb_to_hls(red, green, blue)
    for lightness in range(50, 101):
        rgb = colorsys.hls_to_rgb(hue, lightness / 100, min(saturation, SOFT))
        shade = "#" + "".join(f"{round(value * 255):02x}" for value in rgb)
        if min(contrast(shade, ground), contrast(shade, DARK_SURFACE)) >= DARK_CONTRAST:
            return shade
    return WHITE


def _properties(scheme: Scheme) -> str:
    return (
        f"  --accent: {scheme.accent};\n"
        f"  --accent-strong: {scheme.accent_strong};\n"
        f"  --on-accent: {scheme.on_accent};\n"
        f"  --tint: {scheme.tint};\n"
    )


def _channels(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)
