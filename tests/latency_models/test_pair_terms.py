import pytest

from latkit.errors import NotMeasured
from latkit.latency_models.pair_terms import Link, PairTerms, fit_pairs
from latkit.ops import Network, make_op
from latkit.profiling.pair_probes import pair_probes
from latkit.spaces import ChainSpace, Layer, load
from latkit.spaces.precisions import with_precisions
from latkit.tables import LatencyTable
from latkit.targets import Target

SHAPE = (4, 8, 8)


def conv(precision="fp32", kernel=3):
    return make_op("conv", SHAPE, out_channels=4, kernel=kernel, precision=precision)


SPACE = ChainSpace(
    "small",
    (
        Layer("first", (conv(),)),
        Layer("second", (conv(), conv(kernel=5))),
        Layer("third", (make_op("skip", SHAPE), conv(kernel=1))),
        Layer("fourth", (conv(),)),
    ),
)
MIXED = with_precisions(SPACE, ("fp32", "int8"))


class Costs:
    """Ops of 1 to 5 us by kernel, half of it in int8; conversions of 10 and 20 us, -1 us from int8 to int8."""

    terms = PairTerms(
        {
            Link("fp32", "int8", SHAPE, False): 10e-6,
            Link("int8", "fp32", SHAPE, False): 20e-6,
            Link("int8", "int8", SHAPE, False): -1e-6,
        }
    )

    def layer_seconds(self, ops):
        return [1e-6 * op.integer("kernel") / (1 + (op.precision == "int8")) for op in ops]

    def base_seconds(self):
        return 3e-6

    def has_pairs(self, ops):
        return True

    def pair_seconds(self, producer, consumer):
        return self.terms.seconds(producer, consumer)


def test_a_table_of_a_mixed_space_adds_up_ops_and_conversions_of_every_canonical_architecture():
    import itertools

    table = LatencyTable(MIXED, Costs())
    for architecture in itertools.product(*(range(len(choice.options)) for choice in MIXED.choices)):
        network = MIXED.decode(architecture)
        expected = 3e-6 + sum(Costs().layer_seconds(network.ops)) + sum(Costs.terms.of_network(network))
        canonical = MIXED.canonical(architecture)
        assert MIXED.decode(canonical) == network
        assert table.total(canonical) == pytest.approx(expected)
        assert table.total(architecture) >= expected - 1e-12  # a skip of another precision converts there and back
        assert float(table.expected(table.one_hot(canonical))) == pytest.approx(expected)


def test_fixed_layers_next_to_a_choice_count_with_its_candidates():
    chain = ChainSpace("fixed", (SPACE.layers[0], MIXED.layers[1], Layer("last", (conv("int8"),))))
    table = LatencyTable(chain, Costs())
    for index, op in enumerate(chain.layers[1].candidates):
        network = Network((conv(), op, conv("int8")))
        expected = 3e-6 + sum(Costs().layer_seconds(network.ops)) + sum(Costs.terms.of_network(network))
        assert table.total((index,)) == pytest.approx(expected)


def test_pair_terms_are_what_two_ops_cost_beyond_each():
    network = Network((conv(), conv("int8", kernel=1)))
    other = Network((conv(kernel=5), conv("int8")))
    fitted = fit_pairs({network: 20e-6, other: 30e-6}, lambda op: 1e-6 * op.integer("kernel"), 2e-6)
    assert fitted.seconds(conv(), conv("int8")) == pytest.approx(((20 - 2 - 4) + (30 - 2 - 8)) / 2 * 1e-6)
    assert PairTerms.of_entries(fitted.entries()) == fitted


def test_a_residual_op_behind_another_counts_twice():
    block = make_op("mbconv", SHAPE, out_channels=4, expansion=1)
    first = make_op("mbconv", SHAPE, out_channels=4, expansion=1, residual=False)
    measured = {Network((first, block, block)): 1e-6, Network((first.in_precision("int8"), block, block)): 9e-6}
    fitted = fit_pairs(measured, lambda _: 0.0, 0.0)
    assert fitted.measured[Link("fp32", "fp32", SHAPE, True)] == pytest.approx(0.5e-6)
    assert fitted.measured[Link("int8", "fp32", SHAPE, True)] == pytest.approx(8.5e-6)


def test_an_unmeasured_size_is_interpolated_and_an_unmeasured_conversion_refused():
    def image(size, precision):
        return make_op("conv", (4, size, size), out_channels=4, kernel=1, precision=precision)

    terms = PairTerms({Link("fp32", "int8", (4, 2, 2), False): 1e-6, Link("fp32", "int8", (4, 4, 4), False): 4e-6})
    assert terms.seconds(image(3, "fp32"), image(3, "int8")) == pytest.approx((1 + 3 * (36 - 16) / (64 - 16)) * 1e-6)
    assert terms.seconds(image(2, "int8-dynamic"), image(2, "fp32")) == 0  # both pass on floats
    with pytest.raises(NotMeasured, match=r"from int8 to fp32 at 4x2x2 was not measured; .* SPACE:fp32\+int8"):
        terms.seconds(image(2, "int8"), image(2, "fp32"))


def test_every_tensor_of_a_space_is_probed_in_every_combination_of_precisions():
    target = Target("here", "onnxruntime")
    probes = pair_probes(MIXED, target)
    assert [tuple(op.precision for op in probe.ops) for probe in probes] == [
        ("fp32", "fp32"), ("fp32", "int8"), ("int8", "fp32"), ("int8", "int8")
    ]  # fmt: skip
    assert all(op.integer("kernel") == 1 for probe in probes for op in probe.ops)
    assert not pair_probes(SPACE, target)
    int8 = Target("here", "onnxruntime", precision="int8")
    assert len(pair_probes(SPACE, int8)) == 1
    elastic = load("ofa-tiny")
    tensors = {op.output_shape for op in elastic.ops()} & {op.input_shape for op in elastic.ops()}
    assert {probe.ops[0].output_shape for probe in pair_probes(elastic, int8)} == tensors


def test_precisions_of_a_space_are_named_behind_its_name():
    space = load("proxyless-tiny:fp32+int8")
    assert space.name == "proxyless-tiny:fp32+int8"
    assert len(space.ops()) == 2 * len(load("proxyless-tiny").ops())
