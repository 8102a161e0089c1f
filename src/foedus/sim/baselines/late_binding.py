"""Late binding: a job leaves its home's queue only when units are free for it elsewhere now.

The engine of the guarantee without the guarantee: at a site own jobs come first, by arrival with one reservation, then
guests that leave it alone. Nobody asks when a job would have started alone, and nothing is recalled.
"""

from dataclasses import replace

from foedus.sim.alliance import Alliance, Outcome, Terms, outcome_of


def late_binding(alliance: Alliance, terms: Terms) -> Outcome:
    """Run an alliance so."""
    anyone = replace(terms, preemptible=1.0)  # whoever could be recalled may start early and abroad
    seen = alliance.begin_watch()
    return outcome_of(alliance.replay(alliance.begin(anyone), seen, shadows=False), seen)
