"""Your own network, by ``my_module:factory``."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from importlib import import_module, util
from pathlib import Path
from typing import Any

from alignkit._check import require
from alignkit.models._model import Model
from alignkit.models._options import Options
from alignkit.models._preprocess import Preprocess


def load_factory(module: str, function: str, options: Options) -> Model:
    """Call ``module:function`` and wrap what it returns.

    The function takes no arguments and returns an ``nn.Module``, ``(nn.Module, preprocess)`` or a :class:`Model`.

    Raises
    ------
    ValueError
        No such module or function, one that fails, or a size for a preprocessing that has its own.
    TypeError
        Something else is returned.
    """
    options.refuse("weights", "architecture")
    made = call_factory(module, function)
    if isinstance(made, Model):
        options.refuse("img_size", "preprocess")
        return made
    network, preprocess = made if isinstance(made, tuple) and len(made) == 2 else (made, None)
    _check_network(options.name, network)
    if preprocess is not None and options.preprocess is None:
        options.refuse("img_size")
    size = options.img_size or 224
    return Model.from_module(
        network,
        options.preprocess_or(lambda: _own(options.name, network, preprocess, size), size),
        name=options.name,
        settings={"img_size": options.img_size} if options.img_size is not None else {},
        n_prefix_tokens=int(getattr(network, "num_prefix_tokens", 0)),
        class_token=getattr(network, "cls_token", None) is not None,
    )


def _own(name: str, network: Any, preprocess: Any, size: int) -> Any:
    if preprocess is not None:
        return preprocess
    if getattr(network, "pretrained_cfg", None):
        return Preprocess.from_timm(require("timm.data", "train").resolve_model_data_config(network))
    warnings.warn(
        f"{name} gives no preprocessing; ImageNet's usual at {size} pixels is taken (pass preprocess= to choose).",
        UserWarning,
        stacklevel=2,
    )
    return Preprocess.imagenet(size)


def call_factory(module: str, function: str) -> Any:
    """Return what ``module:function`` gives, with errors that say whose they are."""
    factory = _function(module, function)
    try:
        return factory()
    except Exception as error:  # whatever a user's function raises, said as theirs
        msg = f"{module}:{function} failed with {type(error).__name__}: {error}"
        raise ValueError(msg) from error


def _check_network(name: str, network: Any) -> None:
    from torch import nn

    if not isinstance(network, nn.Module):
        msg = f"{name} must give a torch.nn.Module; got {type(network).__name__}."
        raise TypeError(msg)


def _function(module: str, function: str) -> Callable[[], Any]:
    here = str(Path.cwd())
    try:
        # a console script does not look into the folder it is called from; python -m does
        sys.path.insert(0, here)
        found = util.find_spec(module)
        loaded = import_module(module) if found is not None else None
    except ModuleNotFoundError as error:
        if error.name is None or not module.startswith(error.name):
            raise _broken(module, error) from error
        loaded = None
    except Exception as error:  # a module that cannot be read, or fails when it runs
        raise _broken(module, error) from error
    finally:
        sys.path.remove(here)
    if loaded is None:
        msg = f"there is no module {module!r} here ({here}) or among the installed packages."
        raise ValueError(msg)
    factory: Any = getattr(loaded, function, None)
    if not callable(factory):
        msg = f"the module {module!r} has no function {function!r}."
        raise ValueError(msg)
    return factory


def _broken(module: str, error: Exception) -> ValueError:
    return ValueError(f"the module {module!r} cannot be imported ({type(error).__name__}: {error}).")
