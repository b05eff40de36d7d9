"""Growing keeps what a network computes."""

from __future__ import annotations

import pytest
import torch

from acousticsense.training.grow import grow
from acousticsense.training.student import make_network


@pytest.mark.parametrize("trainable", [True, False])
@torch.no_grad()
def test_a_grown_network_computes_the_same(trainable: bool) -> None:
    torch.manual_seed(0)
    small = make_network("vit_tiny_patch16_224", depth=2).eval()
    for parameter in small.parameters():
        parameter.add_(0.05 * torch.randn_like(parameter))
    large = make_network("vit_small_patch16_224", depth=5).eval()
    grow(small, large, trainable=trainable)
    pictures = torch.randn(2, 3, 224, 224)
    torch.testing.assert_close(large(pictures), small(pictures), atol=1e-4, rtol=0)


def test_widths_that_do_not_divide_are_refused() -> None:
    with pytest.raises(ValueError, match="widths must divide"):
        grow(make_network("vit_small_patch16_224", depth=1), make_network("vit_tiny_patch16_224", depth=1))


def test_blocks_cannot_get_fewer() -> None:
    with pytest.raises(ValueError, match="not get fewer"):
        grow(make_network("vit_tiny_patch16_224", depth=2), make_network("vit_small_patch16_224", depth=1))
