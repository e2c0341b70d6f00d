"""URLs that a sweep may be kept at."""

from __future__ import annotations

import pytest

from cluster.bucket.url import below, checked_url, is_url
from common.errors import UserError


def test_a_url_keeps_its_query_behind_what_is_joined_to_it() -> None:
    url = checked_url("s3://bucket/runs/?endpoint_override=127.0.0.1%3A9000&scheme=http")
    assert url == "s3://bucket/runs?endpoint_override=127.0.0.1%3A9000&scheme=http"
    assert below(url, "x") == "s3://bucket/runs/x?endpoint_override=127.0.0.1%3A9000&scheme=http"
    assert below("gs://bucket", "x") == "gs://bucket/x"
    assert is_url(url)
    assert not is_url("runs/s3:/x")


@pytest.mark.parametrize(
    "url",
    [
        "s3://AKIA:hush@bucket/runs", "s3://hush@bucket/runs", "s3://bucket/runs?access_key=hush",
        "s3://bucket/runs?region=x&secret_key=hush", "s3://bucket/runs?Session_Token=hush",
    ],
)  # fmt: skip
def test_a_secret_in_a_url_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(UserError, match=r"without credentials, got some in 's3://bucket/runs'") as refused:
        checked_url(url)
    assert "hush" not in str(refused.value)
    assert "AWS_ACCESS_KEY_ID" in str(refused.value)


def test_a_public_google_bucket_is_asked_for_anonymously() -> None:
    assert checked_url("gs://anonymous@bucket/runs") == "gs://anonymous@bucket/runs"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://host/runs", r"URL of s3://, gs://, gcs://, file://, got 'http://host/runs'"),
        ("s3:///runs", r"must name a bucket"),
        ("file://runs/x", r"must name an absolute path, got 'file://runs/x'"),
    ],
)
def test_other_urls_are_refused(url: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        checked_url(url)
