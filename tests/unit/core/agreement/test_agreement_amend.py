from dataclasses import replace

import pytest

from foedus.core.agreement.amend import amend
from foedus.core.agreement.read import read
from foedus.core.base.errors import BadInput


def test_only_version_and_previous_change(text, agreement):
    expected = text.replace("version = 1\n", f'previous = "{agreement.digest}"\nversion = 2\n')
    assert amend(text.encode()).decode() == expected


def test_a_second_amendment_replaces_previous(text, agreement):
    second = amend(text.encode())
    third = read(amend(second))
    assert third == replace(agreement, version=3, previous=read(second).digest, digest=third.digest)
    assert amend(second).decode().count("previous") == 1


def test_a_file_that_cannot_be_edited_as_text_is_refused(text):
    odd = text.replace("version = 1\n", '"version" = 1\n').encode()
    read(odd)
    with pytest.raises(BadInput) as caught:
        amend(odd)
    assert [fault.path for fault in caught.value.faults] == ["version"]
