"""What the use cases need from outside.

One `Transaction` is one unit of work: everything in it happens or nothing does. Updates are guarded: a method that
answers `bool` says whether the row was in a state that allows the change, and changes nothing where it was not.
"""

from foedus.flow.ports.attempts import AttemptChange, Attempts, Recent
from foedus.flow.ports.books import Booking, Ledger, SealRecord
from foedus.flow.ports.files import Logs, Pieces, PieceStore
from foedus.flow.ports.jobs import JobChange, JobFilter, Jobs, Visible
from foedus.flow.ports.people import People, Project, Projects, Token, User
from foedus.flow.ports.policy import Policy
from foedus.flow.ports.recovery import Recoveries, Recovery, RecoverySite
from foedus.flow.ports.shadows import AS_ALONE_S, AloneRecord, Shadows, Waits
from foedus.flow.ports.sites import AgreementRecord, Agreements, SiteRecord, Sites
from foedus.flow.ports.store import BROKER, Answered, Requests, Stage, Store, Transaction, job_topic, orders_topic

__all__ = [
    "AS_ALONE_S",
    "BROKER",
    "AgreementRecord",
    "Agreements",
    "AloneRecord",
    "Answered",
    "AttemptChange",
    "Attempts",
    "Booking",
    "JobChange",
    "JobFilter",
    "Jobs",
    "Ledger",
    "Logs",
    "People",
    "PieceStore",
    "Pieces",
    "Policy",
    "Project",
    "Projects",
    "Recent",
    "Recoveries",
    "Recovery",
    "RecoverySite",
    "Requests",
    "SealRecord",
    "Shadows",
    "SiteRecord",
    "Sites",
    "Stage",
    "Store",
    "Token",
    "Transaction",
    "User",
    "Visible",
    "Waits",
    "job_topic",
    "orders_topic",
]
