import pytest
from hypothesis import given
from hypothesis import strategies as st

from foedus.core.agreement.model import Clause
from foedus.core.base.errors import BadInput, TooLarge
from foedus.policy.local import LARGEST, read_local


def faults(source):
    with pytest.raises(BadInput) as caught:
        read_local(source.encode())
    return [f"{fault.path}: {fault.fault}" for fault in caught.value.faults]


def test_several_policies_with_their_sentences():
    first = '@id("open")\npermit (principal, action, resource);'
    second = '@id("no")\n@text("No.")\n@text_de("Nein.")\nforbid (principal, action, resource) when { context.guest };'
    assert read_local(f"// ours\n{first}\n{second}\n".encode()) == (
        Clause(id="open", text={"en": "open"}, policy=first),
        Clause(id="no", text={"en": "No.", "de": "Nein."}, policy=second),
    )


def test_every_fault_names_its_line():
    assert faults(
        '@id("a") permit (principal, action, resource);\n'
        "permit (principal, action, resource);\n"
        '@id("a") forbid (principal, action, resource);\n'
        '@id("B!") forbid (principal, action, resource);\n'
        '@id("c")\nforbid (principal, action, resource)\nwhen { resource.contry == "AZ" };\n'
        '@id("d") forbid (principal'
    ) == [
        "line 2: a policy without an @id",
        "line 3: @id('a') is there twice",
        "line 4: 'B!' is not a name",
        "line 5: attribute `contry` on entity type `Site` not found",
        "line 8: is not Cedar: unexpected end of input",
    ]


def test_an_empty_policy_is_refused():
    assert faults("// nothing\n") == ["policy: holds no policy"]


def test_other_bytes_are_refused():
    with pytest.raises(BadInput):
        read_local(b"\xff")
    with pytest.raises(TooLarge):
        read_local(b" " * (LARGEST + 1))


@given(st.text(alphabet='@idpermtfob(){};"\\/ \n,a=', max_size=80))
def test_any_text_is_policies_or_bad_input(source):
    clauses: tuple[Clause, ...] = ()
    try:
        clauses = read_local(source.encode())
    except BadInput:
        return
    assert clauses
