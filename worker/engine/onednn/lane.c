#include "engine/onednn/lane.h"

#include <stdlib.h>
#include <string.h>

#include "engine/clones.h"

static const struct plan_tape *tape_of(const struct plan *p, enum lane_tape which)
{
    const struct plan_tape *tapes[LANE_TAPES] = {
        [LANE_PACK] = &p->pack,
        [LANE_FORWARD] = &p->forward,
        [LANE_BACKWARD_INPUT] = &p->backward_input,
        [LANE_BACKWARD_PARAMS] = &p->backward_params,
    };

    return tapes[which];
}

float *lane_at(const struct lane *l, size_t at)
{
    return (float *)(void *)(l->arena + at);
}

static enum ebm_status bind_op(struct lane *l, struct onednn *o, const struct plan_op *op,
                               unsigned char *store, struct onednn_call *out, struct ebm_error *err)
{
    struct onednn_arg arg[ONEDNN_ARGS_MAX];

    for (size_t i = 0; i < op->args; i++) {
        const struct plan_tensor *t = &op->tensor[i];
        unsigned char *base = t->memory == PLAN_STORE ? store : l->arena;
        arg[i] = (struct onednn_arg){op->arg[i], t->layout, base + t->at};
    }
    return onednn_call_bind(o, op->primitive, arg, op->args, out, err);
}

static enum ebm_status bind_tape(struct lane *l, struct onednn *o, enum lane_tape which,
                                 void *store, struct ebm_error *err)
{
    const struct plan_tape *tape = tape_of(l->plan, which);
    enum ebm_status st = EBM_OK;

    l->call[which] = calloc(tape->count + 1, sizeof *l->call[which]);
    if (l->call[which] == NULL)
        return ebm_fail(err, EBM_ENOMEM, "no memory to bind %zu operations", tape->count);
    for (size_t i = 0; i < tape->count && st == EBM_OK; i++)
        if (tape->op[i].kind == PLAN_CALL)
            st = bind_op(l, o, &tape->op[i], store, &l->call[which][i], err);
    return st;
}

/* Floats of a sample. */
static size_t sample_size(const struct plan *p)
{
    return net_shape_size(p->net->in);
}

enum ebm_status lane_init(struct lane *l, struct onednn *o, const struct plan *plan, void *store,
                          struct ebm_error *err)
{
    size_t noise =
        (sample_size(plan) * sizeof(float) + POINT_ALIGN - 1) / POINT_ALIGN * POINT_ALIGN;
    enum ebm_status st;

    memset(l, 0, sizeof *l);
    l->plan = plan;
    l->arena = aligned_alloc(POINT_ALIGN, plan->arena_bytes);
    l->noise = aligned_alloc(POINT_ALIGN, noise);
    if (l->arena == NULL || l->noise == NULL) {
        lane_fini(l);
        return ebm_fail(err, EBM_ENOMEM, "no memory for the %zu bytes of a tile",
                        plan->arena_bytes);
    }
    memset(l->arena, 0, plan->arena_bytes);
    st = onednn_stream_create(o, &l->stream, err);
    for (int t = 0; t < LANE_TAPES && st == EBM_OK; t++)
        st = bind_tape(l, o, (enum lane_tape)t, store, err);
    if (st != EBM_OK)
        lane_fini(l);
    return st;
}

void lane_fini(struct lane *l)
{
    for (int t = 0; t < LANE_TAPES; t++) {
        for (size_t i = 0; l->call[t] != NULL && i < tape_of(l->plan, (enum lane_tape)t)->count;
             i++)
            onednn_call_release(&l->call[t][i]);
        free(l->call[t]);
    }
    onednn_stream_destroy(l->stream);
    free(l->noise);
    free(l->arena);
    memset(l, 0, sizeof *l);
}

ENGINE_CLONES static void add(float *restrict sum, const float *restrict term, size_t n)
{
    for (size_t i = 0; i < n; i++)
        sum[i] += term[i];
}

static void run_own(struct lane *l, const struct plan_op *op, float *grad)
{
    float *a = lane_at(l, op->place[0]), *b = lane_at(l, op->place[1]);

    if (op->kind == PLAN_POINT_FORWARD)
        op->point.forward(op->slope, a, b, lane_at(l, op->place[2]), op->count);
    else if (op->kind == PLAN_POINT_BACKWARD)
        op->point.backward(op->slope, a, b, op->count);
    else if (op->kind == PLAN_ADD_GRAD)
        add(grad + op->param, a, op->count);
}

enum ebm_status lane_run(struct lane *l, enum lane_tape which, float *grad, struct ebm_error *err)
{
    const struct plan_tape *tape = tape_of(l->plan, which);

    for (size_t i = 0; i < tape->count; i++) {
        const struct plan_op *op = &tape->op[i];
        if (op->kind != PLAN_CALL) {
            run_own(l, op, grad);
            continue;
        }
        enum ebm_status st = onednn_call_run(&l->call[which][i], l->stream, err);
        if (st != EBM_OK) {
            char name[96];
            plan_op_name(l->plan, op, name, sizeof name);
            ebm_prefix(err, "%s", name);
            return st;
        }
    }
    return EBM_OK;
}
