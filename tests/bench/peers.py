"""Peers of the bench: the same Langevin chain in PyTorch and in JAX, each as a
process that waits for orders, as bench_chain.c does.

usage: peers.py torch|jax VARIANT SHAPE LAYERS BATCH STEPS THREADS

SHAPE is 1x28x28; LAYERS is a list as conv:16:3:1,swish,...,dense:1; VARIANT is
eager, channels-last, compile, bf16, compile-bf16 for torch and fp32, bf16 for
jax. Each is written as its own community would write it: no work is left in
that the chain does not need, and nothing is left out of what it does.
"""
import math
import os
import sys
import time

STEP_SIZE, NOISE, CLIP, LO, HI = 20.0, 0.005, 0.03, 0.0, 1.0


def parse(layers):
    for word in layers.split(","):
        kind, *numbers = word.split(":")
        yield kind, [int(n) for n in numbers]


def same_padding(size, kernel, stride):
    """As TensorFlow's "same": what comes before, and what after."""
    total = max((math.ceil(size / stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def torch_net(shape, layers):
    import torch
    from torch import nn

    c, h, w = shape
    modules, flat = [], False
    for kind, n in parse(layers):
        if kind == "conv":
            out, kernel, stride = n
            left, right = same_padding(w, kernel, stride)
            top, bottom = same_padding(h, kernel, stride)
            if left == right == top == bottom:
                modules.append(nn.Conv2d(c, out, kernel, stride, padding=left))
            else:
                modules += [nn.ZeroPad2d((left, right, top, bottom)),
                            nn.Conv2d(c, out, kernel, stride)]
            c, h, w = out, math.ceil(h / stride), math.ceil(w / stride)
        elif kind == "dense":
            if not flat:
                modules.append(nn.Flatten())
                flat = True
            modules.append(nn.Linear(c * h * w, n[0]))
            c, h, w = n[0], 1, 1
        else:
            modules.append({"swish": nn.SiLU, "relu": nn.ReLU}[kind]())
    torch.manual_seed(1)
    return nn.Sequential(*modules)


def torch_chain(variant, shape, layers, batch, steps, threads):
    import torch

    torch.set_num_threads(threads)
    net = torch_net(shape, layers)
    for p in net.parameters():
        p.requires_grad_(False)
    x0 = torch.rand(batch, *shape)
    if "channels-last" in variant or "compile" in variant:
        net = net.to(memory_format=torch.channels_last)
        x0 = x0.to(memory_format=torch.channels_last)
    bf16 = "bf16" in variant

    def gradient(x):
        x = x.detach().requires_grad_(True)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
            energy = net(x).float().sum()
        return torch.autograd.grad(energy, x)[0]

    def step(x):
        g = gradient(x).clamp_(-CLIP, CLIP)
        return x.add(g, alpha=-STEP_SIZE / 2).add_(torch.randn_like(x), alpha=NOISE).clamp_(LO, HI)

    if "compile" in variant:
        # The gradient as a function of its own: torch.autograd.grad inside a
        # compiled function breaks its graph.
        def energy(x):
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
                return net(x).float().sum()

        functional = torch.func.grad(energy)

        def whole(x):
            g = functional(x).clamp(-CLIP, CLIP)
            return (x - STEP_SIZE / 2 * g + NOISE * torch.randn_like(x)).clamp(LO, HI)

        step = torch.compile(whole)

    def chain():
        x = x0
        for _ in range(steps):
            x = step(x)
        return x

    def params():
        for p in net.parameters():
            p.requires_grad_(True)
        loss = net(x0).sum() - net(x0).sum()
        grads = torch.autograd.grad(loss, list(net.parameters()))
        for p in net.parameters():
            p.requires_grad_(False)
        return grads

    return {"chain": chain, "params": params}


def jax_chain(variant, shape, layers, batch, steps, threads):
    os.environ["XLA_FLAGS"] = (f"--xla_cpu_multi_thread_eigen={'true' if threads > 1 else 'false'}"
                               f" intra_op_parallelism_threads={threads}")
    if threads == 1:
        os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[0]})
    import jax
    import jax.numpy as jnp
    from jax import lax

    dtype = jnp.bfloat16 if variant == "bf16" else jnp.float32
    key = jax.random.PRNGKey(1)
    c, h, w = shape
    net = []
    for kind, n in parse(layers):
        key, sub = jax.random.split(key)
        if kind == "conv":
            out, kernel, stride = n
            bound = 1 / math.sqrt(c * kernel * kernel)
            weight = jax.random.uniform(sub, (kernel, kernel, c, out), minval=-bound, maxval=bound)
            net.append(("conv", weight, stride))
            c, h, w = out, math.ceil(h / stride), math.ceil(w / stride)
        elif kind == "dense":
            size = c * h * w
            bound = 1 / math.sqrt(size)
            net.append(("dense", jax.random.uniform(sub, (size, n[0]), minval=-bound,
                                                    maxval=bound), 0))
            c, h, w = n[0], 1, 1
        else:
            net.append((kind, None, 0))

    def energy(x):
        y = x.astype(dtype)
        for kind, weight, stride in net:
            if kind == "conv":
                y = lax.conv_general_dilated(y, weight.astype(dtype), (stride, stride), "SAME",
                                             dimension_numbers=("NHWC", "HWIO", "NHWC"))
            elif kind == "dense":
                y = y.reshape(y.shape[0], -1) @ weight.astype(dtype)
            elif kind == "swish":
                y = jax.nn.silu(y)
            else:
                y = jax.nn.relu(y)
        return y.astype(jnp.float32).sum()

    gradient = jax.grad(energy)

    @jax.jit
    def run(x, key):
        def step(carry, _):
            x, key = carry
            key, sub = jax.random.split(key)
            g = jnp.clip(gradient(x), -CLIP, CLIP)
            x = x - STEP_SIZE / 2 * g + NOISE * jax.random.normal(sub, x.shape)
            return (jnp.clip(x, LO, HI), key), None
        (x, key), _ = lax.scan(step, (x, key), None, length=steps)
        return x

    x0 = jax.random.uniform(key, (batch, shape[1], shape[2], shape[0]))
    return {"chain": lambda: run(x0, key).block_until_ready()}


def main():
    library, variant, shape, layers, batch, steps, threads = sys.argv[1:8]
    os.environ["OMP_NUM_THREADS"] = threads
    make = {"torch": torch_chain, "jax": jax_chain}[library]
    works = make(variant, tuple(int(n) for n in shape.split("x")), layers, int(batch), int(steps),
                 int(threads))
    works["chain"]()  # compiles, and allocates
    print("ready", flush=True)
    for line in sys.stdin:
        begin = time.perf_counter()
        works[line.strip()]()
        print(f"{time.perf_counter() - begin:.9f}", flush=True)


main()
