"""The pooled linear head: mean and maximum over positions, scaled by the training windows."""

import torch

from ecg12.ecg.models.probe import PooledHead


def test_mean_and_maximum_are_scaled_and_weighed():
    torch.manual_seed(1)
    head, x = PooledHead(3, 2), torch.randn(40, 3, 7) * 5 + 2
    pooled = torch.cat([x.mean(dim=2), x.max(dim=2).values], dim=1)
    scaled = (pooled - pooled.mean(dim=0)) / (pooled.var(dim=0, correction=0) + 1e-5).sqrt()
    torch.testing.assert_close(head.train()(x), scaled @ head.linear.weight.T + head.linear.bias, atol=1e-4, rtol=1e-4)


def test_in_prediction_a_window_does_not_depend_on_the_others():
    head, x = PooledHead(3, 2), torch.randn(40, 3, 7)
    head.train()(x)
    head.eval()
    torch.testing.assert_close(head(x)[:1], head(x[:1]))


def test_it_does_not_depend_on_the_order_of_positions():
    head, x = PooledHead(3, 2).eval(), torch.randn(4, 3, 7)
    torch.testing.assert_close(head(x.flip(2)), head(x))
