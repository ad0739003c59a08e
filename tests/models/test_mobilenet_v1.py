"""MobileNet against timm's and against a slow float64 network written from the paper."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from torch import nn

from tests.support import reference_layers as ref
from zoo.models import mobilenet_v1
from zoo.models.mobilenet_v1 import mobilenet_v1_025, mobilenet_v1_050, mobilenet_v1_100

if TYPE_CHECKING:
    from zoo.models.mobilenet_v1 import MobileNetV1, Padding

# Table 1 of the paper, depthwise separable layers: planes out, stride. The last stride is 1, see
# the file's head.
TABLE_1 = [
    (64, 1),
    (128, 2),
    (128, 1),
    (256, 2),
    (256, 1),
    (512, 2),
    *[(512, 1)] * 5,
    (1024, 2),
    (1024, 1),
]
NAMES = [f"blocks.{s}.{i}" for s, n in enumerate([1, 2, 2, 6, 2]) for i in range(n)]


@pytest.mark.parametrize(
    ("name", "quarters", "parameters"),
    [
        ("mobilenet_v1_100", 4, 4_231_976),
        ("mobilenet_v1_075", 3, 2_585_560),
        ("mobilenet_v1_050", 2, 1_331_592),
        ("mobilenet_v1_025", 1, 470_072),
    ],
)
def test_mobilenet_v1_has_the_parameters_of_table_1(
    name: str, quarters: int, parameters: int
) -> None:
    """Depthwise and 1x1 filters, scales and shifts for the planes of both, a linear layer."""
    planes = 32 * quarters // 4
    expected = planes * 3 * 3 * 3 + 2 * planes
    for full_width, _ in TABLE_1:
        out = full_width * quarters // 4
        expected += planes * 3 * 3 + 2 * planes + planes * out + 2 * out
        planes = out
    expected += 1000 * (planes + 1)
    model = getattr(mobilenet_v1, name)()
    assert sum(parameter.numel() for parameter in model.parameters()) == expected == parameters


def _with_statistics(model: MobileNetV1) -> MobileNetV1:
    """Give every batch normalisation statistics and factors that a trained network could have."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, std=0.3)  # type: ignore[arg-type]  # a buffer, typed Tensor | None
            nn.init.uniform_(module.running_var, 0.2, 2.0)  # type: ignore[arg-type]  # a buffer, typed Tensor | None
            nn.init.uniform_(module.weight, 0.5, 2.0)
            nn.init.normal_(module.bias, std=0.5)
    return model.double().eval()


def _margins(x: ref.Array, stride: int, padding: Padding) -> ref.Margins:
    """Work out TensorFlow's margins.

    Enough zeros for ``ceil(size / stride)`` places, the odd one at the end.
    """
    if padding == "symmetric":
        return 1, 1, 1, 1
    totals = [max((-(-side // stride) - 1) * stride + 3 - side, 0) for side in x.shape[2:]]
    (top, bottom), (left, right) = [(total // 2, total - total // 2) for total in totals]
    return top, bottom, left, right


def _slow(x: ref.Array, w: dict[str, ref.Array], padding: Padding, eps: float) -> ref.Array:
    """Compute the paper's network, one layer after the other, rectified at 0 and 6."""

    def rectified_norm(y: ref.Array, name: str) -> ref.Array:
        return np.clip(ref.batch_norm(y, w, name, eps), 0.0, 6.0)

    x = rectified_norm(
        ref.conv2d(ref.pad(x, _margins(x, 2, padding)), w["conv_stem.weight"], stride=2), "bn1"
    )
    for name, (_, stride) in zip(NAMES, TABLE_1, strict=True):
        x = ref.pad(x, _margins(x, stride, padding))
        x = ref.conv2d(x, w[f"{name}.conv_dw.weight"], stride=stride, groups=x.shape[1])
        x = rectified_norm(x, f"{name}.bn1")
        x = rectified_norm(ref.conv2d(x, w[f"{name}.conv_pw.weight"]), f"{name}.bn2")
    return ref.linear(x.mean(axis=(2, 3)), w["classifier.weight"], w["classifier.bias"])


@pytest.mark.parametrize("size", [(64, 96), (97, 75)])
@pytest.mark.parametrize(("padding", "eps"), [("symmetric", 1e-5), ("same", 1e-3)])
def test_mobilenet_v1_computes_what_the_slow_network_computes(
    size: tuple[int, int], padding: Padding, eps: float
) -> None:
    """Relative error under 1e-9 in float64, at even and odd sizes, with either padding."""
    torch.manual_seed(7)
    model = _with_statistics(mobilenet_v1_050(num_classes=13, padding=padding, norm_eps=eps))
    x = torch.randn(2, 3, *size, dtype=torch.float64)
    expected = _slow(x.numpy(), ref.arrays(model.state_dict()), padding, eps)
    with torch.no_grad():
        assert ref.relative_error(model(x), expected) < 1e-9


def test_mobilenet_v1_paddings_give_different_answers() -> None:
    """On an even size the zeros of "same" lie elsewhere, so a mix-up cannot stay unseen."""
    torch.manual_seed(8)
    symmetric = _with_statistics(mobilenet_v1_025())
    same = mobilenet_v1_025(padding="same").double().eval()
    same.load_state_dict(symmetric.state_dict())
    x = torch.randn(1, 3, 64, 64, dtype=torch.float64)
    with torch.no_grad():
        assert not torch.allclose(symmetric(x), same(x), rtol=1e-3)


@pytest.mark.parametrize("size", [224, 161])
def test_mobilenet_v1_100_loads_timms_keys_and_answers_the_same(size: int) -> None:
    """Same key names, and the same logits to 1e-9 in float64."""
    timm = pytest.importorskip(
        "timm", reason="timm is absent, so MobileNet is NOT compared with it: pip install timm"
    )
    ours = _with_statistics(mobilenet_v1_100())
    theirs = timm.create_model("mobilenetv1_100").double().eval()
    assert list(theirs.state_dict()) == list(ours.state_dict())
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(1, 3, size, size, dtype=torch.float64)
    with torch.no_grad():
        assert ref.relative_error(ours(x), theirs(x).numpy()) < 1e-9


def test_mobilenet_v1_refuses_an_unknown_padding() -> None:
    """The message names the two that exist."""
    with pytest.raises(
        ValueError, match="padding: expected one of 'symmetric', 'same', got 'valid'"
    ):
        mobilenet_v1_100(padding="valid")  # type: ignore[arg-type]  # the point of the test
