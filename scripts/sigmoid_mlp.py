"""Trains a sigmoid network of 6 × 200 neurons, or of others, on 10,000 MNIST images:
python scripts/sigmoid_mlp.py OUT.onnx [DEPTH WIDTH]

For `tables dual-lp --file OUT.onnx --eps 0.01`. Takes PyTorch and onnx, and finds the images through ABSINT_DATA; one
thread, fixed seed, about a minute.
"""

import gzip
import os
import sys

import numpy as np
import torch

EPOCHS = 12


def read(name):
    path = os.path.join(os.environ["ABSINT_DATA"], "images", name)
    with (gzip.open if name.endswith(".gz") else open)(path, "rb") as file:
        data = file.read()
    shape = [int.from_bytes(data[4 + 4 * i : 8 + 4 * i], "big") for i in range(data[3])]
    return np.frombuffer(data, np.uint8, offset=4 + 4 * len(shape)).reshape(shape)


def samples(images, labels):
    pixels = torch.tensor(read(images).reshape(-1, 784) / 255.0, dtype=torch.float32)
    return pixels, torch.tensor(read(labels).astype(np.int64))


def network(depth, width):
    layers, inputs = [], 784
    for layer in range(depth):
        linear = torch.nn.Linear(inputs, width)
        torch.nn.init.xavier_normal_(linear.weight, gain=2 if layer == 0 else 4)
        with torch.no_grad():
            # Outputs of sigmoids lie around a half.
            linear.bias.copy_(linear.weight.sum(1) * (0.0 if layer == 0 else -0.5))
        layers += [linear, torch.nn.Sigmoid()]
        inputs = width
    return torch.nn.Sequential(*layers, torch.nn.Linear(width, 10))


def main():
    depth, width = (int(n) for n in sys.argv[2:4] or (6, 200))
    torch.manual_seed(0)
    torch.set_num_threads(1)
    model, (x, y) = network(depth, width), samples("train10k-images.idx3-ubyte.gz", "train10k-labels.idx1-ubyte")
    optimiser = torch.optim.Adam(model.parameters(), 1e-3)
    for epoch in range(EPOCHS):
        for batch in torch.randperm(len(x)).split(64):
            optimiser.zero_grad()
            noisy = x[batch] + 0.02 * torch.randn(len(batch), 784)
            torch.nn.functional.cross_entropy(model(noisy), y[batch]).backward()
            optimiser.step()
    x, y = samples("t10k-images.idx3-ubyte", "t10k-labels.idx1-ubyte")
    with torch.no_grad():
        print(f"right on {(model(x).argmax(1) == y).float().mean().item():.2%} of the test images")
    torch.onnx.export(model, (torch.zeros(1, 784),), sys.argv[1], dynamo=False)


if __name__ == "__main__":
    main()
