"""Peers of the bench: the same work in PyTorch, JAX or TensorFlow, as a
process that waits for orders, as bench_chain.c does.

usage: peers.py torch|jax|tensorflow VARIANT SHAPE LAYERS BATCH STEPS THREADS chain|step

SHAPE is 1x28x28; LAYERS is a list as conv:16:3:1,swish,...,dense:1; "chain" is
STEPS Langevin steps of a batch, "step" a whole training step with them: replay
buffer, gradient of the loss with energy L2, clipping, Adam. Each is written as
its own community would write it: no work is left in that is not needed, and
nothing is left out.
"""
import importlib
import os
import sys
import time


def main():
    library, variant, shape, layers, batch, steps, threads, order = sys.argv[1:9]
    os.environ["OMP_NUM_THREADS"] = threads
    from peer_work import Work

    peer = importlib.import_module("peer_" + library)
    run = getattr(peer, "make_" + order)(variant, Work(shape, layers, batch, steps, threads))
    run()  # compiles, and allocates
    run()
    print(f"ready version={peer.version()}", flush=True)
    for _ in sys.stdin:
        begin = time.perf_counter()
        run()
        print(f"{time.perf_counter() - begin:.9f}", flush=True)


main()
