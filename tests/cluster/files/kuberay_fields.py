"""The fields of KubeRay's resources that our manifests may use, with their types.

Source: the CRDs `rayclusters.ray.io` and `rayjobs.ray.io`, v1, of KubeRay 1.6.2 (ray-project/kuberay,
helm-chart/kuberay-operator/crds), and the rules of ray-operator/controllers/ray/utils/validation.go there.
What Kubernetes itself defines, the pods, is checked against its own schema.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

Strings = dict[str, str]
Pod = dict[str, Any]
Number = Annotated[int, Field(ge=0, le=2**31 - 1)]


class Fields(BaseModel):
    """Nothing but what is listed, and nothing converted: the operator would not either."""

    model_config = ConfigDict(extra="forbid", strict=True, alias_generator=to_camel)


class Metadata(Fields):
    name: Annotated[str, Field(pattern=r"^[a-z]([-a-z0-9]*[a-z0-9])?$", max_length=63)]


class Auth(Fields):
    mode: Literal["disabled", "token"]


class Autoscaler(Fields):
    version: Literal["v1", "v2"]
    idle_timeout_seconds: Number
    resources: dict[Literal["limits", "requests"], Strings]


class Group(Fields):
    ray_start_params: Strings
    labels: Strings
    template: Pod


class WorkerGroup(Group):
    group_name: str
    replicas: Number
    min_replicas: Number
    max_replicas: Number

    @model_validator(mode="after")
    def _replicas_are_in_their_range(self) -> Self:
        assert self.min_replicas <= self.replicas <= self.max_replicas
        return self


class Cluster(Fields):
    ray_version: str
    auth_options: Auth
    enable_in_tree_autoscaling: bool
    autoscaler_options: Autoscaler
    head_group_spec: Group
    worker_group_specs: list[WorkerGroup]


class Job(Fields):
    entrypoint: str
    backoff_limit: Number
    # The others need a submitter's pod or image.
    submission_mode: Literal["SidecarMode"]
    shutdown_after_job_finishes: Literal[True]  # without it, ttlSecondsAfterFinished is refused
    ttl_seconds_after_finished: Number
    active_deadline_seconds: Annotated[int, Field(gt=0, le=2**31 - 1)]
    ray_cluster_spec: Cluster


class RayCluster(Fields):
    api_version: Literal["ray.io/v1"]
    kind: Literal["RayCluster"]
    metadata: Metadata
    spec: Cluster


class RayJob(Fields):
    api_version: Literal["ray.io/v1"]
    kind: Literal["RayJob"]
    metadata: Metadata
    spec: Job
