"""The runs of the experiment: what is trained, and what is wrong with it."""

CONV = ("[ {conv: {out: 8, kernel: 5, stride: 2}}, ACT, {conv: {out: 16, kernel: 3, stride: 2}}, "
        "ACT, {conv: {out: 16, kernel: 3, stride: 2}}, ACT, {dense: 1} ]")
POINTS = "[ {dense: 128}, ACT, {dense: 128}, ACT, {dense: 1} ]"

IMAGES = """name: NAME
seed: SEED
data: {{ dataset: "DATA", noise_std: {noise}, batch_size: {batch} }}
model: {{ layers: {layers} }}
objective: {{ energy_l2: {l2} }}
sampler: {{ steps: {k}, step_size: {step}, noise_std: 0.005, gradient_clip: {clip}, clamp: [0.0, 1.0], init: {init} }}
replay: {{ size: 1024 }}
optimizer: {{ kind: adam, lr: {lr}, gradient_clip: {norm} }}
train: {{ steps: STEPS }}
checkpoint: {{ every_steps: 100, keep_last: 3 }}
"""

TOY = """name: NAME
seed: SEED
data: {{ dataset: toy/{toy}, noise_std: {noise}, batch_size: 64 }}
model: {{ layers: {layers} }}
objective: {{ energy_l2: {l2} }}
sampler: {{ steps: {k}, step_size: 0.1, noise_std: 0.1, gradient_clip: 0, clamp: none, init: replay }}
replay: {{ size: 2048 }}
optimizer: {{ kind: adam, lr: {lr}, gradient_clip: 0 }}
train: {{ steps: STEPS }}
checkpoint: {{ every_steps: 100, keep_last: 3 }}
"""

CALM = dict(batch=16, noise=0.03, layers=CONV.replace("ACT", "swish"), l2=0.1, k=20, step=20.0, clip=0.03,
            init="replay", lr=1e-4, norm=0.1)
# Stable, but with little to hold it: no clips, hardly any regularisation.
BARE = {**CALM, "clip": 0, "norm": 0, "l2": 0.01, "noise": 0.01, "lr": 3e-4}
# As many first attempts look: ReLU, no regularisation, no clips.
WILD = dict(batch=16, noise=0.0, layers=CONV.replace("ACT", "relu"), l2=0, k=10, step=20.0, clip=0,
            init="replay", lr=1e-3, norm=0)
TOY_CALM = dict(toy="rings", noise=0.05, layers=POINTS.replace("ACT", "swish"), l2=0.1, k=20, lr=1e-3)

# name: spec, steps. 20,000 iterations and more, over nets and data.
HEALTHY = {
    "images, swish": (IMAGES.format(**CALM), 6000),
    "images, leaky ReLU": (IMAGES.format(**{**CALM, "layers": CONV.replace("ACT", "leaky_relu")}), 4000),
    "images, K=40, lr 3e-4": (IMAGES.format(**{**CALM, "k": 40, "lr": 3e-4}), 3000),
    "images, chains from noise": (IMAGES.format(**{**CALM, "init": "noise", "k": 30}), 2000),
    "rings, swish": (TOY.format(**TOY_CALM), 20000),
    "8 gaussians, ReLU": (TOY.format(**{**TOY_CALM, "toy": "8gaussians", "noise": 0.02, "l2": 0.05,
                                        "layers": POINTS.replace("ACT", "relu")}), 20000),
    "moons, swish": (TOY.format(**{**TOY_CALM, "toy": "moons", "noise": 0.02}), 10000),
}

# name: spec of an unstable run; the reason is the name.
UNSTABLE = {
    "no regularisation": IMAGES.format(**WILD),
    "too few Langevin steps": IMAGES.format(**{**WILD, "k": 3}),
    "too large a learning rate": IMAGES.format(**{**WILD, "lr": 3e-3}),
    "too large a Langevin step": IMAGES.format(**{**WILD, "step": 200.0}),
    "short chains from noise": IMAGES.format(**{**WILD, "k": 5, "init": "noise"}),
}

# Hard limits as published, and what is done then.
POLICIES = {
    "none": ["stability.detector=off", "stability.max_energy=1e8", "stability.on_divergence=fail"],
    "reload": ["stability.detector=off", "stability.max_energy=1e8", "stability.ladder=reload",
               "stability.max_rollbacks=3"],
    "ladder": [],
}

# What keeps the buffer clean between divergences, and the skipping of lone
# bad steps, which is the same for gradients.
UNGUARDED = ["replay.quarantine=0", "replay.max_age=0", "stability.skip_bad_steps=0"]

# A run that faults are put into: its name, its spec, overrides. Each of two
# ranks has a shard of the batch.
FAULT_RUNS = [
    ("guarded", {**CALM, "batch": 32}, []),
    ("bare", {**BARE, "batch": 32}, []),
    ("unguarded", {**BARE, "batch": 32}, UNGUARDED),
]

# name: environment and overrides from the step of the fault on, ranks.
FAULTS = {
    "NaN in one rank's gradient": ({"EBM_TEST_NAN_AT": "STEP:1"}, [], 2),
    "a fifth of the buffer at +-1e3": ({"EBM_TEST_POISON_AT": "STEP"}, [], 1),
    "learning rate x100": ({"EBM_TEST_LR_BURST": "STEP:1000000"}, [], 1),
    "K=1, no Langevin noise": ({}, ["sampler.steps=1", "sampler.noise_std=0"], 1),
    "no data noise": ({}, ["data.noise_std=0"], 1),
}

# The ablation: with the hygiene of the buffer and without.
HYGIENE = {
    "on": [],
    "off": ["replay.quarantine=0", "replay.max_age=0"],
}
HYGIENE_RUNS = {
    "healthy": IMAGES.format(**CALM),
    "no regularisation": UNSTABLE["no regularisation"],
    "too few Langevin steps": UNSTABLE["too few Langevin steps"],
    "too large a learning rate": UNSTABLE["too large a learning rate"],
}
