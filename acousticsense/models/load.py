"""A model that was found becomes a network that answers."""

from __future__ import annotations

from dataclasses import replace

from torch import nn

from acousticsense.models.catalog import ResolvedModel
from acousticsense.models.checkpoint import check_answers, load_network
from acousticsense.models.spec import ModelSpec


def load_resolved(found: ResolvedModel) -> tuple[nn.Module, ModelSpec]:
    """The network of a model that was found, and its description with the hash of the weights filled in.

    Raises:
        CorruptCheckpointError: the weights are not the recorded ones, are damaged, or make answers that are no numbers.
        CheckpointError: the weights do not fit, or the network cannot be fed what the description says.
    """
    spec = replace(found.spec, weights_sha256=found.check_hash())
    network, _ = load_network(
        found.weights,
        architecture=spec.architecture,
        model_args=spec.model_args,
        n_outputs=spec.n_outputs,
        head=spec.head,
        image_size=spec.front_end.image_size,
    )
    check_answers(network, spec.name, spec.front_end.input_shape(spec.windows), spec.n_outputs)
    return network, spec
