"""JAX: fp32, bf16, each as a loop (scan) or unrolled, where XLA may choose other
kernels; chain and training step are each one compiled function."""
import math
import os

os.environ.setdefault("JAX_PLATFORMS", "cpu")
if os.environ.get("OMP_NUM_THREADS") == "1":
    os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"

import jax
import jax.numpy as jnp
from jax import lax

from peer_work import (BETAS, CLIP, DATA_NOISE, ENERGY_L2, GRADIENT_CLIP, HI, IMAGES,
                       LEARNING_RATE, LO, NOISE, REINIT, STEP_SIZE, linear_layers)


def version():
    return jax.__version__


def parameters(work, key):
    """[(weight, bias)] of the linear layers."""
    params = []
    for kind, n, inputs, fan_in in linear_layers(work):
        if fan_in is None:
            continue
        key, a, b = jax.random.split(key, 3)
        bound = 1 / math.sqrt(fan_in)
        shape = (n[1], n[1], inputs, n[0]) if kind == "conv" else (inputs, n[0])
        params.append((jax.random.uniform(a, shape, minval=-bound, maxval=bound),
                       jax.random.uniform(b, (n[0],), minval=-bound, maxval=bound)))
    return params


def activation(kind, y):
    if kind == "swish":
        return jax.nn.silu(y)
    return jax.nn.relu(y) if kind == "relu" else jax.nn.leaky_relu(y)


def energies(work, dtype):
    """(parameters, x (B, H, W, C)) -> energies (B)."""

    def of(params, x):
        y, linear = x.astype(dtype), iter(params)
        for kind, n, _, fan_in in linear_layers(work):
            if fan_in is None:
                y = activation(kind, y)
                continue
            weight, bias = (p.astype(dtype) for p in next(linear))
            if kind == "conv":
                y = lax.conv_general_dilated(y, weight, (n[2], n[2]), "SAME",
                                             dimension_numbers=("NHWC", "HWIO", "NHWC")) + bias
            else:
                y = y.reshape(y.shape[0], -1) @ weight + bias
        return y.astype(jnp.float32).reshape(-1)

    return of


def sampler(work, energy, variant):
    """(parameters, x, key) -> x after all Langevin steps."""
    unroll = work.steps if "unrolled" in variant else 1
    gradient = jax.grad(lambda x, params: energy(params, x).sum())

    def run(params, x, key):
        def step(carry, _):
            x, key = carry
            key, sub = jax.random.split(key)
            g = jnp.clip(gradient(x, params), -CLIP, CLIP)
            x = x - STEP_SIZE / 2 * g + NOISE * jax.random.normal(sub, x.shape)
            return (jnp.clip(x, LO, HI), key), None

        return lax.scan(step, (x, key), None, length=work.steps, unroll=unroll)[0][0]

    return run


def open_work(variant, work):
    key = jax.random.PRNGKey(1)
    energy = energies(work, jnp.bfloat16 if "bf16" in variant else jnp.float32)
    c, h, w = work.shape
    return key, energy, parameters(work, key), (h, w, c)


def make_chain(variant, work):
    key, energy, params, shape = open_work(variant, work)
    run = jax.jit(sampler(work, energy, variant))
    x0 = jax.random.uniform(key, (work.batch, *shape))
    return lambda: run(params, x0, key).block_until_ready()


def clipped(grads):
    norm = jnp.sqrt(sum(jnp.sum(g * g) for g in jax.tree_util.tree_leaves(grads)))
    scale = jnp.minimum(1.0, GRADIENT_CLIP / (norm + 1e-6))
    return jax.tree_util.tree_map(lambda g: g * scale, grads)


def adam(params, m, v, t, grads):
    each = jax.tree_util.tree_map
    m = each(lambda m, g: BETAS[0] * m + (1 - BETAS[0]) * g, m, grads)
    v = each(lambda v, g: BETAS[1] * v + (1 - BETAS[1]) * g * g, v, grads)
    one, two = 1 - BETAS[0] ** t, 1 - BETAS[1] ** t
    params = each(lambda p, m, v: p - LEARNING_RATE * (m / one) / (jnp.sqrt(v / two) + 1e-8),
                  params, m, v)
    return params, m, v


def make_step(variant, work):
    key, energy, params, shape = open_work(variant, work)
    chain = sampler(work, energy, variant)

    def loss(params, data, samples):
        real, made = jnp.split(energy(params, jnp.concatenate([data, samples])), 2)
        return (real.mean() - made.mean() +
                ENERGY_L2 * (jnp.square(real).mean() + jnp.square(made).mean()))

    def step(state, images):
        params, m, v, t, buffer, key = state
        key, a, b, c, d, e, f = jax.random.split(key, 7)
        data = images[jax.random.randint(a, (work.batch,), 0, IMAGES)]
        data = data + DATA_NOISE * jax.random.normal(b, data.shape)
        slots = jax.random.choice(c, work.replay, (work.batch,), replace=False)
        fresh = jax.random.uniform(d, (work.batch, 1, 1, 1)) < REINIT
        x = jnp.where(fresh, jax.random.uniform(e, data.shape), buffer[slots])
        x = lax.stop_gradient(chain(params, x, f))
        buffer = buffer.at[slots].set(x)
        params, m, v = adam(params, m, v, t, clipped(jax.grad(loss)(params, data, x)))
        return params, m, v, t + 1, buffer, key

    compiled = jax.jit(step, donate_argnums=0)
    zeros = lambda: jax.tree_util.tree_map(jnp.zeros_like, params)
    images = jax.random.uniform(key, (IMAGES, *shape))
    state = [(params, zeros(), zeros(), jnp.float32(1),
              jax.random.uniform(key, (work.replay, *shape)), jax.random.fold_in(key, 1))]

    def run():
        state[0] = jax.block_until_ready(compiled(state[0], images))

    return run
