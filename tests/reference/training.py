"""Training as a plain loop: AdamW by its formulas, one batch at a time, nothing saved."""

from __future__ import annotations

import math

import torch


def adamw_step(p, gradient, slots, t, *, lr, beta1, beta2, eps, decay):
    """Take one step of Loshchilov & Hutter 2019, algorithm 2, in place; t counts from 1."""
    m, v = slots
    m.mul_(beta1).add_((1 - beta1) * gradient)
    v.mul_(beta2).add_((1 - beta2) * gradient**2)
    p.sub_(lr * decay * p)
    p.sub_(lr * (m / (1 - beta1**t)) / ((v / (1 - beta2**t)).sqrt() + eps))


def train_plainly(task, order, n_steps, rates, *, optim, ema=None, decayed=lambda p: p.ndim >= 2):
    """Return losses, gradient norms and the averages of the weights; the task's module is left trained."""
    named = {name: p for name, p in task.module.named_parameters() if p.requires_grad}
    slots = {name: (torch.zeros_like(p), torch.zeros_like(p)) for name, p in named.items()}
    averages = {name: p.detach().clone() for name, p in named.items()}
    losses, norms = [], []
    task.module.train()
    for step in range(n_steps):
        samples = order.batch(step)
        loss = task.loss(task.module(task.inputs(samples)), task.targets(samples))["loss"]
        gradients = dict(zip(named, torch.autograd.grad(loss, list(named.values())), strict=True))
        norm = math.sqrt(sum(float((g**2).sum()) for g in gradients.values()))
        factor = 1.0 if optim.clip is None or norm <= optim.clip else optim.clip / norm
        with torch.no_grad():
            for name, p in named.items():
                decay = optim.weight_decay if decayed(p) else 0.0
                settings = {"beta1": optim.beta1, "beta2": optim.beta2, "eps": optim.eps, "decay": decay}
                adamw_step(p, factor * gradients[name], slots[name], step + 1, lr=rates[step], **settings)
                if ema is not None:
                    averages[name] = ema * averages[name] + (1 - ema) * p
        losses.append(float(loss.detach()))
        norms.append(norm)
    return losses, norms, averages
