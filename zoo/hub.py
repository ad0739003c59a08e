"""The architectures of ``zoo`` as torch.hub entry points, one function each.

``hubconf.py`` publishes them.

``torch.hub.help`` prints these docstrings, so each says what the network is, which options it takes
and how to call it. All share three rules:

- ``pretrained=False`` builds the network with random weights, in training mode, from torch alone.
- ``weights="DEFAULT"`` (or ``pretrained=True``) loads the default weights of ``registry.json``,
  verified, and puts the network in evaluation mode; ``weights="tag"`` chooses others,
  ``weights=None`` none, as in torchvision's hubconf. ``progress=False`` silences the progress bar.
- Any other option goes to the builder in ``zoo.models``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zoo.models.alexnet_2012 import alexnet_2012 as build_alexnet_2012
from zoo.models.cnnnet import cnnnet as build_cnnnet
from zoo.models.googlenet_2014 import googlenet_2014 as build_googlenet_2014
from zoo.models.lenet import lenet5 as build_lenet5
from zoo.models.mobilenet_v1 import mobilenet_v1_025 as build_mobilenet_v1_025
from zoo.models.mobilenet_v1 import mobilenet_v1_050 as build_mobilenet_v1_050
from zoo.models.mobilenet_v1 import mobilenet_v1_075 as build_mobilenet_v1_075
from zoo.models.mobilenet_v1 import mobilenet_v1_100 as build_mobilenet_v1_100
from zoo.models.nasnet import nasnet_a_large as build_nasnet_a_large
from zoo.models.nasnet import nasnet_a_mobile as build_nasnet_a_mobile
from zoo.models.pnasnet import pnasnet_5_large as build_pnasnet_5_large
from zoo.models.pnasnet import pnasnet_5_mobile as build_pnasnet_5_mobile

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn

__all__ = [
    "alexnet_2012",
    "cnnnet",
    "googlenet_2014",
    "lenet5",
    "mobilenet_v1_025",
    "mobilenet_v1_050",
    "mobilenet_v1_075",
    "mobilenet_v1_100",
    "nasnet_a_large",
    "nasnet_a_mobile",
    "pnasnet_5_large",
    "pnasnet_5_mobile",
]


def lenet5(pretrained: bool = False, progress: bool = True, **options: Any) -> nn.Module:
    """Build LeNet-5 for grey images of 32x32: 61,706 parameters.

    Paper: LeCun et al. 1998, "Gradient-based learning applied to document recognition",
        doi:10.1109/5.726791.
    Weights: trained on the digits of scikit-learn; they ship with this repository, nothing is
        downloaded.

    Args:
        pretrained: Load the trained weights; their images have bright ink on a dark ground.
        progress: Show a progress bar if something must be downloaded.
        options: ``num_classes=10``, ``in_channels=1``, ``variant="usual"`` or ``"classic"``, the
            1998 network with trainable subsampling, partly connected C3 and scaled tanh (no
            weights).

    Example:
        >>> import torch
        >>> model = torch.hub.load(".", "lenet5", source="local", pretrained=True)
        >>> model(torch.zeros(1, 1, 32, 32)).shape
        torch.Size([1, 10])
    """
    return _build(build_lenet5, pretrained, progress, options)


def cnnnet(pretrained: bool = False, progress: bool = True, **options: Any) -> nn.Module:
    """Build CNNNet, the network of the chapter on convolutional networks.

    57,012,034 parameters at two classes.

    Book: Pointer 2019, "Programming PyTorch for Deep Learning", chapter 3. Key for key it is
    torchvision's ``alexnet(num_classes=2)``.
    Weights: none are published.

    Args:
        pretrained: Must stay False.
        progress: Without effect.
        options: ``num_classes=2``, ``in_channels=3``, ``drop_rate=0.5``.

    Example:
        >>> import torch
        >>> model = torch.hub.load(".", "cnnnet", source="local", num_classes=3)
        >>> model(torch.zeros(2, 3, 224, 224)).shape
        torch.Size([2, 3])
    """
    return _build(build_cnnnet, pretrained, progress, options)


def alexnet_2012(pretrained: bool = False, progress: bool = True, **options: Any) -> nn.Module:
    """Build AlexNet as published in 2012, with two towers and response normalisation.

    60,965,224 parameters.

    Paper: Krizhevsky, Sutskever, Hinton 2012, "ImageNet classification with deep convolutional
    neural networks". torchvision's ``alexnet`` is the later one-tower network.
    Weights: none are published.

    Args:
        pretrained: Must stay False.
        progress: Without effect.
        options: ``num_classes=1000``, ``in_channels=3``, ``drop_rate=0.5``. Images are 224x224 or
            227x227.

    Example:
        >>> import torch
        >>> model = torch.hub.load(".", "alexnet_2012", source="local")
        >>> model(torch.zeros(2, 3, 224, 224)).shape
        torch.Size([2, 1000])
    """
    return _build(build_alexnet_2012, pretrained, progress, options)


def googlenet_2014(pretrained: bool = False, progress: bool = True, **options: Any) -> nn.Module:
    """Build GoogLeNet as published in 2014: 6,998,552 parameters without the auxiliary heads.

    Paper: Szegedy et al. 2014, "Going deeper with convolutions", arXiv:1409.4842. torchvision's
    ``googlenet`` has batch normalisation, and 3x3 convolutions in the 5x5 branch.
    Weights: none are published.

    Args:
        pretrained: Must stay False.
        progress: Without effect.
        options: ``num_classes=1000``, ``in_channels=3``, ``drop_rate=0.4``, ``aux_logits=True``. In
            training the network puts out three sets of logits; add the losses of the second and the
            third with weight 0.3.

    Example:
        >>> import torch
        >>> model = torch.hub.load(".", "googlenet_2014", source="local").eval()
        >>> model(torch.zeros(2, 3, 224, 224)).shape
        torch.Size([2, 1000])
    """
    return _build(build_googlenet_2014, pretrained, progress, options)


def mobilenet_v1_100(pretrained: bool = False, progress: bool = True, **options: Any) -> nn.Module:
    """Build MobileNet at full width: 4,231,976 parameters.

    Paper: Howard et al. 2017, "MobileNets: efficient convolutional neural networks for mobile
    vision applications", arXiv:1704.04861.
    Weights: timm's ``ra4_e3600_r224_in1k`` for ImageNet; images have mean and standard deviation
    0.5.

    Args:
        pretrained: Load the weights.
        progress: Show a progress bar while downloading.
        options: ``num_classes=1000``, ``in_channels=3``, ``drop_rate=0.0``, ``padding="symmetric"``
            or TensorFlow's ``"same"``, ``norm_eps=1e-5`` (1e-3 for weights converted from
            TensorFlow).

    Example:
        >>> import torch
        >>> model = torch.hub.load(".", "mobilenet_v1_100", source="local").eval()
        >>> model(torch.zeros(2, 3, 224, 224)).shape
        torch.Size([2, 1000])
    """
    return _build(build_mobilenet_v1_100, pretrained, progress, options)


def mobilenet_v1_075(pretrained: bool = False, progress: bool = True, **options: Any) -> nn.Module:
    """Build MobileNet at width 0.75: 2,585,560 parameters.

    Paper, options and call are those of ``mobilenet_v1_100``.
    Weights: none are published in a format for this network, so ``pretrained`` must stay False.
    """
    return _build(build_mobilenet_v1_075, pretrained, progress, options)


def mobilenet_v1_050(pretrained: bool = False, progress: bool = True, **options: Any) -> nn.Module:
    """Build MobileNet at width 0.5: 1,331,592 parameters.

    Paper, options and call are those of ``mobilenet_v1_100``.
    Weights: none are published in a format for this network, so ``pretrained`` must stay False.
    """
    return _build(build_mobilenet_v1_050, pretrained, progress, options)


def mobilenet_v1_025(pretrained: bool = False, progress: bool = True, **options: Any) -> nn.Module:
    """Build MobileNet at width 0.25: 470,072 parameters.

    Paper, options and call are those of ``mobilenet_v1_100``.
    Weights: none are published in a format for this network, so ``pretrained`` must stay False.
    """
    return _build(build_mobilenet_v1_025, pretrained, progress, options)


def nasnet_a_mobile(pretrained: bool = False, progress: bool = True, **options: Any) -> nn.Module:
    """Build NASNet-A (4 @ 1056) for images of 224x224: 5,289,978 parameters.

    Paper: Zoph et al. 2017, "Learning transferable architectures for scalable image recognition",
        arXiv:1707.07012.
    Weights: Cadene's ``cadene_imagenet1k`` (no license stated); images have mean and standard
        deviation 0.5.

    Args:
        pretrained: Load the weights.
        progress: Show a progress bar while downloading.
        options: ``num_classes=1000``, ``in_channels=3``, ``drop_rate=0.5``, ``genotype=``, cells of
            your own (``zoo.models.genotype.Genotype``).

    Example:
        >>> import torch
        >>> model = torch.hub.load(".", "nasnet_a_mobile", source="local").eval()
        >>> model(torch.zeros(2, 3, 224, 224)).shape
        torch.Size([2, 1000])
    """
    return _build(build_nasnet_a_mobile, pretrained, progress, options)


def nasnet_a_large(pretrained: bool = False, progress: bool = True, **options: Any) -> nn.Module:
    """Build NASNet-A (6 @ 4032) for images of 331x331: 88,753,150 parameters.

    Paper and options are those of ``nasnet_a_mobile``, and ``grad_checkpointing=True`` trains in
    less memory and more time.
    Weights: timm's ``tf_in1k`` (Apache-2.0) or, with ``weights="cadene_imagenet1k"``, Cadene's (no
    license stated); both are the authors' own, converted. Images have mean and standard deviation
    0.5.

    Args:
        pretrained: Load the weights.
        progress: Show a progress bar while downloading.
        options: See above.
    """
    return _build(build_nasnet_a_large, pretrained, progress, options)


def pnasnet_5_mobile(pretrained: bool = False, progress: bool = True, **options: Any) -> nn.Module:
    """Build PNASNet-5 (N = 3, F = 54) for images of 224x224: 5,064,487 parameters.

    Paper: Liu et al. 2017, "Progressive neural architecture search", arXiv:1712.00559.
    Weights: none are published in a format for this network.

    Args:
        pretrained: Must stay False.
        progress: Without effect.
        options: ``num_classes=1000``, ``in_channels=3``, ``drop_rate=0.5``, ``genotype=``, cells of
            your own (``zoo.models.genotype.Genotype``).

    Example:
        >>> import torch
        >>> model = torch.hub.load(".", "pnasnet_5_mobile", source="local").eval()
        >>> model(torch.zeros(2, 3, 224, 224)).shape
        torch.Size([2, 1000])
    """
    return _build(build_pnasnet_5_mobile, pretrained, progress, options)


def pnasnet_5_large(pretrained: bool = False, progress: bool = True, **options: Any) -> nn.Module:
    """Build PNASNet-5 (N = 4, F = 216) for images of 331x331: 86,057,668 parameters.

    Paper and options are those of ``pnasnet_5_mobile``, and ``grad_checkpointing=True`` trains in
    less memory and more time.
    Weights: timm's ``tf_in1k`` (Apache-2.0) or, with ``weights="cadene_imagenet1k"``, Cadene's (no
    license stated); both are the authors' own, converted. Images have mean and standard deviation
    0.5.

    Args:
        pretrained: Load the weights.
        progress: Show a progress bar while downloading.
        options: See above.
    """
    return _build(build_pnasnet_5_large, pretrained, progress, options)


def _build(
    builder: Callable[..., nn.Module],
    pretrained: bool,
    progress: bool,
    options: dict[str, Any],
) -> nn.Module:
    """Build with random weights, or let the loader find, verify and read the registry's."""
    usual = "default" if pretrained else None
    chosen = options.pop("weights", usual)
    if chosen is None:
        return builder(**options)

    from zoo.catalog.resolver import find_architecture
    from zoo.errors import OptionError
    from zoo.loader import load_model

    name = builder.__name__
    architecture = find_architecture(name)
    if architecture.default is None:
        option = "pretrained" if pretrained else "weights"
        value = True if pretrained else chosen
        fault = f"no weights are published for it; leave {option} out"
        raise OptionError(name, f"{option}={value!r}", fault)

    if isinstance(chosen, str) and chosen.lower() == "default":
        chosen = "default"
    return load_model(name, weights=chosen, progress=progress, **options)
