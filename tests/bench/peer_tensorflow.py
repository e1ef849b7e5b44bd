"""TensorFlow: chain and training step are each one tf.function, a graph of its
own kernels or compiled (xla), the chain as a loop."""
import math
import os

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = ""

import tensorflow as tf

from peer_work import (BETAS, CLIP, DATA_NOISE, ENERGY_L2, GRADIENT_CLIP, HI, IMAGES,
                       LEARNING_RATE, LO, NOISE, REINIT, STEP_SIZE, linear_layers)


def version():
    return tf.__version__


def parameters(work):
    """[weight, bias, weight, ...] of the linear layers."""
    params = []
    for kind, n, inputs, fan_in in linear_layers(work):
        if fan_in is None:
            continue
        bound = 1 / math.sqrt(fan_in)
        shape = (n[1], n[1], inputs, n[0]) if kind == "conv" else (inputs, n[0])
        params += [tf.Variable(tf.random.uniform(s, -bound, bound)) for s in (shape, (n[0],))]
    return params


class Net:
    def __init__(self, variant, work):
        tf.config.threading.set_intra_op_parallelism_threads(work.threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
        self.work, self.params = work, parameters(work)
        self.precision = tf.bfloat16 if "bf16" in variant else tf.float32
        self.turns = tf.range(work.steps)
        c, h, w = work.shape
        self.shape = (h, w, c)

    def rounded(self):
        """The parameters in the precision of the products."""
        return [tf.cast(p, self.precision) for p in self.params]

    def energies(self, params, x):
        """x (B, H, W, C) -> energies (B)."""
        y, linear = tf.cast(x, self.precision), iter(params)
        for kind, n, _, _ in linear_layers(self.work):
            if kind == "conv":
                y = tf.nn.conv2d(y, next(linear), n[2], "SAME") + next(linear)
            elif kind == "dense":
                y = tf.reshape(y, (x.shape[0], -1)) @ next(linear) + next(linear)
            elif kind == "swish":
                y = y * tf.sigmoid(y)
            else:
                y = tf.nn.relu(y) if kind == "relu" else tf.nn.leaky_relu(y)
        return tf.reshape(tf.cast(y, tf.float32), (-1,))

    def sample(self, x):
        """x after all Langevin steps; within a tf.function."""
        constants = self.rounded()
        for _ in self.turns:
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(x)
                e = tf.reduce_sum(self.energies(constants, x))
            g = tf.clip_by_value(tape.gradient(e, x), -CLIP, CLIP)
            x = x - STEP_SIZE / 2 * g + NOISE * tf.random.normal(x.shape)
            x = tf.clip_by_value(x, LO, HI)
        return x


def make_chain(variant, work):
    net = Net(variant, work)
    x0 = tf.random.uniform((work.batch, *net.shape))
    chain = tf.function(net.sample, jit_compile="xla" in variant)
    return lambda: chain(x0).numpy()


class Adam:
    def __init__(self, params):
        self.params = params
        self.m, self.v = ([tf.Variable(tf.zeros_like(p)) for p in params] for _ in range(2))
        self.powers = [tf.Variable(b) for b in BETAS]

    def apply(self, grads):
        for p, m, v, g in zip(self.params, self.m, self.v, grads):
            tf.raw_ops.ResourceApplyAdam(
                var=p.handle, m=m.handle, v=v.handle, beta1_power=self.powers[0],
                beta2_power=self.powers[1], lr=LEARNING_RATE, beta1=BETAS[0], beta2=BETAS[1],
                epsilon=1e-8, grad=g)
        for power, beta in zip(self.powers, BETAS):
            power.assign(power * beta)


def make_step(variant, work):
    net = Net(variant, work)
    optimizer, shape = Adam(net.params), (work.batch, *net.shape)
    images = tf.random.uniform((IMAGES, *net.shape))
    buffer = tf.Variable(tf.random.uniform((work.replay, *net.shape)))

    def loss(data, samples):
        real, made = tf.split(net.energies(net.rounded(), tf.concat([data, samples], 0)), 2)
        return (tf.reduce_mean(real) - tf.reduce_mean(made) +
                ENERGY_L2 * (tf.reduce_mean(tf.square(real)) + tf.reduce_mean(tf.square(made))))

    @tf.function(jit_compile="xla" in variant)
    def step():
        data = tf.gather(images, tf.random.uniform((work.batch,), 0, IMAGES, tf.int32))
        data += DATA_NOISE * tf.random.normal(shape)
        slots = tf.random.shuffle(tf.range(work.replay))[:work.batch]
        fresh = tf.random.uniform((work.batch, 1, 1, 1)) < REINIT
        x = net.sample(tf.where(fresh, tf.random.uniform(shape), tf.gather(buffer, slots)))
        buffer.scatter_update(tf.IndexedSlices(x, slots))
        with tf.GradientTape() as tape:
            value = loss(data, x)
        grads, _ = tf.clip_by_global_norm(tape.gradient(value, net.params), GRADIENT_CLIP)
        optimizer.apply(grads)
        return value

    return lambda: step().numpy()
