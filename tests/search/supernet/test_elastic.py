"""Sub-networks of an elastic supernet: parts of its weights, equal to plain networks."""

from __future__ import annotations

import copy
import random

import pytest
import torch
from torch import nn
from torch.func import functional_call
from torch.nn import functional as F

from latkit.errors import UsageError
from latkit.search import ElasticModule, elastic
from latkit.search.supernet.elastic.channel_groups import channel_groups
from latkit.search.supernet.elastic.module_net import Elastic
from latkit.search.supernet.elastic.slicing import KernelTransforms, sliced
from latkit.search.supernet.elastic.space_net import ElasticSupernet
from latkit.spaces.elastic import ElasticSpace, Fixed, Head, Stage

STAGES = (
    Stage(8, 1, (1, 2), (3, 5, 7), (2, 3)),
    Stage(16, 2, (1, 2, 3), (3, 5), (2, 3), squeeze_excite=True),
)
SPACE = ElasticSpace("mini", (8, 12), Fixed(8, 2), STAGES, Head(32), Fixed(8), (0.5, 1.0), 1, 2)


@pytest.fixture
def net() -> ElasticSupernet:
    """Weights as after some training: no scale is zero."""
    torch.manual_seed(0)
    made = ElasticSupernet(SPACE)
    for part in made.modules():
        if isinstance(part, nn.BatchNorm2d):
            nn.init.uniform_(part.weight, 0.5, 1.5)
    for matrix in made.transforms.matrices.values():
        nn.init.normal_(matrix, 0, 0.3)
    return made


def images_of(net: ElasticSupernet, architecture: tuple[int, ...], count: int = 4) -> torch.Tensor:
    size = net.resolution(architecture)
    return torch.randn(count, 1, size, size, generator=torch.Generator().manual_seed(1))


def test_a_small_kernel_is_learned_from_the_center_of_the_large_one() -> None:
    """Cai et al. 2020, section 3.2, by plain indexing."""
    transforms = KernelTransforms({"w": {3, 5, 7}})
    for matrix in transforms.matrices.values():
        nn.init.normal_(matrix)
    weight = torch.randn(6, 1, 7, 7)
    five = torch.stack([transforms.matrices["w-5"] @ one[1:6, 1:6].reshape(25) for one in weight[:4, 0]])
    three = torch.stack([transforms.matrices["w-3"] @ one.view(5, 5)[1:4, 1:4].reshape(9) for one in five])
    found = sliced("w", weight, (4, 1, 3, 3), transforms)
    torch.testing.assert_close(found, three.view(4, 1, 3, 3))
    untouched = KernelTransforms({"w": (7, 3)})
    assert torch.equal(sliced("w", weight, (6, 1, 3, 3), untouched), weight[..., 2:5, 2:5])


def test_a_subnetwork_taken_out_equals_the_supernet(net: ElasticSupernet) -> None:
    rng = random.Random(0)
    for architecture in [net.smallest, net.largest, *(SPACE.sample(rng) for _ in range(6))]:
        images, plain = images_of(net, architecture), net.subnet(architecture)
        torch.testing.assert_close(plain.train()(images), net(images, architecture), rtol=0, atol=1e-5)
        assert sum(one.numel() for one in plain.parameters()) == SPACE.decode(architecture).parameters


def test_the_first_blocks_and_channels_run(net: ElasticSupernet) -> None:
    """By hand: a block of expansion 2 of 3 takes 16 of 24 hidden channels."""
    ranks = {"expansion": 0, "depth": 0, "kernel": 2, "resolution": 1, "width": 1}
    architecture = net.at_options(ranks)
    expand, depthwise, project = list(net.layers[2].body.children())
    features = net.layers[1](net.layers[0](images_of(net, architecture)))
    norm = {"training": True, "running_mean": None, "running_var": None}
    hidden = F.conv2d(features, expand[0].weight[:16])
    hidden = F.relu6(F.batch_norm(hidden, weight=expand[1].weight[:16], bias=expand[1].bias[:16], **norm))
    hidden = F.conv2d(hidden, depthwise[0].weight[:16], padding=3, groups=16)
    hidden = F.relu6(F.batch_norm(hidden, weight=depthwise[1].weight[:16], bias=depthwise[1].bias[:16], **norm))
    out = F.batch_norm(
        F.conv2d(hidden, project[0].weight[:, :16]), weight=project[1].weight, bias=project[1].bias, **norm
    )
    found = nn.Sequential(*list(net.subnet(architecture).children())[:3]).train()(images_of(net, architecture))
    torch.testing.assert_close(found, features + out)


def test_sorting_keeps_the_function_and_puts_the_strongest_channels_first(net: ElasticSupernet) -> None:
    architectures = [net.largest, net.at_options({"expansion": 0}), net.at_options({"width": 0})]
    before = [net(images_of(net, one), one) for one in architectures]
    net.sort_channels([net.largest])
    after = [net(images_of(net, one), one) for one in architectures]
    torch.testing.assert_close(after[0], before[0], rtol=1e-4, atol=1e-4)
    assert not torch.allclose(after[1], before[1], atol=1e-2)
    project = net.layers[2].body.project[0].weight.abs().sum((0, 2, 3))
    assert torch.equal(project, project.sort(descending=True).values)
    torch.manual_seed(5)
    nn.init.normal_(net.layers[2].body.project[0].weight)
    net.sort_channels([net.at_options({"expansion": 0})])  # which keeps its channels
    project = net.layers[2].body.project[0].weight.abs().sum((0, 2, 3))
    assert all(torch.equal(part, part.sort(descending=True).values) for part in (project[:16], project[16:]))
    assert not torch.equal(project, project.sort(descending=True).values)


def test_gradients_of_parts_are_those_of_slices_of_the_weights(net: ElasticSupernet) -> None:
    """By slices that autograd follows; of two sub-networks, which add up; and of a copy that has moved."""
    architectures = [net.at_options({"kernel": 0, "expansion": 0}), net.at_options({"width": 0})]
    net(images_of(net, net.largest), net.largest).sum().backward()  # parts of the weights as they were
    copied = copy.deepcopy(net).double().requires_grad_(True)
    for one in (net, copied):
        one.zero_grad()
        for architecture in architectures:
            one(images_of(one, architecture).to(next(one.parameters()).dtype), architecture).square().sum().backward()
    loss = torch.zeros(())
    for architecture in architectures:
        features, plain = images_of(net, architecture), list(net.subnet(architecture).train())
        for module, (position, op) in zip(plain, net.placed(architecture), strict=True):
            features = functional_call(module, net.parts(position, op), features)
        loss = loss + features.square().sum()
    names = [name for name, one in net.named_parameters() if one.grad is not None]
    expected = torch.autograd.grad(loss, [net.get_parameter(name) for name in names])
    assert len(names) > 60
    for name, gradient in zip(names, expected, strict=True):
        torch.testing.assert_close(net.get_parameter(name).grad, gradient, rtol=1e-3, atol=1e-3)
        torch.testing.assert_close(copied.get_parameter(name).grad.float(), gradient, rtol=1e-2, atol=1e-2)


def test_checkpointing_changes_no_gradient(net: ElasticSupernet) -> None:
    gradients = []
    for net.checkpointing in (False, True):
        net.zero_grad()
        net(images_of(net, net.smallest), net.smallest).square().sum().backward()
        gradients.append([one.grad.clone() for one in net.parameters() if one.grad is not None])
    assert gradients[0]
    assert all(torch.equal(one, other) for one, other in zip(*gradients, strict=True))


def test_channels_whose_order_matters_are_fixed() -> None:
    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Conv2d(1, 4, 1), nn.Conv2d(4, 4, 1)
            self.group, self.classify = nn.Conv2d(4, 4, 1, groups=2), nn.Linear(4 * 9, 2)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            features = self.second(self.first(images).relu())
            return self.classify(self.group(features).flatten(1))

    groups = channel_groups(Odd())
    free = [group for group in groups if not group.is_fixed]
    assert [group.places for group in free] == [[("first.weight", 0), ("first.bias", 0), ("second.weight", 1)]]


class Residual(nn.Module):
    """A user's own block."""

    def __init__(self) -> None:
        super().__init__()
        self.widen = nn.Sequential(nn.Conv2d(4, 12, 1, bias=False), nn.BatchNorm2d(12), nn.SiLU())
        self.depthwise = nn.Sequential(nn.Conv2d(12, 12, 5, padding=2, groups=12), nn.BatchNorm2d(12), nn.SiLU())
        self.narrow = nn.Sequential(nn.Conv2d(12, 4, 1, bias=False), nn.BatchNorm2d(4))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images + self.narrow(self.depthwise(self.widen(images)))


def user_module() -> ElasticModule:
    torch.manual_seed(0)
    blocks = (elastic(Residual(), channels=(0.5, 1), kernels=(3, 5)) for _ in range(2))
    stage = elastic(nn.Sequential(*blocks), depths=(1, 2))
    head = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
    return ElasticModule(nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), stage, *head), (1, 8, 8), (6, 8))


def test_any_module_is_elastic_around_its_marked_blocks() -> None:
    net = user_module()
    names = [choice.name for choice in net.space.choices]
    assert names == [
        "resolution",
        "1.depth",
        *(f"1.block.{at}.{one}" for at in (0, 1) for one in ("channels", "kernel")),
    ]
    assert net.space.active(net.smallest)[-2:] == (False, False)  # the second block does not run
    for architecture in (net.smallest, net.largest, (0, 1, 0, 1, 1, 0)):
        images, plain = images_of(net, architecture), net.subnet(architecture).train()
        torch.testing.assert_close(plain(images), net(images, architecture), rtol=0, atol=1e-5)
        assert not any(isinstance(part, Elastic) for part in plain.modules())
    assert net.subnet(net.smallest)[1][0].depthwise[0].weight.shape == (6, 1, 3, 3)
    assert len(net.subnet(net.smallest)[1]) == 1
    before = net(images_of(net, net.largest), net.largest)
    net.sort_channels([net.largest])
    torch.testing.assert_close(net(images_of(net, net.largest), net.largest), before, rtol=1e-4, atol=1e-5)


def test_a_module_without_anything_elastic_is_refused() -> None:
    with pytest.raises(UsageError, match=r"blocks marked by latkit\.search\.elastic, but found none"):
        ElasticModule(nn.Sequential(nn.Conv2d(1, 2, 1)), (1, 8, 8))
    with pytest.raises(UsageError, match="expected channels that only it uses, but found none"):
        ElasticModule(nn.Sequential(elastic(nn.Conv2d(1, 2, 1), channels=(0.5, 1))), (1, 8, 8))
    with pytest.raises(UsageError, match="expected depth as rising numbers up to 2, but found"):
        elastic(nn.Sequential(nn.ReLU(), nn.ReLU()), depths=(1, 3))
    net = user_module()
    with pytest.raises(UsageError, match=r"export a sub-network with torch\.onnx\.export"):
        net.space.decode(net.largest)


def test_weights_of_earlier_versions_have_running_statistics(net: ElasticSupernet) -> None:
    """They are not used, and not held any more; a weight that is unknown is refused as before."""
    assert not list(net.buffers())
    old = {
        **net.state_dict(),
        "layers.0.1.running_mean": torch.zeros(8),
        "layers.0.1.num_batches_tracked": torch.ones(()),
    }
    assert net.load_state_dict(old).missing_keys == []
    with pytest.raises(RuntimeError, match="unknown"):
        net.load_state_dict({**old, "layers.unknown": torch.zeros(8)})
