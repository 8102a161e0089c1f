from foedus.core.base.checkup import Check, Finding, Grade, examine, fault, ok, warning
from foedus.core.base.errors import BadInput, Fault, NotFound


def told(*findings, error=None):
    def look():
        yield from findings
        if error is not None:
            raise error

    return look


def test_everything_is_looked_at_and_each_finding_has_its_check():
    found = examine(
        [
            Check(name="a", look=told(ok("fine"), warning("odd", "look"))),
            Check(name="b", look=told(fault("bad", "mend"))),
            Check(name="c", look=told(ok("fine")), needs=("a", "b")),
        ]
    )

    assert found == (
        Finding(check="a", grade=Grade.OK, text="fine"),
        Finding(check="a", grade=Grade.WARNING, text="odd", remedy="look"),
        Finding(check="b", grade=Grade.FAULT, text="bad", remedy="mend"),
        Finding(check="c", grade=Grade.OK, text="fine"),
    )


def test_a_look_that_cannot_be_made_leaves_out_those_that_need_it():
    faults = BadInput(Fault(path="x", fault="is odd", remedy="r"), Fault(path="y", fault="is even", remedy="s"))
    found = examine(
        [
            Check(name="a", look=told(ok("begun"), error=NotFound("no file", remedy="make it"))),
            Check(name="b", look=told(ok("never")), needs=("a",)),
            Check(name="c", look=told(ok("never")), needs=("b",)),
            Check(name="d", look=told(error=faults)),
            Check(name="e", look=told(error=PermissionError(13, "denied", "/f"))),
            Check(name="f", look=told(ok("fine"))),
        ]
    )

    assert [(one.check, one.grade.value, one.text, one.remedy) for one in found] == [
        ("a", "ok", "begun", ""),
        ("a", "fault", "no file", "make it"),
        ("b", "skipped", "not looked at: mend a first", ""),
        ("c", "skipped", "not looked at: mend b first", ""),
        ("d", "fault", "x: is odd", "r"),
        ("d", "fault", "y: is even", "s"),
        ("e", "fault", "[Errno 13] denied: '/f'", "see to the file and to the rights of this account"),
        ("f", "ok", "fine", ""),
    ]
