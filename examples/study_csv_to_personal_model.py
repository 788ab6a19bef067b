"""
From a table of odd-one-out answers to a model of each person
=============================================================

A study of one's own: a table with a row for every answer, and the question whether people differ so much that each
should have a model of their own. First with the 20,000 repeated answers of 325 people about THINGS; then with people
who are **simulated**, as no public study has asked single people often enough, from the table to
``alignkit train hba --subject all``.

What one learns: a table's convention is named, never guessed; who is left out is decided by rules named beforehand; how
well people agree bounds every model; and a personal model counts only where it predicts answers that it was not fitted
to, better than everybody's model does. A median of 40 answers a person cannot show that; a thousand can.
"""

# %%
# Real people
# -----------
# The table as an experiment writes it: who was asked, the three names, and where the odd one stood. Ceilings say how
# often people agree with one another; rules leave out who answered too little to say anything about.

from __future__ import annotations

import argparse
import shlex

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from _folders import options

from alignkit import cli
from alignkit.data import exclude_participants, load_things, read_triplets, simulate
from alignkit.rsa import triplet_accuracy, triplet_ceiling
from alignkit.train import PersonalModels, fit_personal

given = options(argparse.ArgumentParser())
things = load_things(given.data)
repeats = things.repeats
rng = np.random.default_rng(0)
shown = rng.permuted(np.tile(np.arange(3), (len(repeats), 1)), axis=1)
names = np.array(things.labels)[np.take_along_axis(repeats.items, shown, axis=1)]
table = pd.DataFrame(names, columns=["left", "middle", "right"])
table["choice"] = 1 + (shown == 2).argmax(axis=1)
table["who"] = repeats.participant
table.to_csv(given.out / "answers_of_people.csv", index=False)

columns = {"items": ("left", "middle", "right"), "position": "choice", "participant": "who"}
answers = read_triplets(given.out / "answers_of_people.csv", odd="position", labels=things.labels, **columns)
ceiling = triplet_ceiling(answers, n_bootstrap=200)
print(ceiling)
enough = exclude_participants(answers, min_answers=100)
staying = len(np.unique(enough.kept.participant))
print(f"{staying} of {len(enough.participant)} people gave 100 answers or more, and stay")
group = triplet_accuracy(things.spose66, enough.kept, kernel="dot")
print(f"SPoSE-66 predicts {group.accuracy:.3f} of their answers; the others' majority {ceiling.leave_one_out:.3f}")

# %%
# Models of real people
# ---------------------
# Each person's weights on the 66 dimensions, held to everybody's by a prior that the answers themselves suggest.
# "Shared" is everybody's weights fitted to the same answers: what is gained over it is the person's own. Own models
# find people's answers likelier; that they predict more of them is not shown, and hardly a single person stands out.

people = fit_personal(
    things.spose66,
    enough.kept,
    labels=things.labels,
    n_bootstrap=500,
    fitted_to="answers to THINGS, possibly these",
    rng=0,
)
real = {test.name: test for test in people.tests}
for test in people.tests:
    print(test)
print(people.verdict)

# %%
# People who can be asked a thousand times
# ----------------------------------------
# From here on people are simulated, and so are the objects that they judge: drawings whose dimensions are known, ten
# people with weights of their own, a thousand answers from each, and two more who press keys at random within a quarter
# of a second. The table has the columns that the command line reads.

N_PEOPLE, N_ANSWERS = 12, 1000
lab = simulate(120, n_participants=N_PEOPLE, individuality=0.6, rng=0)
lab.export_images(given.out / "drawings")
told = lab.ask(N_PEOPLE * N_ANSWERS, rng=1)
study = pd.DataFrame(np.array(lab.labels)[told.items], columns=["first", "second", "odd"])
study["participant"] = told.participant
study["response_time"] = np.exp(rng.normal(0.5, 0.35, len(study)))
study = pd.concat(
    [
        study,
        pd.DataFrame(
            {
                **dict(zip(("first", "second", "odd"), np.array(lab.labels)[lab.repeats.items].T, strict=True)),
                "participant": lab.repeats.participant,
                "response_time": np.exp(rng.normal(0.5, 0.35, len(lab.repeats))),
            }
        ),
    ]
)
careless = study.participant.isin(lab.participants[-2:]).to_numpy()
cells = ["first", "second", "odd"]
study.loc[careless, cells] = rng.permuted(study.loc[careless, cells].to_numpy(), axis=1)
study.loc[careless, "response_time"] = rng.uniform(0.1, 0.25, careless.sum())
study.to_csv(given.out / "answers.csv", index=False)

read = read_triplets(
    given.out / "answers.csv",
    odd="third",
    labels=lab.labels,
    items=("first", "second", "odd"),
    participant="participant",
    response_time="response_time",
)
exclusion = exclude_participants(read, min_rt=0.25)
print(exclusion)
agreement = {
    "everybody": triplet_ceiling(read, n_bootstrap=0),
    "who stay": triplet_ceiling(exclusion.kept, n_bootstrap=0),
}
print(", ".join(f"leave-one-out of {who} {found.leave_one_out:.3f}" for who, found in agreement.items()))
exclusion.kept.save(given.out / "kept.npz")

# %%
# The group's model, and everybody's own
# --------------------------------------
# The group's model learns the dimensions from the drawings alone: a frozen network, a ridge regression on top. Then
# each person's weights on what it predicts, fitted to the person's own answers. The lines are what one types in a
# shell.

rows = pd.DataFrame(lab.embedding / np.sqrt(lab.noise), columns=lab.dimension_names, index=lab.labels)
rows.to_csv(given.out / "dimensions.csv", index_label="object")
(given.out / "held_out.txt").write_text("\n".join(lab.split["test"]), encoding="utf-8")
words = {
    name: shlex.quote(str(given.out / name)) for name in ("drawings", "dimensions.csv", "held_out.txt", "kept.npz")
}
commands = (
    f"train hba --images {words['drawings']} --targets {words['dimensions.csv']} --held-out {words['held_out.txt']} "
    "--backbone efficientnet-lite0 --text minilm --head ridge --adapter.kind none --optim.lr 1e-5 --loop.max-steps 10 "
    f"--n-bootstrap 200 --out {shlex.quote(str(given.out / 'group'))}",
    f"train hba --subject all --start {shlex.quote(str(given.out / 'group'))} --triplets {words['kept.npz']} "
    f"--n-bootstrap 500 --out {shlex.quote(str(given.out / 'people'))}",
)
for command in commands:
    print(f"$ alignkit {command}")
    assert cli.main(shlex.split(command)) == 0
own = PersonalModels.load(given.out / "people" / "personal.json")
simulated = {test.name: test for test in own.tests}
who = [lab.participants.index(person.subject) for person in own.people]
fitted = own.log_weights - own.shared_log_weights
recovered = float(np.corrcoef(fitted.ravel(), np.log(lab.weights[who]).ravel())[0, 1])
print(f"fitted and planted weights correlate {recovered:.2f}")

# %%
# With a thousand answers each, own models predict answers that they were not fitted to better than everybody's model
# does. How many answers a study needs is known before it begins: ``alignkit design answers --personal-gain 0.02``.
#
# Figure
# ------

figure, axes = plt.subplots(1, 2, figsize=(9.5, 4.2), layout="constrained")
for ax, found, title in (
    (axes[0], people, f"{len(people.people)} real people"),
    (axes[1], own, f"{len(own.people)} simulated people"),
):
    shared, single = (np.array([getattr(person, name) for person in found.people]) for name in ("shared", "own"))
    ends = [min(shared.min(), single.min()) - 0.01, max(shared.max(), single.max()) + 0.01]
    ax.plot(ends, ends, color="0.6", linewidth=1)
    ax.plot(shared, single, "o", color="#0072B2", markersize=4, alpha=0.7)
    asked = sorted(person.n_answers for person in found.people)
    times = f"{asked[0]:,}" if asked[0] == asked[-1] else f"{asked[0]:,} to {asked[-1]:,}"
    ax.set(
        title=f"{title}, {times} answers each",
        xlabel="everybody's weights, held-out accuracy",
        ylabel="own weights",
        aspect="equal",
    )
    ax.spines[["top", "right"]].set_visible(False)
figure.savefig(given.out / "study_csv_to_personal_model.png", dpi=100)
