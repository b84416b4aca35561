"""The product's colour: whatever it is, what is written with it can be read."""

from __future__ import annotations

import re

import pytest
from django.test import Client
from pytest_django import Settings

from portal import colours

COLOURS = ["#0f6466", "#ffdd00", "#aa0000", "#000000", "#ffffff", "#3355ff", "#00ff00", "#7f7f7f"]


def test_contrast_is_that_of_wcag() -> None:
    assert colours.contrast("#000000", "#ffffff") == pytest.approx(21)
    assert colours.contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.01)


@pytest.mark.parametrize("colour", COLOURS)
def test_every_colour_can_be_read(colour: str) -> None:
    light, dark = colours.light(colour), colours.dark(colour)

    pairs = [
        (light.accent, "#ffffff"),
        (light.accent, colours.LIGHT_GROUND),
        (light.accent, light.tint),
        (light.on_accent, light.accent),
        (light.on_accent, light.accent_strong),
        (dark.accent, colours.DARK_SURFACE),
        (dark.accent, dark.tint),
        (dark.on_accent, dark.accent),
        (dark.on_accent, dark.accent_strong),
    ]
    assert min(colours.contrast(*pair) for pair in pairs) >= colours.TEXT_CONTRAST


def test_theme_is_linked_and_may_be_kept_until_the_colour_changes(
    client: Client, settings: Settings, db: None
) -> None:
    addresses = []
    for colour in ("#0f6466", "#aa0000"):
        settings.PRODUCT_COLOUR = colour
        found = re.search(r'href="(/theme\.css\?\w+)"', client.get("/login/").content.decode())
        assert found
        addresses.append(found[1])

    theme = client.get(addresses[1])

    assert addresses[0] != addresses[1]
    assert "--accent: #aa0000;" in theme.content.decode()
    assert theme.headers["Content-Type"] == "text/css"
    assert "immutable" in theme.headers["Cache-Control"]


@pytest.mark.parametrize("colour", COLOURS)
def test_admin_has_the_same_colour_and_its_links_can_be_read(colour: str) -> None:
    shades = colours.shades(colour)

    assert shades["600"] == colours.light(colour).accent
    on_dark = colours.contrast(shades["500"], colours.ADMIN_DARK_GROUND)
    assert on_dark >= colours.TEXT_CONTRAST
    lights = [colours.luminance(shade) for shade in shades.values()]
    assert lights == sorted(lights, reverse=True)
    assert len(shades) == 11


def test_product_has_a_name_on_every_page(client: Client, settings: Settings, db: None) -> None:
    settings.PRODUCT_NAME = "Pass & gate"

    page = client.get("/login/").content.decode()

    assert "Pass &amp; gate</title>" in page
    assert "Latchkey" not in page
