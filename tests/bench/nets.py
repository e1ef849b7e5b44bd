"""The nets of the bench, and what is made of one: specs and data."""
import array
import os
import random
import struct

# name: (shape, layers)
NETS = {
    "conv-seed": ("1x28x28", "conv:16:3:1,swish,conv:32:3:2,swish,conv:64:3:2,swish,"
                             "conv:128:3:2,swish,conv:256:3:2,swish,dense:1"),
    "conv-small": ("1x28x28", "conv:16:5:2,swish,conv:32:3:2,swish,conv:64:3:2,swish,"
                              "conv:64:3:2,swish,dense:64,swish,dense:1"),
    "mlp": ("2x1x1", "dense:1000,relu,dense:1000,relu,dense:1"),
    "cifar": ("3x32x32", "conv:64:3:1,swish,conv:64:3:2,swish,conv:128:3:2,swish,"
                         "conv:192:3:2,swish,conv:192:3:2,swish,dense:1"),
}
REPLAY, IMAGES = 8192, 4096

SPEC = """\
name: bench
seed: {seed}
resources: {{ ranks: {ranks}, threads: {threads} }}
data: {{ dataset: "{dataset}", batch_size: {batch}, noise_std: 0.03 }}
model:
  layers:
{layers}
sampler: {{ steps: {steps}, step_size: 20.0, noise_std: 0.005, gradient_clip: 0.03,
           clamp: [0.0, 1.0], precision: {precision} }}
replay: {{ size: {replay}, reinit_prob: 0.05 }}
objective: {{ energy_l2: 0.1 }}
optimizer: {{ kind: adam, lr: {lr}, betas: [0.0, 0.999], gradient_clip: 0.1 }}
train: {{ steps: 1000000 }}
checkpoint: {{ every_steps: 1000000 }}
pictures: {{ every_steps: 0 }}
"""


class Net:
    def __init__(self, name, shape, layers):
        self.name, self.shape, self.layers = name, shape, layers
        c, h, w = (int(n) for n in shape.split("x"))
        self.c, self.h, self.w, self.size = c, h, w, c * h * w


def nets_of(args):
    """Those of --nets, or the one of --net."""
    if args.net:
        return [Net("own", *args.net.split("/", 1))]
    return [Net(n, *NETS[n]) for n in args.nets.split(",") if n]


def layer_lines(layers):
    for word in layers.split(","):
        kind, *n = word.split(":")
        if kind == "conv":
            yield f"    - conv: {{out: {n[0]}, kernel: {n[1]}, stride: {n[2]}}}"
        elif kind == "dense":
            yield f"    - dense: {n[0]}"
        else:
            yield f"    - {kind}" if kind != "leaky" else "    - leaky_relu: {slope: 0.01}"


def write_spec(path, net, dataset="toy/rings", batch=128, steps=1, ranks=1, threads=1,
               precision="fp32", seed=1, lr="1.0e-4"):
    with open(path, "w") as f:
        f.write(SPEC.format(seed=seed, ranks=ranks, threads=threads, dataset=dataset, batch=batch,
                            steps=steps, layers="\n".join(layer_lines(net.layers)),
                            precision=precision, replay=max(REPLAY, batch), lr=lr))
    return path


def image(net, dice):
    """A bright box on a dark ground, a little different in each channel."""
    pixels = bytearray(net.size)
    h, w = dice.randint(1, net.h), dice.randint(1, net.w)
    top, left = dice.randint(0, net.h - h), dice.randint(0, net.w - w)
    for c in range(net.c):
        row = bytes([dice.randint(128, 255)]) * w
        for y in range(top, top + h):
            at = (c * net.h + y) * net.w + left
            pixels[at:at + w] = row
    return pixels


def write_images(folder, net, batch):
    """A folder of IDX files of the net's shape; its name as a data set."""
    os.makedirs(folder, exist_ok=True)
    count, dice = max(IMAGES, 2 * batch), random.Random(1)
    sizes = [count, net.h, net.w] if net.c == 1 else [count, net.c, net.h, net.w]
    data = array.array("B")
    for _ in range(count):
        data.frombytes(bytes(image(net, dice)))
    with open(os.path.join(folder, "train-images-idx3-ubyte"), "wb") as f:
        f.write(struct.pack(f">HBB{len(sizes)}I", 0, 8, len(sizes), *sizes))
        data.tofile(f)
    return "idx:" + os.path.abspath(folder)
