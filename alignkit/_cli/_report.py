"""``alignkit report``: runs and results of any kind as one page."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from alignkit._cli._files import check_out
from alignkit._config import Positional
from alignkit.score._choices import CHOICES

if TYPE_CHECKING:
    from alignkit.rsa._metrics import Metric as _Metric
else:
    # whatever the library knows, so that help and refusals name it
    _Metric = Literal[CHOICES["metric"]]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ReportConfig:
    r"""Write runs and results, one or several, as one page that needs no network: figures, tables, methods, versions.

    Takes folders of finished runs, results that other verbs saved as .json, RDMs (.npz, .zarr), features (folders of
    `alignkit extract`) and odd-one-out answers (.npz), of mixed kinds. Several runs are compared by their curves,
    metrics and settings; several RDMs by how alike they are; features with answers show the triplets that the model
    answers most and least as people do, and calibration. RDMs show their items' photos (--images) under the pointer.

    Examples
    --------
    alignkit report my-model --out report.html
    alignkit report my-model other-model result.json --out both.html
    alignkit report people.npz features/ answers.npz --images photos/ \
        --categories categories.csv --out items.html
    """

    results: Positional[tuple[Path, ...]]
    """Folders of runs, saved results, RDMs, features and answers."""
    out: Path = Path("report.html")
    """Where to write the page (.html)."""
    title: str | None = None
    """The page's heading."""
    images: Path | None = None
    """Folder with photos of the items of RDMs, features and answers."""
    categories: Path | None = None
    """Table (.csv or .tsv) with the columns item and category: what items are sorted and coloured by."""
    metric: _Metric = "correlation"
    """Dissimilarity of features in RDMs."""
    kernel: Literal["cosine", "dot", "euclidean"] = "cosine"
    """Similarity of features in triplets."""
    layer: str | None = None
    """Which layer of features that hold several; by default the last."""

    def __post_init__(self) -> None:
        if not self.results:
            msg = "results are required: at least one folder of a run, or file with a result."
            raise ValueError(msg)


def run_report(config: ReportConfig) -> None:
    """Open everything, write the page and say where it is."""
    check_out(config.out, (".html",), (*config.results, config.categories))
    from alignkit.report import write_report

    write_report(
        config.out,
        config.results,
        title=config.title,
        images=config.images,
        categories=config.categories,
        metric=config.metric,
        kernel=config.kernel,
        layer=config.layer,
    )
    print(f"report: {config.out} ({config.out.stat().st_size / 2**20:.2g} MiB)")
