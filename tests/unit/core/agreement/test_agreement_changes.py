from foedus.core.agreement.changes import Change, compare
from foedus.core.agreement.read import read


def test_the_same_has_no_changes(agreement):
    assert compare(agreement, agreement) == ()


def test_order_in_the_file_is_no_change(agreement, text):
    head, clauses = text.split("[[clauses]]\n", 1)
    first, second = clauses.split("[[clauses]]\n")
    swapped = read(f"{head}[[clauses]]\n{second}\n[[clauses]]\n{first}".encode())
    assert swapped.clauses != agreement.clauses
    assert compare(agreement, swapped) == ()


def test_each_change_is_named_by_id(agreement, text):
    head, clauses = text.split("[[clauses]]\n", 1)
    new = read(
        (
            head.replace("gpu_hours = 100", "gpu_hours = 90")
            .replace("cpus_per_node = 8", "cpus_per_node = 12")
            .replace(', time_limit = "12:00:00"', "")
            .replace('he = "שתי ערים"', 'he = "ערים"')
            .replace("[[sectors]]", '[[sectors]]\nid = "air"\ntitle = { en = "Air" }\n[[sectors]]')
            + "[[clauses]]\n"
            + clauses.split("[[clauses]]\n")[0]
        ).encode()
    )
    assert compare(agreement, new) == (
        Change(path="title.he", before="שתי ערים", after="ערים"),
        Change(path="sites.fir.pledge", before="100 GPU-hours a month", after="90 GPU-hours a month"),
        Change(path="sites.fir.guests.time_limit", before="12:00:00", after=None),
        Change(path="sites.palm.pools.all.cpus_per_node", before="8", after="12"),
        Change(
            path="clauses.small",
            before="text.en Guests use at most 4 GPUs.; policy "
            '@id("small") forbid (principal, action, resource) when { context.guest && context.gpus > 4 };',
            after=None,
        ),
        Change(path="sectors.air", before=None, after="title.en Air"),
    )


def test_a_site_that_goes_is_one_change(agreement, text):
    start, end = text.index('[[sites]]\nid = "palm"'), text.index("[[sectors]]")
    changes = compare(agreement, read((text[:start] + text[end:]).encode()))
    assert [(change.path, change.after) for change in changes] == [("sites.palm", None)]
    assert changes[0].words.startswith("sites.palm: gone: title.en Palm; partner south; country AZ")
