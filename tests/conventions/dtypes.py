"""Dtypes and devices: what widens, what is refused, what is the same everywhere."""

from __future__ import annotations

from .case import Rules, rule

TITLE = "Dtypes and devices"
TEXT = """A gradient has the dtype of its input, whatever stood beside it. Each line names the tests that hold it."""
TABLES = [
    Rules(
        "Dtypes",
        [
            rule(
                "an integer or boolean leaf that asks for gradients",
                "Refused: “gradients need a float dtype; use x.astype(float)”. Never 0.",
                "test_edge_graph.py::test_integers_have_no_gradients",
            ),
            rule(
                "float32 in",
                "float32 out, for every operation and loss, their gradients, and the state of every optimiser.",
                "test_registry.py::test_value",
                "test_registry.py::test_gradients_have_shape_dtype_and_memory_of_their_own",
                "test_edge_graph.py::test_a_step_of_training_keeps_its_dtype",
            ),
            rule(
                "float32 beside a Python number, a NumPy scalar, integers, booleans",
                "float32. PyTorch: the same; NumPy: float64 beside np.float64 and int64.",
                "test_edge_cases.py::test_float32_beside_other_dtypes",
                any_dtype=True,
            ),
            rule(
                "float32 beside a float64 array or tensor, 0-d included",
                "The value is float64, as in NumPy; the gradient of the float32 leaf is float32.",
                "test_edge_cases.py::test_float32_beside_other_dtypes",
                any_dtype=True,
            ),
            rule(
                "where(mask, 1.0, 0.0)",
                "float32, as a list of these numbers would be.",
                "test_edge_cases.py::test_a_choice_between_numbers_is_float32",
                any_dtype=True,
            ),
            rule(
                "complex numbers",
                "Refused, as data, as a dtype, and as an operand.",
                "test_edge_graph.py::test_complex_numbers_are_refused",
            ),
            rule(
                "float16 in linear algebra",
                "Computed in float32 and given back in float16.",
                "test_edge_linalg.py::test_float16_goes_through_float32",
                any_dtype=True,
            ),
        ],
    ),
    Rules(
        "Devices and randomness",
        [
            rule(
                "the same graph on two devices",
                "The same within 1e-10 in float64 and 1e-5 in float32; every table above holds on each.",
                "test_edge_graph.py::test_every_backend_gives_the_same",
                "test_nn.py::test_layers_compute_the_same_on_every_device",
            ),
            rule(
                "the same seed",
                "The same parameters bit for bit on every backend, for they are drawn on the host; draws on a device "
                "are a stream of its own, the same for the same seed.",
                "test_edge_graph.py::test_a_seed_gives_the_same_bits",
                "test_nn.py::test_a_seed_reproduces_every_bit",
            ),
            rule(
                "two devices in one operation",
                "Refused: the message names both, and .to(device).",
                "test_edge_graph.py::test_devices_are_not_mixed",
            ),
        ],
    ),
]
