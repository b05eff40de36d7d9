"""What computes a network's outputs: PyTorch wherever it runs, OpenVINO on CPUs.

Every one is a `Backend`. The rest of the package asks for outputs and never for a library, with one exception: who
needs gradients takes the PyTorch network, which a classifier keeps whatever answers.
"""

from acousticsense.inference.backends.base import Backend
from acousticsense.inference.backends.pytorch import Precision, TorchBackend, best_precision, to_device
from acousticsense.inference.backends.sharing import SharedForward

__all__ = ["Backend", "Precision", "SharedForward", "TorchBackend", "best_precision", "to_device"]
