"""Where a job's sweep lies on the cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cluster.jobs.submission import job_folder
from common.errors import UserError

if TYPE_CHECKING:
    from tests.cluster.conftest import MakeSweep


def test_a_job_has_its_sweep_in_an_absolute_folder_or_at_a_url(make_sweep: MakeSweep) -> None:
    assert job_folder(make_sweep(), "/shared/") == "/shared/stand-in"
    assert job_folder(make_sweep(storage="s3://bucket/runs/"), None) == "s3://bucket/runs/stand-in"
    url = "s3://bucket/runs?region=eu-west-1"
    assert job_folder(make_sweep(), url) == "s3://bucket/runs/stand-in?region=eu-west-1"
    with pytest.raises(UserError, match=r"storage must be absolute for a job"):
        job_folder(make_sweep(), "runs")
    with pytest.raises(UserError, match=r"without credentials"):
        job_folder(make_sweep(), "s3://me:hush@bucket/runs")
