"""TensorFlow: xla, as its own examples sample: one tf.function that is
compiled, with the chain as its loop. The chain alone."""
import math
import os

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = ""

import tensorflow as tf

from peer_work import CLIP, HI, LO, NOISE, STEP_SIZE, linear_layers


def version():
    return tf.__version__


def parameters(work):
    params = []
    for kind, n, inputs, fan_in in linear_layers(work):
        if fan_in is None:
            continue
        bound = 1 / math.sqrt(fan_in)
        shape = (n[1], n[1], inputs, n[0]) if kind == "conv" else (inputs, n[0])
        params.append(tuple(tf.Variable(tf.random.uniform(s, -bound, bound))
                            for s in (shape, (n[0],))))
    return params


def energy(work, params, x):
    y, linear = x, iter(params)
    for kind, n, _, fan_in in linear_layers(work):
        if kind == "conv":
            weight, bias = next(linear)
            y = tf.nn.conv2d(y, weight, n[2], "SAME") + bias
        elif kind == "dense":
            weight, bias = next(linear)
            y = tf.reshape(y, (work.batch, -1)) @ weight + bias
        elif kind == "swish":
            y = y * tf.sigmoid(y)
        else:
            y = tf.nn.relu(y) if kind == "relu" else tf.nn.leaky_relu(y)
    return tf.reduce_sum(y)


def make_chain(variant, work):
    tf.config.threading.set_intra_op_parallelism_threads(work.threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    params = parameters(work)
    c, h, w = work.shape
    x0 = tf.random.uniform((work.batch, h, w, c))

    @tf.function(jit_compile=True)
    def chain(x):
        for _ in tf.range(work.steps):
            with tf.GradientTape() as tape:
                tape.watch(x)
                e = energy(work, params, x)
            g = tf.clip_by_value(tape.gradient(e, x), -CLIP, CLIP)
            x = x - STEP_SIZE / 2 * g + NOISE * tf.random.normal(tf.shape(x))
            x = tf.clip_by_value(x, LO, HI)
        return x

    return lambda: chain(x0).numpy()
