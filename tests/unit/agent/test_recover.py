"""What a site tells a hub that was restored, message by message."""

from dataclasses import dataclass, field

from agent_context import context_of
from agent_rows import T0, make_order

from foedus.agent.hub import Hub
from foedus.agent.post import Letter
from foedus.agent.reconcile import ordered
from foedus.agent.recover import tell
from foedus.client.steps import Answer
from foedus.core.jobs.state import Outcome
from foedus.store.journal_rows import Run
from foedus.wire.agents import RecoveryAsk, RecoveryReply, RecoveryRequest

MIB = 1024 * 1024
HEBREW = "\N{HEBREW LETTER ALEF}"
"""A letter of two bytes."""


@dataclass
class Listener:
    """A carrier to a hub that takes everything and remembers it."""

    letters: list[Letter] = field(default_factory=list)

    def open(self):
        pass

    def hang_up(self, patience):
        pass

    def carry(self, letter):
        self.letters.append(letter)
        return Answer(status=200, headers={}, body=RecoveryReply(head=0, faults=[]).model_dump_json().encode())


def told(folder, rows):
    """Have a site with these attempts tell them; return its messages, and how many bytes each has."""
    listener = Listener()
    context = context_of(folder, Hub(listener, "jerusalem"))
    context.journal.add(rows, T0)
    tell(context, RecoveryAsk(since=T0, head=0))
    context.journal.close()
    bodies = [letter.body for letter in listener.letters]
    return [RecoveryRequest.model_validate_json(body) for body in bodies], [len(body) for body in bodies]


def ran(started):
    return Run(outcome=Outcome.REQUEUED, exit_code=0, signal=0, started=started, ended=T0, elapsed=0)


def jobs(messages):
    return [[held.order.job for held in message.attempts] for message in messages]


def test_an_attempt_is_had_since_its_order_came_or_since_it_began_if_that_was_earlier(tmp_path, row, at):
    waits, runs = row("1", since=at(5)), row("2", since=at(5), started=at(3))
    again = row("3", since=at(5), started=at(3), runs={0: ran(at(1)), 1: ran(None)})

    (message, last), _ = told(tmp_path, [waits, runs, again])

    assert [(held.order.job, held.since) for held in message.attempts] == [("1", at(5)), ("2", at(3)), ("3", at(1))]
    assert (message.last, last) == (False, RecoveryRequest(last=True))


def test_orders_are_told_in_messages_of_8_mib_at_most_each_whole_and_once(tmp_path):
    long = f"#!/bin/sh\n# {HEBREW * (3 * MIB // 2 // 2)}\n"  # one and a half MiB
    orders = [make_order(str(number), script=long) for number in range(1, 13)]

    messages, sizes = told(tmp_path, [ordered(order, T0) for order in orders])

    assert jobs(messages) == [["1", "10", "11", "12", "2"], ["3", "4", "5", "6", "7"], ["8", "9"], []]
    assert [held.order for message in messages for held in message.attempts] == sorted(orders, key=lambda one: one.job)
    assert [size <= 8 * MIB for size in sizes] == [True] * 4
    assert [message.last for message in messages] == [False, False, False, True]


def test_an_order_that_no_message_holds_with_others_is_told_alone(tmp_path):
    small, large = make_order("1"), make_order("2", script=f"#!/bin/sh\n# {chr(34) * (4 * MIB - 100)}\n")

    messages, sizes = told(tmp_path, [ordered(order, T0) for order in (small, large, make_order("3"))])

    assert jobs(messages) == [["1"], ["2"], ["3"], []]
    assert sizes[1] > 8 * MIB  # a quotation mark is written as two bytes
