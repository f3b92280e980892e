"""What the pages say is all there is, and their links lead somewhere, where they are read in the repository."""

import re
from pathlib import Path

import pytest
from test_pages import PAGES, mistakes_in, simple_commands

import adam_vs_gd as ag
from _ext import commands, gallery, keys, variables
from _ext.elsewhere import rewritten
from adam_vs_gd.problems import KNOWN, family_named
from adam_vs_gd.problems.function import family as function
from adam_vs_gd.problems.two_patch.reading import ABOUT
from adam_vs_gd.spec.keys import COMMON, of_refine

ROOT = Path(__file__).parent.parent
LINK = re.compile(r"\]\((?![a-z]+:)([^()\s]+)\)")
CODE = re.compile(r"^ *(```+|~~~+).*?^ *\1|`[^`\n]+`", re.MULTILINE | re.DOTALL)
NAMED = re.compile(r"\[`([^`]+)`\]\{#([\w-]+)\}")
ADAM = {"optimizers": {"adam": {}}}
DECLARED = [name for name in KNOWN if family_named(name).sections]


def named_in(text):
    """{anchor: name} of everything on a page that can be linked to."""
    found = NAMED.findall(text)
    assert len({anchor for _, anchor in found}) == len(found), "two things of one anchor"
    return {anchor: name for name, anchor in found}


def slugs(text):
    """The fragments of a page's headings, as GitHub makes them."""
    found = []
    for heading in re.findall(
        r"^#{1,6} +(.+?) *#*$", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S), re.MULTILINE
    ):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)|`|\*", r"\1", heading)
        slug = re.sub(r"[^\w\- ]", "", words.lower()).replace(" ", "-")
        found.append(f"{slug}-{found.count(slug)}" if slug in found else slug)
    return found


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere_in_the_repository(page):
    for target in LINK.findall(CODE.sub("", PAGES[page])):
        path, _, fragment = target.partition("#")
        there = ROOT / page if not path else (ROOT / page).parent / path
        assert there.exists(), target
        if fragment and there.suffix == ".md":
            assert fragment in slugs(there.read_text(encoding="utf-8")), target


def test_every_key_of_a_spec_is_in_the_reference():
    found = named_in(keys.markdown())
    for family in map(family_named, DECLARED):
        for table, section in family.sections.items():
            for key in (*section.numbers, *section.choices):
                assert found["-".join(filter(None, (family.name, table, key)))] == key
        for key in (*family.variants.kinds, *family.variants.numbers):
            assert found[f"{family.variants.section}-{key}"] == key
    assert {*COMMON} <= {*found.values()}
    assert {*of_refine()} == {name for anchor, name in found.items() if anchor.startswith("refine-")}
    assert {*ABOUT} == {name for anchor, name in found.items() if anchor.startswith("own-")}
    assert {*function.KEYS} == {name for anchor, name in found.items() if anchor.startswith("problem-")}
    tables = {f"[{name}]" for name in function.TABLES}
    assert tables <= {*found.values()}


def test_the_reference_has_defaults_ranges_and_where_a_key_applies():
    lines = {line.split("`")[1]: line for line in keys.markdown().splitlines() if line.startswith("| [`")}
    assert "`0.5`" in lines["balance"]
    assert "> 0 and < 1" in lines["balance"]
    assert '`sampler` `"features"`, `"mixture"`, `"separable"`' in lines["balance"]
    assert '`activation` `"smoothed_relu"`, `"huber"`' in lines["knee"]
    assert 'all: 1,620 of `"textures"`' in next(
        line for line in keys.markdown().splitlines() if line.startswith("| [`n`]{#images-data-n}")
    )


def test_a_spec_takes_every_key_of_the_reference_where_it_says_so():
    spec = ag.SweepSpec(
        data={"sampler": "separable", "margin": 0.2}, model={"activation": "huber", "knee": 2.0}, **ADAM
    )
    assert spec.data["margin"] == 0.2
    with pytest.raises(ag.SpecError, match=r"data\.margin"):
        ag.SweepSpec(data={"sampler": "mixture", "margin": 0.2}, **ADAM)
    (line,) = (line for line in keys.markdown().splitlines() if line.startswith("| [`margin`]"))
    assert "mixture" not in line


def test_every_variable_and_status_is_in_the_reference():
    found = named_in(variables.markdown())
    assert {*variables.FAMILIES} == {name for name in KNOWN if family_named(name).variables(None)}
    for family in map(family_named, variables.FAMILIES):
        for name in family.variables(None):
            assert found[f"{family.name}-{name}"] == name
    for name in KNOWN:
        assert {outcome.name for outcome in family_named(name).statuses} <= {*found.values()}
    for family in map(family_named, variables.FAMILIES):
        results = variables.nothing_computed(family)
        assert {str(name) for name in results.coords} <= {*found.values()}
        assert {str(name).removesuffix("_path") for name in results.data_vars} <= {*found.values(), "status"}


def test_every_command_and_option_is_in_the_reference():
    text = commands.markdown()
    found = named_in(text)
    for name, command in commands.subcommands(commands.parser()).items():
        assert f"## `{name}`" in text
        for action in command._actions[1:]:
            for option in action.option_strings or [str(action.metavar or action.dest)]:
                anchor = re.sub(r"[^\w-]", "-", f"{name}.{option.lstrip('-')}")
                assert found[anchor].split()[0] == option
            assert all(f"`{choice}`" in text for choice in action.choices or ())


def test_every_public_name_is_in_the_reference():
    text = PAGES["docs/reference/api.md"]
    shown = set(re.findall(r"^\.\. auto\w+:: (?:adam_vs_gd\.)?(\w+)$", text, re.MULTILINE))
    assert {*ag.__all__} <= shown
    assert {*ag.plot.__all__} <= shown


def pictures():
    """Every picture of the gallery."""
    return [picture for section in gallery.sections() for picture in section["picture"]]


def test_the_gallery_has_every_picture_that_is_shipped():
    shipped = [*ROOT.glob("docs/*.png"), *ROOT.glob("results/*/*.png")]
    assert sorted(picture["file"] for picture in pictures()) == sorted(p.relative_to(ROOT).as_posix() for p in shipped)


@pytest.mark.parametrize("picture", pictures(), ids=lambda picture: picture["file"])
def test_a_picture_has_commands_that_make_it(picture):
    typed = [command for line in picture["commands"] for command in simple_commands(line)]
    assert typed
    assert not [mistake for command in typed for mistake in mistakes_in(command)]
    path, _, fragment = picture["see"].partition("#")
    assert (ROOT / path).exists()
    assert not fragment or fragment in slugs((ROOT / path).read_text(encoding="utf-8"))


def test_links_of_a_page_in_the_site():
    """A page of the repository has a copy; a file the repository's address or a copy; a folder an address or none."""
    text = "[a](../results/README.md#the-theory) [b](../sweeps) [c](../setup.py) ![d](zoom.png) [e](rest.md) `[f](g)`"
    copies = "[a](repository/results/README.md#the-theory) sweeps [c](../setup.py) ![d](zoom.png) [e](rest.md) `[f](g)`"
    assert rewritten(text, "page.md", "") == copies.replace("sweeps", "b")
    linked = rewritten(text, "page.md", "https://example.org/r")
    assert "[b](https://example.org/r/blob/HEAD/sweeps) [c](https://example.org/r/blob/HEAD/setup.py)" in linked
    back = rewritten("[r](../docs/rest.md) ![p](quickstart/p.png)", "repository/results/README.md", "")
    assert back == "[r](../../rest.md) ![p](../../../results/quickstart/p.png)"
