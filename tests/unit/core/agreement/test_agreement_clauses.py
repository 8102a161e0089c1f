import pytest

from foedus.core.agreement.clauses import Statement, declared_id, statements


@pytest.mark.parametrize(
    ("policy", "name"),
    [
        ('@id("a") permit (principal, action, resource);', "a"),
        ('// @id("no")\n@text("x; @id(\\"no\\")")\n@id ( "b.c" )\nforbid(principal, action, resource);', "b.c"),
        ("permit (principal, action, resource);", None),
        ('permit (principal, action, resource) when { context.purpose == "@id(\\"x\\")" };', None),
        ('@id("a"', None),
        ("", None),
    ],
)
def test_the_id_is_read_from_the_head_only(policy, name):
    assert declared_id(policy) == name


def test_statements_end_at_semicolons_outside_strings_and_comments():
    source = '// one; two\n\n@id("a;b")\npermit (x); // tail;\nforbid (y) when { "//;" };\n// end\n'
    assert statements(source) == (
        Statement(line=3, text='@id("a;b")\npermit (x);'),
        Statement(line=5, text='forbid (y) when { "//;" };'),
    )


def test_an_unfinished_statement_is_one_too():
    assert statements("permit (x);\n forbid (y)") == (
        Statement(line=1, text="permit (x);"),
        Statement(line=2, text="forbid (y)"),
    )
