"""The HParams table as TensorBoard itself makes it of a folder of event files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from tensorboard.context import RequestContext
from tensorboard.plugins.base_plugin import TBContext
from tensorboard.plugins.hparams import api_pb2, backend_context, get_experiment, list_session_groups

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["hparams_table"]


def hparams_table(folder: Path, column: str) -> dict[str, tuple[dict[str, float], float]]:
    """Run to its numeric settings and its value in a column.

    Args:
        folder: of a sweep's events, a folder for each run.
        column: a metric of the table, such as `held_out/objective`.
    """
    events = EventMultiplexer().AddRunsFromDirectory(str(folder))
    events.Reload()
    provider = MultiplexerDataProvider(events, str(folder))
    context, asked = backend_context.Context(TBContext(data_provider=provider)), RequestContext()
    experiment = get_experiment.Handler(asked, context, "", api_pb2.GetExperimentRequest()).run()
    [metric] = [info.name for info in experiment.metric_infos if info.name.tag == column]
    request = api_pb2.ListSessionGroupsRequest(
        slice_size=1000, allowed_statuses=[api_pb2.STATUS_SUCCESS, api_pb2.STATUS_UNKNOWN]
    )
    request.col_params.add(metric=metric)
    table = {}
    for group in list_session_groups.Handler(asked, context, "", request).run().session_groups:
        [run], [cell] = group.sessions, group.metric_values
        table[run.name] = ({name: one.number_value for name, one in group.hparams.items()}, cell.value)
    return table
