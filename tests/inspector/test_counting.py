"""Multiply-adds from shapes, against numbers worked out by hand and against counting one by one."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo.errors import ShapeError
from zoo.inspector.counting import (
    attention_multiply_adds,
    convolution_multiply_adds,
    matrix_multiply_adds,
)


def test_first_convolution_of_resnet18() -> None:
    """Each of 112 x 112 x 64 outputs takes 7 x 7 x 3 multiply-adds."""
    assert (
        convolution_multiply_adds((1, 3, 224, 224), (64, 3, 7, 7), (1, 64, 112, 112))
        == 112 * 112 * 64 * 7 * 7 * 3
    )


def test_depthwise_and_pointwise_convolution_of_mobilenet() -> None:
    """Howard et al. 2017, section 3.1.

    D_K^2 * M * D_F^2 and M * N * D_F^2, here with D_K 3, M 512, N 512, D_F 14.
    """
    depthwise = convolution_multiply_adds((1, 512, 14, 14), (512, 1, 3, 3), (1, 512, 14, 14))
    pointwise = convolution_multiply_adds((1, 512, 14, 14), (512, 512, 1, 1), (1, 512, 14, 14))
    assert depthwise == 3 * 3 * 512 * 14 * 14 == 903_168
    assert pointwise == 512 * 512 * 14 * 14 == 51_380_224


def test_groups_divide_the_work() -> None:
    """In AlexNet's second convolution of 2012 each of 256 filters sees 48 of the 96 channels."""
    count = convolution_multiply_adds((1, 96, 27, 27), (256, 48, 5, 5), (1, 256, 27, 27))
    assert count == 27 * 27 * 256 * 5 * 5 * 48 == 223_948_800


def test_transposed_convolution_works_from_its_input() -> None:
    """Each of 4 x 4 inputs in 8 channels meets a 2 x 2 kernel for each of 3 outputs."""
    count = convolution_multiply_adds((1, 8, 4, 4), (8, 3, 2, 2), (1, 3, 8, 8), is_transposed=True)
    assert count == 4 * 4 * 8 * 3 * 2 * 2


def test_convolution_over_time() -> None:
    """A kernel of 3 x 7 x 7 over clips has a third factor."""
    count = convolution_multiply_adds((1, 3, 16, 112, 112), (64, 3, 3, 7, 7), (1, 64, 16, 56, 56))
    assert count == 16 * 56 * 56 * 64 * 3 * 3 * 7 * 7


@given(
    batch=st.integers(1, 2),
    groups=st.integers(1, 2),
    c_in=st.integers(1, 3),
    c_out=st.integers(1, 3),
    out=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    kernel=st.tuples(st.integers(1, 3), st.integers(1, 3)),
)
def test_convolution_is_what_plain_loops_count(
    batch: int, groups: int, c_in: int, c_out: int, out: tuple[int, int], kernel: tuple[int, int]
) -> None:
    """Seven nested loops, one multiply-add at a time."""
    counted = sum(
        1
        for _ in product(
            range(batch),
            range(groups * c_out),
            range(out[0]),
            range(out[1]),
            range(c_in),
            range(kernel[0]),
            range(kernel[1]),
        )
    )
    x = (batch, groups * c_in, out[0] + kernel[0] - 1, out[1] + kernel[1] - 1)
    weight = (groups * c_out, c_in, *kernel)
    assert convolution_multiply_adds(x, weight, (batch, groups * c_out, *out)) == counted


def test_matrix_products() -> None:
    """Rows times columns times what they are summed over, for each matrix of a batch."""
    assert matrix_multiply_adds((1, 512), (512, 1000)) == 512_000
    assert matrix_multiply_adds((4, 2, 3), (4, 3, 5)) == 4 * 2 * 3 * 5


def test_attention_of_vit_b_16() -> None:
    """12 heads of 64 over 197 tokens.

    Scores take 197 x 197 x 64 for each head, the weighted sum as many.
    """
    heads = (1, 12, 197, 64)
    assert attention_multiply_adds(heads, heads, heads) == 2 * 12 * 197 * 197 * 64


def test_attention_over_another_sequence() -> None:
    """2 queries of 3, 5 keys of 3, values of 7: 2 x 5 x 3 and 2 x 5 x 7."""
    assert attention_multiply_adds((2, 3), (5, 3), (5, 7)) == 2 * 5 * 3 + 2 * 5 * 7


@pytest.mark.parametrize(
    "count",
    [
        lambda: convolution_multiply_adds((1, 3, 8, 8), (64, 3, 3, 3), (1, 32, 8, 8)),
        lambda: convolution_multiply_adds((1, 3, 8, 8), (64, 3, 3, 3), ()),
        lambda: convolution_multiply_adds((1, 3, 8, 8), (), (1, 64, 8, 8)),
        lambda: convolution_multiply_adds(
            (1, 4, 8, 8), (3, 3, 2, 2), (1, 3, 16, 16), is_transposed=True
        ),
        lambda: matrix_multiply_adds((2, 3), (4, 5)),
        lambda: matrix_multiply_adds((3,), (3, 5)),
        lambda: attention_multiply_adds((2, 3), (5, 4), (5, 7)),
        lambda: attention_multiply_adds((2, 3), (5, 3), (6, 7)),
    ],
)
def test_shapes_that_do_not_fit_are_refused(count: object) -> None:
    """A formula never gives a number for nonsense."""
    with pytest.raises(ShapeError):
        count()  # type: ignore[operator]  # a lambda
