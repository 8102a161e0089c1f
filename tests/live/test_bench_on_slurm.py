"""The programs of `bench` that need real Slurm run and print their figures; they build their own clusters."""

import pytest

from bench_figures import figures

pytestmark = [pytest.mark.live, pytest.mark.xdist_group("slurm-driver")]


def test_the_same_jobs_by_plain_sbatch_and_through_foedus():
    assert figures("slurm_jobs.py") == {
        "plain-sbatch": ("jobs/s",),
        "foedus-on-slurm": ("jobs/s",),
        "foedus-on-slurm-share-of-plain": ("of-plain", "goal", "0.9"),
        "plain-sbatch-start-delay": ("s",),
        "foedus-on-slurm-start-delay": ("s",),
        "foedus-on-slurm-later-than-plain": ("s", "goal", "1"),
        "plain-sbatch-queue-delay": ("s",),
        "foedus-on-slurm-queue-delay": ("s",),
        "foedus-on-slurm-queue-later-than-plain": ("s", "goal", "1"),
    }


def test_slurms_own_federation_and_foedus_under_the_same_kills():
    rates = {f"{name}-two-clusters": ("jobs/s",) for name in ("slurm-federation", "foedus")}
    fates = ("lost", "doubled", "stuck")
    assert figures("slurm_federation.py") == {
        **rates,
        **{f"slurm-federation-killed-{fate}": ("jobs",) for fate in fates},
        **{f"foedus-killed-{fate}": ("jobs", "goal", "0") for fate in fates},
        **{f"{name}-killed-told-as-failed": ("jobs",) for name in ("slurm-federation", "foedus")},
    }
