"""The baselines once more, written as plainly as can be, over lists: what the kernels are held to."""

from dataclasses import dataclass, field
from math import inf


@dataclass(slots=True, kw_only=True, eq=False)
class Job:
    """A job of the plain baselines."""

    home: int
    submit: int
    run: int
    limit: int
    staging: int
    width: int
    bound: bool
    host: int | None = None
    start: int | None = None
    ended: bool = False

    def may_run(self, world, site):
        return self.width <= world.units[site] and (site == self.home or not self.bound)

    def length(self, site):
        return self.limit + (self.staging if site != self.home else 0)

    def latest(self):
        """When it ends at the latest."""
        return self.start + self.length(self.host)

    def end(self):
        return self.latest() - self.limit + self.run


@dataclass(slots=True)
class World:
    """All sites; `queues` has for each who waits there, in the order of submission."""

    units: list[int]
    jobs: list[Job]
    size: list[int]
    """Units in service."""
    changes: list[list[tuple[int, int]]]
    """Of the size, that are to come: when, and units more or fewer."""
    queues: list[list[Job]] = field(default_factory=list)

    def running(self, site):
        return [job for job in self.jobs if job.host == site and not job.ended]

    def free(self, site):
        return self.size[site] - sum(job.width for job in self.running(site))

    def everywhere(self):
        """What runs at all sites."""
        return [job for site in range(len(self.units)) for job in self.running(site)]

    def next(self, coming):
        """When something happens next; nothing if it was all."""
        changes = [change[0][0] for change in self.changes if change]
        ends = [job.end() for job in self.everywhere()]
        return min(changes + ends + [job.submit for job in coming[:1]], default=None)

    def resize(self, site, now):
        """Let the size of a site change; say whether it does now."""
        if not self.changes[site] or self.changes[site][0][0] > now:
            return False
        self.size[site] += self.changes[site].pop(0)[1]
        return True

    def start(self, job, site, now):
        job.host, job.start = site, now
        for queue in self.queues:
            if job in queue:
                queue.remove(job)

    def reservation(self, site, head):
        """When the head can start at the latest, and what may run beyond that."""
        for when in sorted({job.latest() for job in self.running(site)}):
            free = self.free(site) + sum(job.width for job in self.running(site) if job.latest() <= when)
            if free >= head.width:
                return when, free - head.width
        return inf, 0

    def leaves_alone(self, job, site, head, now):
        """Whether a job fits and leaves the reservation of the head alone."""
        if job.width > self.free(site):
            return False
        if head is None:
            return True
        when, spare = self.reservation(site, head)
        return job.width <= spare or now + job.length(site) <= when


def world(alliance, terms):
    bound = terms.draw(sum(alliance.counts)).bound.tolist()
    jobs = []
    for place, site in enumerate(alliance.sites):
        rows = (site.submit.tolist(), site.run.tolist(), site.limit.tolist(), site.width.tolist())
        for submit, run, limit, width in zip(*rows, strict=True):
            jobs.append(
                Job(
                    home=place,
                    submit=submit,
                    run=run,
                    limit=limit,
                    staging=terms.staging,
                    width=width,
                    bound=bound[len(jobs)],
                )
            )
    units = [site.capacity for site in alliance.sites]
    return World(units, jobs, list(units), [site.changes for site in alliance.sites], [[] for _ in units])


def play(alliance, terms, arrive, look):
    """Let everything happen: each change and end, then each arrival; return the ends in the order of the alliance."""
    here = world(alliance, terms)
    by_submission = sorted(here.jobs, key=lambda job: job.submit)
    coming = list(by_submission)
    while (now := here.next(coming)) is not None:
        for site in range(len(here.units)):
            while here.resize(site, now):
                look(here, now)
            while over := [job for job in by_submission if job in here.running(site) and job.end() == now]:
                over[0].ended = True
                look(here, now)
        while coming and coming[0].submit == now:
            arrive(here, coming.pop(0), now)
    return [job.end() for job in here.jobs]


def easy(here, now):
    """Start by EASY what fits anywhere, until nothing does."""
    started = True
    while started:
        started = False
        for site, queue in enumerate(here.queues):
            while queue and queue[0].width <= here.free(site):
                here.start(queue[0], site, now)
                started = True
            for job in queue[1:]:
                if here.leaves_alone(job, site, queue[0], now):
                    here.start(job, site, now)
                    started = True


def _sites(here, job):
    """Where a job may run, its home first."""
    order = sorted(range(len(here.units)), key=lambda site: (site != job.home, site))
    return [site for site in order if job.may_run(here, site)]


def _start_at_once(here, job, now):
    for site in _sites(here, job):
        if here.leaves_alone(job, site, here.queues[site][0] if here.queues[site] else None, now):
            here.start(job, site, now)
            return True
    return False


def siblings(alliance, terms):
    def arrive(here, job, now):
        if not _start_at_once(here, job, now):
            for site in _sites(here, job):
                here.queues[site].append(job)

    return play(alliance, terms, arrive, easy)


def earliest(units, promised, now, width, span):
    """When so many units are free for so long, beside what is promised: [(begin, end, width)]."""
    for when in sorted({now, *(end for _, end, _ in promised if end > now)}):
        instants = [when, *(begin for begin, _, _ in promised if when < begin < when + span)]
        if all(
            width <= units - sum(used for begin, end, used in promised if begin <= instant < end)
            for instant in instants
        ):
            return when
    return inf


def naive(alliance, terms):
    def promise(here, job, site, now):
        promised = [(now, other.latest(), other.width) for other in here.running(site)]
        for other in [*here.queues[site], job]:
            when = earliest(here.size[site], promised, now, other.width, other.length(site))
            promised.append((when, when + other.length(site), other.width))
        return when

    def arrive(here, job, now):
        if not _start_at_once(here, job, now):
            best = min(_sites(here, job), key=lambda site: promise(here, job, site, now))
            here.queues[best].append(job)

    return play(alliance, terms, arrive, easy)


def drf(alliance, terms):
    def look(here, now):
        while sum(_hand_out_at(here, site, now) for site in range(len(here.units))):
            pass

    def arrive(here, job, now):
        here.queues[0].append(job)
        look(here, now)

    return play(alliance, terms, arrive, look)


def _hand_out_at(here, site, now):
    """Start what can start at one site; return how many that were."""
    head, started = None, 0
    while True:
        waiting = [job for job in here.queues[0] if job.may_run(here, site)]
        if head is None and waiting:
            job = _turn(here, waiting)
            if job.width > here.free(site):
                head = job
        if head is not None:
            waiting = [job for job in waiting if here.leaves_alone(job, site, head, now)]
        if not waiting:
            return started
        here.start(_turn(here, waiting), site, now)
        started += 1


def _turn(here, jobs):
    """Whose turn it is: the oldest job of the partner who holds least."""
    running = here.everywhere()
    used = [sum(job.width for job in running if job.home == home) for home in range(len(here.units))]
    return min(jobs, key=lambda job: (used[job.home], jobs.index(job)))


class Late:
    """Late binding."""

    def __init__(self, here):
        self.here = here
        self.sites = range(len(here.units))
        self.waiting = []
        here.queues = [self.waiting]
        self.heads = [None for _ in self.sites]
        self.dirty = set()

    def step(self, coming):
        """Do what happens next; return who is still to come, or nothing if that was all."""
        now = self.here.next(coming)
        if now is None:
            return None
        self.dirty |= {site for site in self.sites if self.here.resize(site, now)}
        for job in self.here.everywhere():
            if job.end() == now:
                job.ended = True
                self.dirty.add(job.host)
        fresh = [job for job in coming if job.submit == now]
        self.waiting += fresh
        self.share(now)
        for job in fresh:
            if job.start is None:
                self.arrive(job, now)
                self.share(now)
        return coming[len(fresh) :]

    def start(self, job, site, now):
        self.here.start(job, site, now)
        if self.heads[job.home] is job:
            self.dirty.add(job.home)

    def share(self, now):
        while self.dirty:
            for site in self.sites:
                if site in self.dirty:
                    self.dirty.discard(site)
                    self.share_at(site, now)

    def share_at(self, site, now):
        self.heads[site] = None
        own = [job for job in self.waiting if job.home == site]
        while own and own[0].width <= self.here.free(site):
            self.start(own.pop(0), site, now)
        self.heads[site] = own[0] if own else None
        guests = [job for job in self.waiting if job.home != site and job.may_run(self.here, site)]
        for job in own[1:] + guests:
            if self.here.leaves_alone(job, site, self.heads[site], now):
                self.start(job, site, now)

    def arrive(self, job, now):
        home = job.home
        if self.heads[home] is None and job.width > self.here.free(home):
            self.dirty.add(home)
        sites = [site for site in _sites(self.here, job) if self.here.leaves_alone(job, site, self.heads[site], now)]
        if sites:
            self.start(job, min(sites, key=lambda site: (site != home, self.here.free(site))), now)


def late_binding(alliance, terms):
    late = Late(world(alliance, terms))
    coming = sorted(late.here.jobs, key=lambda job: job.submit)
    while coming is not None:
        coming = late.step(coming)
    return [job.end() for job in late.here.jobs]


def conservative(alliance, terms):
    return [end for site in alliance.sites for end in _conservative(site)]


def _conservative(site):
    rows = (site.submit.tolist(), site.run.tolist(), site.limit.tolist(), site.width.tolist())
    jobs = [
        Job(home=0, submit=submit, run=run, limit=limit, staging=0, width=width, bound=False)
        for submit, run, limit, width in zip(*rows, strict=True)
    ]
    coming, waiting, running, changes, units = list(jobs), [], [], site.changes, site.capacity
    while coming or waiting or running:
        now = min(
            [job.submit for job in coming[:1]]
            + [job.start for job in waiting]
            + [job.start + job.run for job in running]
            + [when for when, _ in changes[:1]]
        )
        over = [job for job in running if job.start + job.run == now]
        running = [job for job in running if job not in over]

        def promised(but, running=running, waiting=waiting):
            return [(job.start, job.start + job.limit, job.width) for job in running + waiting if job is not but]

        changed = any(when == now for when, _ in changes)
        units += sum(more for when, more in changes if when == now)
        changes = [change for change in changes if change[0] > now]
        if changed:
            for job in waiting:
                job.start = inf
        if changed or any(job.run < job.limit for job in over):
            for job in waiting:
                job.start = earliest(units, promised(job), now, job.width, job.limit)
        while coming and coming[0].submit == now:
            job = coming.pop(0)
            job.start = earliest(units, promised(job), now, job.width, job.limit)
            waiting.append(job)
        running += [job for job in waiting if job.start == now]
        waiting = [job for job in waiting if job.start > now]
    return [job.start + job.run for job in jobs]
