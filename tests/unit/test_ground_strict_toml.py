"""TOML into a closed type: one sentence for each mistake, with file, key and remedy."""

from datetime import date
from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from twinpane_ground import mistakes, strict_toml


class Wrong(Exception):
    """What a caller wants to have raised."""


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class Cat(Strict):
    kind: Literal["cat"]
    lives: int = 9


class Dog(Strict):
    kind: Literal["dog"]
    tricks: tuple[str, ...] = ()


class Home(Strict):
    street: str
    since: date = date(2026, 1, 1)
    size: float = 1.0


class Zoo(Strict):
    name: Annotated[str, StringConstraints(max_length=10)]
    pet: Annotated[Cat | Dog, Field(discriminator="kind")] = Cat(kind="cat")
    homes: dict[Annotated[str, StringConstraints(pattern="^[a-z]+$")], Home] = {}
    visits: tuple[Home, ...] = ()
    home: Home | None = None

    @model_validator(mode="after")
    def _named(self) -> "Zoo":
        if self.name == "nobody":
            raise ValueError("Nobody is no name: choose another")
        return self


def parsed(text: str) -> Zoo:
    return strict_toml.parse(text, Zoo, "zoo.toml", Wrong)


def test_lists_texts_and_dates_become_what_the_type_says() -> None:
    """TOML has no tuples, and writes a date as a date or a text."""
    zoo = parsed('name = "a"\npet = {kind = "dog", tricks = ["sit"]}\nhomes.x = {street = "s", since = 2026-02-03}')
    assert zoo.pet == Dog(kind="dog", tricks=("sit",))
    assert zoo.homes["x"].since == date(2026, 2, 3)
    assert parsed('name = "a"\nhome = {street = "s", since = "2026-02-03"}').home == Home(street="s", since=date(2026, 2, 3))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name = [", "zoo.toml is not TOML: "),
        ("", "zoo.toml: `name` is missing. Write it: it is never guessed."),
        (
            'name = "a"\nnmae = 1',
            "zoo.toml: unknown key `nmae`; known are name, pet, homes, visits, home. Remove it or correct its spelling.",
        ),
        ("name = 1", "zoo.toml: `name`: input should be a valid string."),
        ('name = "longer than that"', "zoo.toml: `name`: string should have at most 10 characters."),
        ('name = "nobody"', "zoo.toml: Nobody is no name: choose another."),
        ('name = "a"\nhome = {}', "zoo.toml: `street` is missing in [home]. "),
        ('name = "a"\nhome = {street = "s", sice = 1}', "zoo.toml: unknown key `sice` in [home]; known are street, since, size. "),
        ('name = "a"\nhomes.x = {street = 1}', "zoo.toml: `street` in [homes.x]: input should be"),
        ('name = "a"\nhomes.x = {strete = "s"}', "zoo.toml: `street` is missing in [homes.x]. Write it: it is never guessed. (1 more)"),
        ('name = "a"\nhomes.x = {street = "s", y = 1}', "zoo.toml: unknown key `y` in [homes.x]; known are street, since, size. "),
        ('name = "a"\nhomes.X = {street = "s"}', "zoo.toml: `X` in [homes]: string should match pattern"),
        ('name = "a"\n[[visits]]\nstreet = "s"\nd = 1', "zoo.toml: unknown key `d` in [visits.0]; known are street, since, size. "),
        ('name = "a"\npet = {kind = "cat", live = 1}', "zoo.toml: unknown key `live` in [pet]; known are kind, lives. "),
        ('name = "a"\npet = {kind = "cow"}', "zoo.toml: `pet`: input tag 'cow'"),
        ('name = "a"\npet = {kind = "cat", lives = "9"}', "zoo.toml: `lives` in [pet]: input should be a valid integer."),
        ('name = "a"\nhome = {street = "s", size = inf}', "zoo.toml: Out of range float"),
        ('name = "a"\nhome = {street = "s", since = 12:00:00}', "zoo.toml: a value of type time has no place here."),
    ],
)
def test_each_mistake_is_one_sentence_with_file_key_and_remedy(text: str, said: str) -> None:
    """In the error that the caller asked for."""
    with pytest.raises(Wrong) as wrong:
        parsed(text)
    assert str(wrong.value).startswith(said)


def test_a_file_that_is_not_there_or_no_text_is_named(tmp_path: Path) -> None:
    """With what to do."""
    with pytest.raises(Wrong, match=r"zoo\.toml is missing\. Write it"):
        strict_toml.read(tmp_path / "zoo.toml", Zoo, Wrong)
    (tmp_path / "zoo.toml").write_bytes(b"\xff")
    with pytest.raises(Wrong, match=r"zoo\.toml cannot be read: "):
        strict_toml.read(tmp_path / "zoo.toml", Zoo, Wrong)


def test_raw_keys_can_be_prepared(tmp_path: Path) -> None:
    """What the file does not say but its place does."""
    (tmp_path / "zoo.toml").write_text("")
    assert strict_toml.read(tmp_path / "zoo.toml", Zoo, Wrong, lambda raw: {**raw, "name": "a"}).name == "a"


def test_a_mistake_repeats_nothing_of_what_was_refused() -> None:
    """Neither its text nor its place, unless the place is a name that the value gave itself."""
    with pytest.raises(ValueError, match="validation error") as refused:
        Home.model_validate({"street": "x", "since": "canary", "size": "canary"})
    mistake = mistakes.first(refused.value)  # type: ignore[arg-type]
    assert (mistake.where, mistake.more) == ("since", 1)
    assert str(mistake).endswith(" (at since)")
    assert "canary" not in str(mistake)
