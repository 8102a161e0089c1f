from collections.abc import Iterator

import pytest
from alliance import Alliance, Signed, signed


@pytest.fixture(scope="session")
def agreed(tmp_path_factory: pytest.TempPathFactory) -> Signed:
    return signed(tmp_path_factory.mktemp("caspian"))


@pytest.fixture
def alliance(agreed: Signed) -> Iterator[Alliance]:
    made = Alliance(agreed)
    yield made
    made.store.close()
