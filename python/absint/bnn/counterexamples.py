"""The verifier in the loop: counterexamples of the exact engine for images at which the attack fails."""

from __future__ import annotations

from fractions import Fraction
from threading import Thread
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from absint.bnn.config import Config
    from absint.bnn.network import Net

# Seconds for one image.
LIMIT = 10.0


class Counterexamples:
    """What the exact engine found about the network of the epoch before, while that epoch went on."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.found: dict[int, Tensor] = {}
        self._thread: Thread | None = None
        self._next: dict[int, Tensor] = {}
        self._failure: BaseException | None = None

    def begin(self, net: Net, x: Tensor, labels: Tensor, generator: torch.Generator) -> None:
        """Begins to verify a sample of the images on the network as it is now, in the background."""
        from absint.bnn.export import network_of

        network = network_of(net)
        sample = torch.randperm(len(x), generator=generator)[: self.config.verify_images]
        images = x[sample].flatten(1).numpy()
        of_sample = labels[sample].numpy()

        def search() -> None:
            import absint

            try:
                run = absint.certify(
                    network,
                    (images, of_sample),
                    self.config.eps,
                    method="exact",
                    timeout=LIMIT,
                    threads=self.config.threads,
                    witnesses=True,
                    progress=False,
                )
                for line in run:
                    if line.get("witness") is not None:
                        pixels = torch.tensor([float(Fraction(x)) for x in line["witness"]["input"]])
                        self._next[int(sample[line["image"]])] = pixels.reshape(x.shape[1:])
            except BaseException as failure:
                self._failure = failure

        self._next, self._failure = {}, None
        self._thread = Thread(target=search)
        self._thread.start()

    def finish(self) -> None:
        """Waits for what was begun, which the next epoch uses."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None
            if self._failure is not None:
                raise self._failure
            self.found = self._next

    def put_in(self, net: Net, attacked: Tensor, labels: Tensor, index: Tensor) -> Tensor:
        """The batch with counterexamples in place of the images at which the attack failed."""
        if not self.found:
            return attacked
        with net.evaluating(), torch.no_grad():
            failed = net(attacked).argmax(1) == labels
        attacked = attacked.clone()
        for row in failed.nonzero().flatten().tolist():
            pixels = self.found.get(int(index[row]))
            if pixels is not None:
                attacked[row] = pixels
        return attacked
