"""The plugins that a training runs with: loaded, tried on noise, and ready for their places."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch

from ecg12.ecg.models.build import build_model
from ecg12.ecg.models.config.option_names import OWN_LOSS
from ecg12.ecg.models.output_layers import OutputLayer, build_output_layer
from ecg12.ecg.models.plugin_parts import ChangeWindows, GivenLayer, LayerWithLoss, MakeNetwork
from ecg12.ecg.patient_features import N_PATIENT_FEATURES
from ecg12.ecg.plugin_names import is_plugin_name
from ecg12.pipeline.plugins.forms import as_augmentation, as_loss
from ecg12.pipeline.plugins.kinds import AUGMENTATION, LOSS
from ecg12.pipeline.plugins.trying import try_augmentation, try_loss, try_network, try_output_layer
from ecg12.pipeline.runs.checkpoint import CONFIG
from ecg12.pipeline.runs.run_plugins import RunPlugins
from ecg12.pipeline.runs.train_config import TrainConfig
from ecg12.pipeline.training.targets import Targets, code_of_outputs


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class TrainPlugins:
    """Code from outside that a training runs.

    Attributes
    ----------
    make : the class of the network; None for one of ours
    augment : what plugins among the augmentations do, by name
    layer : the output layer, whosever it is
    training_layer : the same with a plugin's loss; None where the loss is ours
    """

    make: MakeNetwork | None = None
    augment: Mapping[str, ChangeWindows] = field(default_factory=dict)
    layer: OutputLayer
    training_layer: OutputLayer | None = None


def load_plugins(plugins: RunPlugins, config: TrainConfig, targets: Targets) -> TrainPlugins:
    """The plugins that `config` and the output mapping name, each tried once.

    Raises
    ------
    PluginError
        If one was not named by the user, is not there, has not the form of its kind, or gives what is of no use.
    """
    mapping, model = targets.mapping, config.model
    given = plugins.output_layer(mapping)
    if isinstance(given, GivenLayer):
        try_output_layer(given, mapping.n_outputs)
    layer = build_output_layer(mapping.parts, given)
    training_layer = None
    if config.loss != OWN_LOSS:
        loss = as_loss(plugins.load(LOSS, config.loss, CONFIG), code_of_outputs(mapping))
        training_layer = LayerWithLoss(layer, config.loss, loss)
        try_loss(training_layer, f"loss {config.loss}", mapping.n_outputs)
    augment = {
        name: as_augmentation(plugins.load(AUGMENTATION, name, CONFIG))
        for name in config.augment
        if is_plugin_name(name)
    }
    for name, change in augment.items():
        try_augmentation(name, change, len(model.leads), model.window_length, model.fs)
    make = plugins.model(model)
    if make is not None:
        n_channels = len(model.leads) + (N_PATIENT_FEATURES if model.patient else 0)
        with torch.random.fork_rng(devices=[]):
            network = build_model(model, mapping.n_outputs, make)
        try_network(network, model.model, n_channels, model.window_length)
    return TrainPlugins(make=make, augment=augment, layer=layer, training_layer=training_layer)
