"""The one question that the tests of policies ask, each with its own change."""

from foedus.core.agreement.request import Applicant, RunRequest

REQUEST = RunRequest(
    applicant=Applicant(user="ada", partner="israel", project="rain", sector="water"),
    site="baku",
    site_partner="azerbaijan",
    site_country="AZ",
    guest=True,
    nodes=1,
    cpus=4,
    gpus=2,
    gpu_model="a100",
    memory_mib=1024,
    time_limit_s=60,
    purpose="infer",
    datasets=("il-tax",),
    array_tasks=1,
)
