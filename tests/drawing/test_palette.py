"""A colour has one role, and can be seen on its paper, light and dark."""

import pytest

from atft.drawing.palette import CARD, FILES, INK, LINE, MUTED, PAPER, ROLES, Colour, css_variables

MARKS = {name: colour for name, colour in ROLES.items() if colour not in (PAPER, CARD, LINE)}


def contrast(one: str, other: str) -> float:
    """Contrast ratio of two colours ``#rrggbb``, from 1 (equal) to 21 (black on white); WCAG 2.2, section 1.4.3."""
    high, low = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_contrast_is_that_of_the_standards_examples() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)
    assert contrast("#ffffff", "#ffffff") == 1


@pytest.mark.parametrize("name", MARKS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_mark_stands_out_from_its_paper(name: str, scheme: str) -> None:
    least = 4.5 if MARKS[name] in (INK, MUTED) else 2.95
    for paper in (PAPER, CARD):
        assert contrast(getattr(MARKS[name], scheme), getattr(paper, scheme)) >= least


def test_no_two_roles_share_a_colour_and_files_have_roles() -> None:
    for scheme in Colour._fields:
        assert len({getattr(colour, scheme) for colour in ROLES.values()}) == len(ROLES)
    assert set(FILES) <= set(ROLES)


def test_the_style_has_each_role_twice_and_the_dark_one_on_screens_only() -> None:
    light, dark = css_variables().split("@media screen and (prefers-color-scheme:dark)")
    for name, colour in ROLES.items():
        assert f"--{name}:{colour.light};" in light and f"--{name}:{colour.dark};" in dark
