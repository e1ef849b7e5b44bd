/* One row for every field of a spec. Parsing, defaults, ranges, `explain`,
 * the man page, the effective spec and `diff` come from here. */
#include "spec/fields.h"

#include <assert.h>

#define PLACE(member) offsetof(struct spec, member), sizeof(((struct spec *)0)->member)

static_assert((int)FIELD_COUNT <= (int)SPEC_FIELDS_MAX, "struct spec has a place for every row");

#define LANGEVIN  "Du & Mordatch 2019 (arXiv:1903.08689); Nijkamp et al. 2020 (arXiv:1903.12370)"
#define TUTORIAL  "UvA Deep Learning tutorial 8 (a recipe for small images)"
#define JEM_PAPER "Grathwohl et al. 2020 (arXiv:1912.03263)"
#define ADAM      "Kingma & Ba 2015 (arXiv:1412.6980)"
#define SYSTEM    "ebmd"

const struct field_group field_group_table[FIELD_GROUP_COUNT] = {
    {"resources", "resource|mpi|compute", "what the job takes of the machine"},
    {"data", "dataset|datasets|input", "what it learns from"},
    {"model", "net|network|architecture", "the energy function: a preset, or a list of layers"},
    {"objective", "loss", "what is minimised"},
    {"sampler", "sgld|langevin|sampling|mcmc", "the Langevin chains that draw the samples"},
    {"replay", "buffer|replay_buffer", "the buffer of persistent chains"},
    {"optimizer", "optimiser|opt|optim|adam|sgd", "how the parameters move"},
    {"train", "training|trainer", "how long the run goes"},
    {"checkpoint", "checkpoints|checkpointing|ckpt", "what is kept to go back to"},
    {"pictures", "picture|samples|images", "sample grids written during the run"},
    {"stability", "recovery|divergence", "what happens when the run diverges"},
};

const struct field field_table[FIELD_COUNT] = {
    {"name", FIELD_TEXT, PLACE(name), 0, 0, NULL, NULL, 0, "job", "title|job|job_name|run",
     "A name for people: letters, digits and . _ - ; several jobs may bear the same.", SYSTEM},
    {"seed", FIELD_SEED, PLACE(seed), 0, 18446744073709551615.0, NULL, NULL, FIELD_MATH, "1",
     "seeds|random_seed|rng|rng_seed",
     "Every random number of the run follows from it: same spec, same seed, same bits.", SYSTEM},
    {"noise_epoch", FIELD_EPOCH, PLACE(noise_epoch), 0, 4294967295.0, NULL, NULL, FIELD_MATH, "0",
     NULL, "Raised by a rollback, to draw new noise from the same seed.", SYSTEM},

    {"resources.ranks", FIELD_WHOLE, PLACE(resources.ranks), 1, 4096, NULL, NULL, 0, "1",
     "rank|np|nproc|processes|workers|procs|num_ranks",
     "MPI processes. The result does not depend on their number.", SYSTEM},
    {"resources.threads", FIELD_WHOLE, PLACE(resources.threads), 1, 4096, NULL, NULL, 0, "1",
     "thread|cpus|cores|num_threads|threads_per_rank|omp_num_threads",
     "Compute threads in each rank; the job takes ranks x threads slots.", SYSTEM},
    {"resources.max_restarts", FIELD_WHOLE, PLACE(resources.max_restarts), 0, 1000, NULL, NULL, 0,
     "5", "restarts|retries|max_retries",
     "Crashes without a new checkpoint in between, after which the job has failed.", SYSTEM},

    {"data.dataset", FIELD_TEXT, PLACE(data.dataset), 0, 0, "fashion-mnist|idx:DIR|toy/NAME", NULL,
     FIELD_MATH | FIELD_BLANK, NULL, "set|name|path|dir|source",
     "fashion-mnist, idx:DIR (a folder of IDX files), or a toy: toy/swissroll, circles, rings, "
     "moons, 8gaussians, pinwheel, 2spirals, checkerboard, line, cos.",
     "Xiao et al. 2017 (Fashion-MNIST)"},
    {"data.noise_std", FIELD_REAL, PLACE(data.noise_std), 0, 10, NULL, NULL, FIELD_MATH, "0.03",
     "noise|sigma|data_noise|noise_sigma",
     "Gaussian noise on the data, in pixel units; at least the sampler's steadies the run.",
     JEM_PAPER "; Nijkamp et al. 2020, appendix C"},
    {"data.batch_size", FIELD_WHOLE, PLACE(data.batch_size), 1, 65536, NULL, NULL, FIELD_MATH,
     "128", "batch|bs|batchsize|global_batch_size|minibatch", "Samples in a step, over all ranks.",
     TUTORIAL},

    {"model.preset", FIELD_TEXT, PLACE(model.preset), 0, 0, "mlp|conv-seed|conv-small", NULL,
     FIELD_BLANK, NULL, "name|type|kind|arch|architecture|net",
     "A net by name: mlp, conv-seed or conv-small; `validate --expand` shows its layers.",
     TUTORIAL},
    {"model.layers", FIELD_LAYERS, PLACE(layers), 0, 0, NULL, NULL, FIELD_MATH | FIELD_BLANK, NULL,
     "layer|net|network",
     "Instead of a preset, a list of: conv: {out, kernel, stride}, dense: N, flatten, swish, relu, "
     "leaky_relu: {slope}.",
     SYSTEM},

    {"objective.kind", FIELD_ENUM, PLACE(objective.kind), 0, 0, "ebm", "jem", FIELD_MATH, "ebm",
     "type|name|loss", "ebm: mean E(data) - mean E(sample), plus energy_l2.", LANGEVIN},
    {"objective.energy_l2", FIELD_REAL, PLACE(objective.energy_l2), 0, 1000, NULL, NULL, FIELD_MATH,
     "0.1", "l2|alpha|reg|regularization|regularisation|energy_reg|weight_decay",
     "Weight of mean E(data)^2 + mean E(sample)^2, which keeps energies near zero.", LANGEVIN},

    {"sampler.steps", FIELD_WHOLE, PLACE(sampler.steps), 1, 1000000, NULL, NULL, FIELD_MATH, "60",
     "num_steps|n_steps|k|langevin_steps|mcmc_steps|sgld_steps|sampling_steps",
     "Langevin steps of a chain in every training step.", TUTORIAL},
    {"sampler.step_size", FIELD_REAL, PLACE(sampler.step_size), 0, 1e9, NULL, NULL,
     FIELD_MATH | FIELD_ABOVE_MIN, "20.0", "step|stepsize|alpha|sgld_lr|step_lr|epsilon|eps|lr",
     "x <- x - step_size/2 * clip(dE/dx) + noise_std * N(0, I), then clamp.", TUTORIAL},
    {"sampler.noise_std", FIELD_REAL, PLACE(sampler.noise_std), 0, 10, NULL, NULL, FIELD_MATH,
     "0.005", "noise|sigma|std|sgld_std|langevin_noise", "Noise of a Langevin step.", TUTORIAL},
    {"sampler.gradient_clip", FIELD_REAL, PLACE(sampler.gradient_clip), 0, 1e9, NULL, NULL,
     FIELD_MATH, "0.03", "clip|grad_clip|clip_grad|gradient_clipping|clip_gradient",
     "Bound on each element of dE/dx; 0 is off.", TUTORIAL},
    {"sampler.clamp", FIELD_CLAMP, PLACE(sampler.clamp), -1e6, 1e6, NULL, NULL, FIELD_MATH, NULL,
     "range|bounds|limits|clip_range|clamp_range|clamping",
     "Range that a sample is kept in, [lo, hi], or none; by default [0.0, 1.0] for images, none "
     "for toys.",
     TUTORIAL},
    {"sampler.init", FIELD_ENUM, PLACE(sampler.init), 0, 0, "replay|noise|data", NULL, FIELD_MATH,
     "replay", "initial|initialization|initialisation|start|chain_init",
     "Where chains start: replay (the buffer), noise (afresh), data (contrastive divergence).",
     "Tieleman 2008 (persistent CD); " LANGEVIN},
    {"sampler.precision", FIELD_ENUM, PLACE(sampler.precision), 0, 0, "fp32|bf16", NULL, FIELD_MATH,
     "fp32", "dtype|float|fp",
     "Operands of the chains' products: fp32, or bf16, which is faster; the chain itself is always "
     "fp32.",
     SYSTEM},

    {"replay.size", FIELD_WHOLE, PLACE(replay.size), 1, 100000000, NULL, NULL, FIELD_MATH, "8192",
     "buffer_size|capacity|slots|length|replay_size",
     "Slots of the buffer, over all ranks; at least the batch.", TUTORIAL},
    {"replay.reinit_prob", FIELD_REAL, PLACE(replay.reinit_prob), 0, 1, NULL, NULL, FIELD_MATH,
     "0.05", "reinit|reinit_freq|reinit_rate|restart_prob|rate|reinit_probability",
     "Chance that a drawn chain starts from noise instead.", LANGEVIN},

    {"optimizer.kind", FIELD_ENUM, PLACE(optimizer.kind), 0, 0, "adam|sgd", NULL, FIELD_MATH,
     "adam", "type|name|algorithm|optimizer", "adam or sgd.", ADAM},
    {"optimizer.lr", FIELD_REAL, PLACE(optimizer.lr), 0, 10, NULL, NULL,
     FIELD_MATH | FIELD_ABOVE_MIN, "1.0e-4",
     "learning_rate|learningrate|rate|eta|base_lr|step_size",
     "Learning rate. When a run diverges, the first thing to lower.", TUTORIAL},
    {"optimizer.betas", FIELD_PAIR, PLACE(optimizer.betas), 0, 1, NULL, NULL,
     FIELD_MATH | FIELD_BELOW_MAX, "[0.0, 0.999]", "beta|beta1|beta2|adam_betas",
     "Adam: decay of the two moments; a first one of 0 suits the moving target of an EBM.",
     ADAM "; " LANGEVIN},
    {"optimizer.eps", FIELD_REAL, PLACE(optimizer.eps), 0, 1, NULL, NULL,
     FIELD_MATH | FIELD_ABOVE_MIN, "1.0e-8", "epsilon|adam_eps",
     "Adam: added to the root of the second moment.", ADAM},
    {"optimizer.momentum", FIELD_REAL, PLACE(optimizer.momentum), 0, 1, NULL, NULL,
     FIELD_MATH | FIELD_BELOW_MAX, "0.0", "mom|mu", "SGD: decay of the velocity.", "Polyak 1964"},
    {"optimizer.gradient_clip", FIELD_REAL, PLACE(optimizer.gradient_clip), 0, 1e9, NULL, NULL,
     FIELD_MATH, "0.1", "clip|grad_clip|clip_grad|max_grad_norm|clip_norm|gradient_clipping",
     "Bound on the norm of the whole parameter gradient; 0 is off.", TUTORIAL},

    {"train.epochs", FIELD_WHOLE, PLACE(train.epochs), 1, 1e6, NULL, NULL, FIELD_BLANK, NULL,
     "epoch|num_epochs|n_epochs|max_epochs", "Passes over the data. Either this or train.steps.",
     SYSTEM},
    {"train.steps", FIELD_WHOLE, PLACE(train.steps), 1, 4294967295.0, NULL, NULL, FIELD_BLANK, NULL,
     "step|num_steps|n_steps|iterations|iters|max_steps|total_steps|n_iters",
     "Optimizer steps. Either this or train.epochs.", SYSTEM},

    {"checkpoint.every_steps", FIELD_WHOLE, PLACE(checkpoint.every_steps), 1, 1e9, NULL, NULL, 0,
     "200", "every|interval|frequency|freq|save_every|steps",
     "Steps between checkpoints; twice as many clean ones after it make a checkpoint healthy.",
     SYSTEM},
    {"checkpoint.keep_last", FIELD_WHOLE, PLACE(checkpoint.keep_last), 1, 100000, NULL, NULL, 0,
     "5", "last|keep|keep_newest|max_to_keep",
     "The newest ones that are kept; at least 3, so that one of them is known to be healthy.",
     SYSTEM},
    {"checkpoint.keep_best", FIELD_WHOLE, PLACE(checkpoint.keep_best), 0, 100000, NULL, NULL, 0,
     "2", "best|save_best", "The best ones by score that are kept beside them.", SYSTEM},

    {"pictures.every_steps", FIELD_WHOLE, PLACE(pictures.every_steps), 0, 1e9, NULL, NULL, 0, "0",
     "every|interval|frequency|freq|steps", "Steps between sample grids; 0: with every checkpoint.",
     SYSTEM},
    {"pictures.count", FIELD_WHOLE, PLACE(pictures.count), 1, 1024, NULL, NULL, 0, "64",
     "number|n|num|size|samples", "Samples in a grid.", SYSTEM},

    {"stability.on_divergence", FIELD_ENUM, PLACE(stability.on_divergence), 0, 0,
     "rollback|pause|fail", NULL, 0, "rollback", "action|policy|divergence|on_diverge|on_failure",
     "rollback to the newest healthy checkpoint with new noise, pause, or fail.", SYSTEM},
    {"stability.max_rollbacks", FIELD_WHOLE, PLACE(stability.max_rollbacks), 0, 1000, NULL, NULL, 0,
     "5", "rollbacks|retries|max_retries", "Automatic rollbacks after which the job gives up.",
     SYSTEM},
    {"stability.max_energy", FIELD_REAL, PLACE(stability.max_energy), 0, 1e30, NULL, NULL,
     FIELD_MATH | FIELD_ABOVE_MIN, "1.0e5", "energy_max|max_abs_energy|energy_limit|limit",
     "A mean energy beyond this, of data or samples, is divergence.",
     "the limit on |loss| of SADA-JEM (Yang et al.)"},
};
