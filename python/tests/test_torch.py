"""PyTorch in and out; `.ci/python` runs these where PyTorch is installed."""

import numpy as np
import pytest

import absint

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch", reason="PyTorch is not installed; .ci/python installs it")
nn = torch.nn


def small():
    torch.manual_seed(1)
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 24), nn.ReLU(), nn.Dropout(0.5), nn.Linear(24, 10))


def test_a_module_goes_in_and_its_outputs_are_the_same(digits):
    module = small().train()
    x = torch.tensor(digits[0][1300] / 255, dtype=torch.float32).reshape(1, 8, 8)
    network = absint.Network.from_torch(module, x)
    assert module.training
    assert repr(network).startswith("<Network Sequential: ")
    with torch.no_grad():
        expected = module.eval()(x).numpy()[0]
    assert np.allclose(network.evaluate(x), expected, atol=1e-5)


def test_a_convolution_with_normalisation():
    torch.manual_seed(2)
    module = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(64, 5)
    )
    module[1].running_mean.uniform_(-1, 1)
    x = torch.rand(1, 1, 8, 8)
    network = absint.Network.from_torch(module, x)
    with torch.no_grad():
        assert np.allclose(network.evaluate(x.double().numpy()), module.eval()(x).numpy()[0], atol=1e-4)
    label = int(module(x).argmax())
    assert absint.verify(network, absint.linf(x, 1e-4), label=label).verdict == "verified"


def test_a_witness_goes_back_into_the_module(digits):
    module = small().eval()
    x = torch.tensor(digits[0][1300] / 255, dtype=torch.float32).reshape(1, 8, 8)
    label = int(module(x).argmax())
    result = absint.verify(absint.Network.from_torch(module, x), absint.linf(x, 0.5), label=label)
    assert result.verdict == "falsified" and result.witness.dtype == np.float32
    assert int(module(torch.from_numpy(result.witness)).argmax()) != label


def test_assert_robust(digits):
    module = small().eval()
    x = torch.tensor(digits[0][1300] / 255, dtype=torch.float32).reshape(1, 8, 8)
    assert absint.assert_robust(module, x, 0.001).verdict == "verified"
    with pytest.raises(AssertionError, match="reaches class"):
        absint.assert_robust(module, x, 0.5)
    with pytest.raises(AssertionError, match="is not proved"):
        absint.assert_robust(module, x, 0.001, timeout=0)


def test_what_cannot_be_analysed_is_refused():
    class Floor(nn.Module):
        def forward(self, x):
            return torch.floor(x)

    with pytest.raises(absint.AbsintError, match="Floor|`"):
        absint.Network.from_torch(nn.Sequential(nn.Linear(3, 3), Floor()), torch.zeros(1, 3))


def test_a_query_is_not_asked_of_a_network_whose_softmax_was_dropped():
    torch.manual_seed(4)
    layer, x = nn.Linear(3, 4), torch.zeros(1, 3)
    plain = absint.Network.from_torch(layer, x)
    probabilities = absint.Network.from_torch(nn.Sequential(layer, nn.Softmax(1)), x)
    query = absint.Query(plain, absint.linf(x, 0.1), None, [(np.eye(4)[:1], np.zeros(1))])
    absint.verify(plain, query)
    for call in (absint.verify, absint.attack, absint.compare):
        with pytest.raises(absint.AbsintError, match="ends in a Softmax"):
            call(probabilities, query)
    assert absint.verify(probabilities, absint.linf(x, 0), label=int(layer(x).argmax())).verdict == "verified"


def test_nothing_is_bounded_where_subnormal_numbers_are_taken_for_zero(digits):
    module = small().eval()
    x = torch.tensor(digits[0][1300] / 255, dtype=torch.float32).reshape(1, 8, 8)
    network = absint.Network.from_torch(module, x)
    if not torch.set_flush_denormal(True):
        pytest.skip("this processor has no such mode")
    try:
        with pytest.raises(Exception, match="set_flush_denormal"):
            absint.verify(network, absint.linf(x, 0.001), label=0)
    finally:
        torch.set_flush_denormal(False)
    assert absint.verify(network, absint.linf(x, 0.001), label=0).verdict
