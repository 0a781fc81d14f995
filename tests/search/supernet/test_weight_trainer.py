from __future__ import annotations

import copy
from collections.abc import Sequence

import pytest
import torch
from lightning_fabric import Fabric
from torch import nn

from latkit.nn import build_module
from latkit.search.data import DataSplit
from latkit.search.gradient.settings import SearchSettings
from latkit.search.supernet.bn_calibration import recalibrate
from latkit.search.supernet.supernet import Paths, Supernet
from latkit.search.supernet.weight_trainer import PathSGD, WeightTrainer, device_module
from latkit.spaces import Space

FABRIC = Fabric(accelerator="cpu", devices=1)

PATHS = [Paths.single(architecture) for architecture in ((0, 1), (2, 4), (0, 3), (4, 1))]


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(8, 1, 8, 8, generator=generator), torch.randint(2, (8,), generator=generator)


def trained(supernet: Supernet, settings: SearchSettings, fabric: Fabric = FABRIC) -> list[float]:
    """Losses of four weight steps."""
    trainer = WeightTrainer(device_module(supernet, fabric), settings, fabric)
    return [float(trainer.step(*batch(), 0.1, paths)[0]) for paths in PATHS]


def same(one: nn.Module, other: nn.Module) -> bool:
    return all(torch.equal(value, other.state_dict()[name]) for name, value in one.state_dict().items())


def test_a_path_is_stepped_as_torch_steps_parameters_that_have_gradients(mini_space: Space) -> None:
    supernet = Supernet(mini_space)
    oracle = copy.deepcopy(supernet)
    decay = 0.1
    groups = [
        {"params": [p for p in oracle.parameters() if p.ndim > 1], "weight_decay": decay},
        {"params": [p for p in oracle.parameters() if p.ndim <= 1], "weight_decay": 0.0},
    ]
    reference = torch.optim.SGD(groups, lr=0.1, momentum=0.9, nesterov=True)
    ours = PathSGD(supernet.parameters(), 0.9, decay)
    images, labels = batch()
    for paths in PATHS:
        for net in (supernet, oracle):
            nn.functional.cross_entropy(net(images, paths), labels).backward()
        reference.step()
        reference.zero_grad()
        ours.step_on(supernet.parameters_of(paths), 0.1)
    assert same(supernet, oracle)
    layouts = [[len(group["params"]) for group in each.state_dict()["param_groups"]] for each in (ours, reference)]
    assert layouts[0] == layouts[1]
    states: Sequence[dict[int, dict[str, torch.Tensor]]] = [each.state_dict()["state"] for each in (ours, reference)]
    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(states[0][n]["momentum_buffer"], states[1][n]["momentum_buffer"]) for n in states[0])


def test_checkpointing_trains_the_same_weights(mini_space: Space) -> None:
    torch.manual_seed(0)
    plain = Supernet(mini_space)
    again = Supernet(mini_space, checkpointing=True)
    again.load_state_dict(plain.state_dict())
    assert trained(plain, SearchSettings()) == trained(again, SearchSettings(checkpointing=True))
    assert same(plain, again)


def test_checkpointing_trains_the_same_derived_network(mini_space: Space) -> None:
    torch.manual_seed(0)
    plain = build_module(mini_space.decode((0, 3)))
    again = copy.deepcopy(plain)
    for module, checkpointing in ((plain, False), (again, True)):
        trainer = WeightTrainer(module, SearchSettings(checkpointing=checkpointing), FABRIC)
        for _ in range(3):
            trainer.step(*batch(), 0.1)
    assert same(plain, again)


@pytest.mark.parametrize("checkpointing", [False, True])
def test_weights_train_in_bfloat16(mini_space: Space, checkpointing: bool) -> None:
    torch.manual_seed(0)
    single = Supernet(mini_space)
    mixed = Supernet(mini_space, checkpointing)
    mixed.load_state_dict(single.state_dict())
    expected = trained(single, SearchSettings())
    fabric = Fabric(accelerator="cpu", devices=1, precision="bf16-mixed")
    found = trained(mixed, SearchSettings(checkpointing=checkpointing), fabric)
    assert found != expected
    assert found == pytest.approx(expected, abs=0.05)
    assert all(parameter.dtype == torch.float32 for parameter in mixed.parameters())


def test_images_stay_channels_last_through_the_supernet(mini_space: Space) -> None:
    supernet = device_module(Supernet(mini_space), FABRIC)
    outputs = []
    for module in supernet.modules():
        if isinstance(module, nn.Conv2d | nn.BatchNorm2d):
            module.register_forward_hook(lambda _module, _inputs, output: outputs.append(output))
    gates = torch.tensor([[1.0, 0.0], [1.0, 0.0]], requires_grad=True)
    images = batch()[0].contiguous(memory_format=torch.channels_last)
    supernet(images, Paths(((0,), (1,)), ((1,), (2,)), gates)).sum().backward()
    assert len(outputs) > 20
    assert all(output.is_contiguous(memory_format=torch.channels_last) for output in outputs)


class OneOfTwo(Fabric):
    """The first of two processes."""

    world_size = 2  # type: ignore[assignment]


def two_process_fabric(monkeypatch: pytest.MonkeyPatch, more: float) -> Fabric:
    """Another process, whose numbers are larger by that much."""
    monkeypatch.setattr("latkit.search.training.distributed.dist.all_reduce", lambda sent: sent.mul_(2).add_(more))
    return OneOfTwo(accelerator="cpu", devices=1)


def test_running_statistics_that_differ_are_averaged_before_they_are_saved(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for together, mean in ((False, 0.5), (True, 0.0)):
        settings = SearchSettings.quick(sync_batch_norm=together)
        trainer = WeightTrainer(nn.Sequential(nn.BatchNorm2d(3)), settings, two_process_fabric(monkeypatch, 1.0))
        assert trainer.state()["module"]["0.running_mean"].tolist() == [mean] * 3


def test_statistics_taken_anew_are_those_of_all_processes(
    monkeypatch: pytest.MonkeyPatch, stripes_data: DataSplit
) -> None:
    alike, apart = nn.Sequential(nn.BatchNorm2d(1)), nn.Sequential(nn.BatchNorm2d(1))
    recalibrate(alike, stripes_data, two_process_fabric(monkeypatch, 0.0), 16, 0)
    recalibrate(apart, stripes_data, two_process_fabric(monkeypatch, 1.0), 16, 0)
    for name in ("0.running_mean", "0.running_var"):
        torch.testing.assert_close(apart.state_dict()[name], alike.state_dict()[name] + 0.5)
