"""The 48 objects of THINGS whose every triplet people judged."""

from __future__ import annotations

#: uniqueIDs, in the order of the published matrix. Nobody trains on them: they are what models are compared on.
#: Hebart et al. (2020), Nature Human Behaviour 4, 1173-1185, https://doi.org/10.1038/s41562-020-00951-3
# fmt: off
THINGS48 = (
    "pizza", "beaver", "macadamia", "tarantula", "clothes", "doormat", "hammer", "mistletoe", "washcloth", "drain",
    "furnace", "tea", "chariot", "coaster", "music_box", "rolling_pin", "knob", "bookshelf", "candelabra", "table",
    "metal_detector", "bumper", "turban", "flagpole", "plaster_cast", "tuba", "camera1", "rudder", "canvas", "dice",
    "toolbox", "trigger", "bowler_hat", "headphones", "file1", "bench", "navel", "canister", "tiara", "hopscotch",
    "trophy", "punching_bag", "jet", "telegraph", "bag", "laptop", "tape_measure", "bucket",
)
# fmt: on
