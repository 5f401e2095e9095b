"""A colour has one role, and can be seen on its paper, light and dark."""

import pytest

from atft.palette import CARD, FILES, INK, LINE, MUTED, PAPER, ROLES, Colour, contrast, css_variables

MARKS = {name: colour for name, colour in ROLES.items() if colour not in (PAPER, CARD, LINE)}


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
