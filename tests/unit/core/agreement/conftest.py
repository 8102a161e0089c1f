import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from foedus.core.agreement.model import Agreement
from foedus.core.agreement.read import read
from foedus.keys.ed25519 import PrivateKey

NORTH, SOUTH, HUB, OTHER = (PrivateKey(Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)) for seed in range(4))

TEXT = f"""\
# comments stay
id = "twins"
version = 1
starts = 2026-01-01
ends = 2026-12-31
hub_key = "{HUB.key}"

[title]
en = "Two towns"
he = "שתי ערים"

[[partners]]
id = "north"
key = "{NORTH.key}"
title = {{ en = "North" }}

[[partners]]
id = "south"
key = "{SOUTH.key}"
title = {{ en = "South" }}

[[sites]]
id = "fir"
partner = "north"
country = "IL"
title = {{ en = "Fir" }}
pledge = {{ gpu_hours = 100, period = "month" }}
guests = {{ pools = ["gpu"], preempted = true, time_limit = "12:00:00" }}

[[sites.pools]]
id = "gpu"
nodes = 2
cpus_per_node = 16
memory_per_node = "64G"
gpus_per_node = 4
gpu_model = "a100"

[[sites.pools]]
id = "cpu"
nodes = 4
cpus_per_node = 32
memory_per_node = "128G"

[[sites]]
id = "palm"
partner = "south"
country = "AZ"
title = {{ en = "Palm" }}
pledge = {{ gpu_hours = 50, period = "quarter" }}
guests = {{ pools = [], preempted = false }}

[[sites.pools]]
id = "all"
nodes = 1
cpus_per_node = 8
memory_per_node = "32G"
gpus_per_node = 2
gpu_model = "h100"

[[sectors]]
id = "water"
title = {{ en = "Water" }}

[[clauses]]
id = "open"
text = {{ en = "All may run." }}
policy = '@id("open") permit (principal, action, resource);'

[[clauses]]
id = "small"
text = {{ en = "Guests use at most 4 GPUs." }}
policy = '@id("small") forbid (principal, action, resource) when {{ context.guest && context.gpus > 4 }};'
"""


@pytest.fixture(scope="session")
def text() -> str:
    return TEXT


@pytest.fixture
def agreement() -> Agreement:
    return read(TEXT.encode())


@pytest.fixture
def north() -> PrivateKey:
    return NORTH


@pytest.fixture
def south() -> PrivateKey:
    return SOUTH


@pytest.fixture
def hub() -> PrivateKey:
    return HUB


@pytest.fixture
def stranger() -> PrivateKey:
    return OTHER
