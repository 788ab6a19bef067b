"""Fitting a teacher: a full W on people's answers, beside the published batches of triplets in torch."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from alignkit.align import fit_transform
from alignkit.align._map_objective import Answers, MapObjective
from alignkit.align._maps import make_map
from alignkit.align._soft_triplets import draw_triplets
from alignkit.rsa import choice_probabilities
from benchmarks._harness import Line, Timing, arguments, keep, largest_difference, peer, timed

N_ITEMS, PENALTY = 1854, 0.1
#: Triplets, channels, seconds promised on two processors.
SIZES = ((146_000, 384, 15.0), (4_000_000, 384, 150.0), (4_000_000, 768, 240.0))
SMALL = ((5_000, 64, 15.0),)
#: The published fit: batches of 256 triplets, and epochs before it may stop.
BATCH, EPOCHS, TIMED = 256, 15, 20


def simulated(n: int, n_channels: int) -> tuple[Any, Any]:
    """Return features whose variance falls off as that of real ones, and answers that some directions explain."""
    rng = np.random.default_rng(0)
    latent = rng.normal(size=(N_ITEMS, n_channels)) / np.sqrt(1 + np.arange(n_channels))
    x = latent @ np.linalg.qr(rng.normal(size=(n_channels, n_channels)))[0]
    items = draw_triplets(N_ITEMS, n, rng)
    p = choice_probabilities(4.0 * latent[:, 10:50], items)
    odd = (rng.random((n, 1)) > p.cumsum(axis=1)).sum(axis=1)
    return x, np.take_along_axis(items, (np.minimum(odd, 2)[:, None] + [1, 2, 0]) % 3, axis=1)


def published_step(torch: Any, x: Any, n_channels: int) -> Any:
    """Return a function that takes one step on a batch as gLocal's training does: gather, dot products, autograd."""
    x = torch.from_numpy(x).float()
    weights = torch.nn.Parameter(1e-3 * torch.eye(n_channels))
    optimizer = torch.optim.Adam([weights], lr=1e-3)

    def step(items: Any) -> float:
        a, b, c = (x[column] @ weights for column in items.T)
        logits = torch.stack([(a * b).sum(1), (a * c).sum(1), (b * c).sum(1)], dim=1)
        loss = -torch.log_softmax(logits, dim=1)[:, 0].mean()
        off = weights - weights.diagonal().mean() * torch.eye(n_channels)
        loss = loss + PENALTY * (off**2).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return float(loss.detach())

    return step


def rival(torch: Any, x: Any, items: Any) -> Timing:
    """Return the seconds of the published fit, from a few of its steps."""
    step = published_step(torch, x, x.shape[1])
    batches = torch.from_numpy(items[: BATCH * (TIMED + 3)]).split(BATCH)
    for batch in batches[:3]:
        step(batch)
    start = time.perf_counter()
    for batch in batches[3:]:
        step(batch)
    seconds = (time.perf_counter() - start) / max(1, len(batches) - 3) * -(-len(items) // BATCH) * EPOCHS
    return Timing(seconds, seconds, 1, float("nan"))


def check(torch: Any, x: Any, items: Any) -> float:
    """Hold the first loss of the published form against ours."""
    eye = 1e-3 * np.eye(x.shape[1])
    form = make_map("full", x, None)
    objective = MapObjective(x, Answers(items[:BATCH]), form, bias=False, regulariser="global", penalty=PENALTY)
    ours = objective(form.start(eye))[0]
    theirs = published_step(torch, x, x.shape[1])(torch.from_numpy(items[:BATCH]))
    return largest_difference(ours, theirs, limit=1e-5)


def main() -> None:
    options = arguments(__doc__).parse_args()
    torch = peer("torch")
    lines = []
    for n, n_channels, promised in SMALL if options.small else SIZES:
        x, items = simulated(n, n_channels)
        difference = check(torch, x, items) if torch else float("nan")

        def fit(x: Any = x, items: Any = items) -> Any:
            return fit_transform(x, items, penalty=PENALTY, calibrate=False)

        ours, teacher = timed(fit)
        lines.append(
            Line(
                f"full W of {n_channels} channels on {n:,} answers, {len(teacher.history) - 1} iterations "
                f"(promised: under {promised:g} s)",
                f"{EPOCHS} epochs of batches of {BATCH} in torch, as published ({TIMED} steps timed)",
                ours,
                rival(torch, x, items) if torch else None,
                None,
                "",
                0,
                difference,
                "" if teacher.converged else "stopped at its limit of iterations",
            )
        )
        print(f"{n:,} x {n_channels}: {ours.median:.1f} s", flush=True)
    keep("teacher_fit", lines, small=options.small)


if __name__ == "__main__":
    main()
