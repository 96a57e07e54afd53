from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.bench.report import examples

if TYPE_CHECKING:
    from wsbench import document


@pytest.fixture(params=sorted(examples.EXAMPLES))
def example(request: pytest.FixtureRequest) -> document.Result:
    return examples.EXAMPLES[request.param]()
