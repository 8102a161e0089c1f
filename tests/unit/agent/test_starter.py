from pathlib import Path

from agent_context import LATER, context_of
from agent_rows import T0, make_order

from foedus.agent.accounts import Account
from foedus.agent.reconcile import ordered
from foedus.agent.starter import Policy, Starter
from foedus.store.journal_rows import Step


def handed_over(context, rows):
    starter = Starter(context=context, policy=Policy(Path("/nowhere")), refresh=lambda version: None)
    starter._hand_over([(row, Account(name="dana", uid=1, gid=1)) for row in rows])
    found = context.journal.open_rows()
    context.journal.close()
    return found


def test_what_was_put_in_doubt_while_it_was_prepared_is_not_handed_over(tmp_path):
    context = context_of(tmp_path)
    rows = [ordered(make_order(job), T0) for job in ("7", "8")]
    context.journal.add(rows[:1], T0)
    context.doubt()
    context.journal.add(rows[1:], T0)

    found = handed_over(context, rows)

    assert [launch.marker.job for launch in context.driver.launches] == ["8"]
    assert [(row.order.job, row.step, row.adopted) for row in found] == [
        ("7", Step.HANDING, True),
        ("8", Step.HANDED, False),
    ]


def test_the_moment_by_which_the_accounting_is_searched_is_the_machines_own(tmp_path):
    context = context_of(tmp_path)
    rows = [ordered(make_order(), LATER)]
    context.journal.add(rows, LATER)

    assert [row.since for row in handed_over(context, rows)] == [T0]
