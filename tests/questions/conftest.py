"""The two hospitals, made once for all tests of questions."""

import pytest

from questions.hospitals import Hospital, generated, gibleed


@pytest.fixture(scope="session")
def generated_hospital(tmp_path_factory: pytest.TempPathFactory) -> Hospital:
    return generated(tmp_path_factory.mktemp("generated"))


@pytest.fixture(scope="session")
def gibleed_hospital(tmp_path_factory: pytest.TempPathFactory) -> Hospital:
    return gibleed(tmp_path_factory.mktemp("gibleed"))
