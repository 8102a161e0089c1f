"""The users: they submit and cancel over a line that loses calls and answers, and ask again with the same key."""

from dataclasses import dataclass, field

from foedus.client.steps import Answer
from foedus.hub.api.jobs import cancel_jobs, submit_jobs
from foedus.wire.jobs import CancelRequest, Submission, SubmitReply, SubmitRequest
from vopr.alliance import LONGEST_S, USERS, alliance
from vopr.cluster import CHECKPOINT
from vopr.faults import Fault, Plan
from vopr.hub import HubProcess
from vopr.network import Network
from vopr.world import Bell, Process, World

_PATIENCE_S = 10.0
_CHECKPOINT = f"#FOEDUS checkpoint={CHECKPOINT}"
_ENDS = (
    [],
    ["#SBATCH --no-requeue"],
    [_CHECKPOINT],
    [_CHECKPOINT, "trap '' TERM"],
    [_CHECKPOINT, "trap 'exit 0' TERM"],
    *[[_CHECKPOINT, "trap 'exit 3' TERM"]] * 5,
)
"""What jobs do when they are called home."""


@dataclass(slots=True)
class People:
    """All users, and what they were told."""

    world: World
    plan: Plan
    hub: HubProcess
    network: Network
    accepted: dict[str, str] = field(default_factory=dict)
    """The name of each submission that was answered -> its job or array."""
    asked: set[str] = field(default_factory=set)
    """Names of all submissions that were ever sent."""
    cancelled: set[str] = field(default_factory=set)
    """What users asked to end, whether or not they heard of it."""
    busy: int = 0
    """How many calls are not answered yet."""
    _own: dict[str, list[str]] = field(default_factory=dict)
    _crowd: Process = field(default_factory=lambda: Process("people"))

    def begin(self, submissions: int, within_s: float) -> None:
        """Let so many submissions come, some of them at the same moment."""
        chance = self.world.chance
        for number in range(submissions):
            at = chance.uniform(0, within_s)
            user = chance.choice(sorted(USERS))
            self.busy += 1
            self.world.after(at, lambda number=number, user=user: self._spawn(lambda: self._submit(number, user)))

    def _spawn(self, act) -> None:
        self.world.spawn(self._crowd, act)

    def _submit(self, number: int, user: str) -> None:
        name = f"job{number}"
        script = self._script(name, user)
        self.asked.add(name)
        request = SubmitRequest(jobs=[Submission(script=script)])
        caller = alliance().callers[user]
        answer = self._until_answered(
            user, lambda hub: _answer(submit_jobs(hub, caller, request, f"submit {name}")), f"submits {name}"
        )
        (view,) = SubmitReply.model_validate_json(answer.body).jobs
        self.accepted[name] = view.id
        self._own.setdefault(user, []).append(view.id)
        self.world.note(user, "was told", submission=name, job=view.id, state=view.state)
        self.busy -= 1

    def cancel(self, job: str) -> None:
        """Let a user cancel a job or an array."""
        self.busy += 1
        self._spawn(lambda: self._cancel(job))

    def _cancel(self, job: str) -> None:
        self.cancelled.add(job)
        caller, request = alliance().callers["olga"], CancelRequest(ids=[job])
        answer = self._until_answered(
            "olga", lambda hub: _answer(cancel_jobs(hub, caller, request, f"cancel {job}")), f"cancels {job}"
        )
        self.world.note("olga", "was told", cancel=answer.body.decode())
        self.busy -= 1

    def _until_answered(self, who: str, act, what: str) -> Answer:
        world, network = self.world, self.network
        while True:
            world.note(who, what)
            inbox: list[Answer] = []
            bell = Bell(world)

            def reply(answer: Answer | None, inbox=inbox, bell=bell) -> None:
                if answer is not None and not network.hits(Fault.REPLY_LOST, who):
                    inbox.append(answer)
                bell.set()

            if not network.hits(Fault.MESSAGE_LOST, who):
                world.after(network.lag(), lambda reply=reply: self.hub.call(act, reply))
            bell.wait(_PATIENCE_S)
            if inbox and inbox[0].status < 300:
                return inbox[0]
            if inbox and inbox[0].status != 503:
                raise AssertionError(f"{who} {what}: {inbox[0]}")
            world.sleep(world.chance.uniform(0.5, 5))

    def _script(self, name: str, user: str) -> str:
        chance = self.world.chance
        gpus = chance.choice((0, 1, 1, 2, 4))
        seconds = chance.choice((0, 3, 10, 30, 60, 90))
        lines = [
            "#!/bin/sh",
            f"#SBATCH --job-name={name}",
            f"#SBATCH --time=0:{LONGEST_S}",
            "#SBATCH --cpus-per-task=1",
        ]
        lines += [f"#SBATCH --gpus={gpus}"] if gpus else []
        ends = chance.choice(_ENDS)
        lines += [line for line in ends if line.startswith("#")]
        if chance.random() < 0.15:
            lines.append(f"#SBATCH --array=1-{chance.randint(2, 3)}" + chance.choice(("", "%1")))
        elif user in self._own and chance.random() < 0.3:
            other = chance.choice(self._own[user])
            lines.append(f"#SBATCH --dependency={chance.choice(('afterok', 'afterany'))}:{other}")
        lines += [f"#FOEDUS project={USERS[user][1]}", *(line for line in ends if not line.startswith("#"))]
        lines += [f"sleep {seconds}", f"exit {chance.choice((0, 0, 0, 3))}", ""]
        return "\n".join(lines)


def _answer(response) -> Answer:
    return Answer(status=response.status_code, headers={}, body=bytes(response.body))
