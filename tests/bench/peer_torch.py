"""PyTorch: eager, channels-last or compiled, in fp32 and bf16."""
import copy
import math

import torch
from torch import nn

from peer_work import (BETAS, CLIP, DATA_NOISE, ENERGY_L2, GRADIENT_CLIP, HI, IMAGES,
                       LEARNING_RATE, LO, NOISE, REINIT, STEP_SIZE, same_padding)


def version():
    return torch.__version__


def conv(c, h, w, out, kernel, stride):
    left, right = same_padding(w, kernel, stride)
    top, bottom = same_padding(h, kernel, stride)
    if left == right == top == bottom:
        return [nn.Conv2d(c, out, kernel, stride, padding=left)]
    return [nn.ZeroPad2d((left, right, top, bottom)), nn.Conv2d(c, out, kernel, stride)]


def build(work):
    c, h, w = work.shape
    modules, flat = [], False
    for kind, n in work.layers:
        if kind == "conv":
            modules += conv(c, h, w, *n)
            c, h, w = n[0], math.ceil(h / n[2]), math.ceil(w / n[2])
        elif kind == "dense":
            if not flat:
                modules.append(nn.Flatten())
                flat = True
            modules.append(nn.Linear(c * h * w, n[0]))
            c, h, w = n[0], 1, 1
        else:
            modules.append({"swish": nn.SiLU, "relu": nn.ReLU, "leaky": nn.LeakyReLU}[kind]())
    return nn.Sequential(*modules)


def layout_of(variant):
    last = "channels-last" in variant or "compile" in variant
    return torch.channels_last if last else torch.contiguous_format


def open_net(variant, work):
    torch.set_num_threads(work.threads)
    torch.manual_seed(1)
    return build(work).to(memory_format=layout_of(variant))


def precision_of(variant):
    return torch.bfloat16 if "bf16" in variant else torch.float32


class Constants:
    """A net with the parameters of another as constants, in the precision of
    the chain: bf16 is rounded once an update, not at each Langevin step."""

    def __init__(self, net, variant):
        self.net, self.source = copy.deepcopy(net).to(precision_of(variant)), net
        for p in self.net.parameters():
            p.requires_grad_(False)
        self.update()

    def update(self):
        for p, q in zip(self.net.parameters(), self.source.parameters()):
            p.copy_(q.detach())


def langevin(net, variant):
    """x -> x after one step, of a net whose parameters are constants."""
    precision = precision_of(variant)

    def energy(x):
        return net(x.to(precision)).float().sum()

    def eager(x):
        x = x.detach().requires_grad_(True)
        g = torch.autograd.grad(energy(x), x)[0].clamp_(-CLIP, CLIP)
        x = x.detach()
        return x.add(g, alpha=-STEP_SIZE / 2).add_(torch.randn_like(x), alpha=NOISE).clamp_(LO, HI)

    # The gradient as a function of its own: torch.autograd.grad inside a
    # compiled function breaks its graph.
    functional = torch.func.grad(energy) if "compile" in variant else None

    def whole(x):
        g = functional(x).clamp(-CLIP, CLIP)
        return (x - STEP_SIZE / 2 * g + NOISE * torch.randn_like(x)).clamp(LO, HI)

    return torch.compile(whole) if "compile" in variant else eager


def make_chain(variant, work):
    step = langevin(Constants(open_net(variant, work), variant).net, variant)
    x0 = torch.rand(work.batch, *work.shape).to(memory_format=layout_of(variant))

    def chain():
        x = x0
        for _ in range(work.steps):
            x = step(x)
        return x

    return chain


def loss_of(net, variant):
    def loss(data, samples):
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled="bf16" in variant):
            energy = net(torch.cat([data, samples])).float().squeeze(1)
        real, made = energy.chunk(2)
        return (real.mean() - made.mean() +
                ENERGY_L2 * (real.square().mean() + made.square().mean()))

    return torch.compile(loss) if "compile" in variant else loss


def adam(net):
    try:
        return torch.optim.Adam(net.parameters(), LEARNING_RATE, BETAS, fused=True)
    except (RuntimeError, TypeError):
        return torch.optim.Adam(net.parameters(), LEARNING_RATE, BETAS)


def make_step(variant, work):
    net, layout = open_net(variant, work), layout_of(variant)
    constants = Constants(net, variant)
    sample, loss, optimizer = langevin(constants.net, variant), loss_of(net, variant), adam(net)
    images, buffer = torch.rand(IMAGES, *work.shape), torch.rand(work.replay, *work.shape)

    def draw():
        slots = torch.randperm(work.replay)[:work.batch]
        x, fresh = buffer[slots], torch.rand(work.batch) < REINIT
        x[fresh] = torch.rand(int(fresh.sum()), *work.shape)
        return slots, x.to(memory_format=layout)

    def step():
        data = images[torch.randint(IMAGES, (work.batch,))]
        data = data.add_(torch.randn_like(data), alpha=DATA_NOISE).to(memory_format=layout)
        slots, x = draw()
        for _ in range(work.steps):
            x = sample(x)
        x = x.detach()
        buffer[slots] = x
        optimizer.zero_grad(set_to_none=True)
        loss(data, x).backward()
        nn.utils.clip_grad_norm_(net.parameters(), GRADIENT_CLIP)
        optimizer.step()
        constants.update()

    return step
