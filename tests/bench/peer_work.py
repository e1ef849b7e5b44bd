"""What all peers of the bench are asked for: the net, and the recipe."""
import math

# The recipe of ebmd's bench specs (nets.py).
STEP_SIZE, NOISE, CLIP, LO, HI = 20.0, 0.005, 0.03, 0.0, 1.0
REPLAY, REINIT, DATA_NOISE, IMAGES = 8192, 0.05, 0.03, 4096
ENERGY_L2, LEARNING_RATE, BETAS, GRADIENT_CLIP = 0.1, 1e-4, (0.0, 0.999), 0.1


class Work:
    """shape (C, H, W), layers as [(kind, numbers)], batch, Langevin steps, threads."""

    def __init__(self, shape, layers, batch, steps, threads):
        self.shape = tuple(int(n) for n in shape.split("x"))
        self.layers = [(w.split(":")[0], [int(n) for n in w.split(":")[1:]])
                       for w in layers.split(",")]
        self.batch, self.steps, self.threads = int(batch), int(steps), int(threads)
        self.replay = max(REPLAY, self.batch)


def same_padding(size, kernel, stride):
    """As TensorFlow's "same": what comes before, and what after."""
    total = max((math.ceil(size / stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def linear_layers(work):
    """(kind, numbers, inputs, fan-in) of each layer, where it is linear."""
    c, h, w = work.shape
    for kind, n in work.layers:
        if kind == "conv":
            out, kernel, stride = n
            yield kind, n, c, c * kernel * kernel
            c, h, w = out, math.ceil(h / stride), math.ceil(w / stride)
        elif kind == "dense":
            yield kind, n, c * h * w, c * h * w
            c, h, w = n[0], 1, 1
        else:
            yield kind, n, None, None
