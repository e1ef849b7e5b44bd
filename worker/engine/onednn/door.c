#include "engine/onednn/door.h"

#include <omp.h>
#include <stdio.h>
#include <string.h>

/* oneDNN's words for its codes, and ours. */
static enum ebm_status fail(struct ebm_error *err, dnnl_status_t code, const char *what)
{
    static const struct {
        enum ebm_status status;
        const char *text;
    } codes[] = {
        [dnnl_success] = {EBM_EINTERNAL, "success"},
        [dnnl_out_of_memory] = {EBM_ENOMEM, "out of memory"},
        [dnnl_invalid_arguments] = {EBM_EINTERNAL, "invalid arguments"},
        [dnnl_unimplemented] = {EBM_EINVAL, "oneDNN has no implementation for this shape"},
        [dnnl_iterator_ends] = {EBM_EINTERNAL, "no more implementations"},
        [dnnl_runtime_error] = {EBM_EINTERNAL, "runtime error"},
        [dnnl_not_required] = {EBM_EINTERNAL, "not required"},
    };

    if ((unsigned)code >= sizeof codes / sizeof codes[0])
        return ebm_fail(err, EBM_EINTERNAL, "oneDNN: %s: code %d", what, (int)code);
    return ebm_fail(err, codes[code].status, "oneDNN: %s: %s", what, codes[code].text);
}

int onednn_serial_begin(void)
{
    int before = omp_get_max_threads();

    omp_set_num_threads(1);
    return before;
}

void onednn_serial_end(int before)
{
    omp_set_num_threads(before);
}

enum ebm_status onednn_open(struct onednn *o, struct ebm_error *err)
{
    dnnl_status_t code = dnnl_engine_create(&o->engine, dnnl_cpu, 0);

    return code == dnnl_success ? EBM_OK : fail(err, code, "engine");
}

void onednn_close(struct onednn *o)
{
    if (o->engine != NULL)
        dnnl_engine_destroy(o->engine);
    o->engine = NULL;
}

/* Layouts. */

static onednn_layout tagged(int ndims, const dnnl_dim_t *dims, dnnl_format_tag_t tag)
{
    onednn_layout l;

    dnnl_status_t code = dnnl_memory_desc_init_by_tag(&l, ndims, dims, dnnl_f32, tag);
    if (code != dnnl_success)
        memset(&l, 0, sizeof l);
    return l;
}

onednn_layout onednn_plain(int ndims, const dnnl_dim_t *dims)
{
    static const dnnl_format_tag_t rows[] = {dnnl_format_tag_undef, dnnl_a, dnnl_ab, dnnl_abc,
                                             dnnl_abcd};

    return tagged(ndims, dims, rows[ndims]);
}

bool onednn_same(const onednn_layout *a, const onednn_layout *b)
{
    return dnnl_memory_desc_equal(a, b) != 0;
}

size_t onednn_bytes(const onednn_layout *l)
{
    return dnnl_memory_desc_get_size(l);
}

/* Primitives. */

void onednn_primitive_destroy(struct onednn_primitive *p)
{
    if (p->handle != NULL)
        dnnl_primitive_destroy(p->handle);
    if (p->desc != NULL)
        dnnl_primitive_desc_destroy(p->desc);
    memset(p, 0, sizeof *p);
}

static onednn_layout query(const struct onednn_primitive *p, dnnl_query_t what)
{
    const dnnl_memory_desc_t *l = dnnl_primitive_desc_query_md(p->desc, what, 0);
    onednn_layout none;

    memset(&none, 0, sizeof none);
    return l != NULL ? *l : none;
}

/* The name and the scratchpad of p->desc. */
static void describe(struct onednn_primitive *p)
{
    const char *name = NULL;

    dnnl_primitive_desc_query(p->desc, dnnl_query_impl_info_str, 0, &name);
    snprintf(p->impl, sizeof p->impl, "%s", name != NULL ? name : "unknown");
    p->scratch = query(p, dnnl_query_scratchpad_md);
}

/* The scratchpad is the caller's, so that nothing is allocated in a call and
 * threads can share the primitive. */
static dnnl_status_t make_attr(dnnl_primitive_attr_t *attr)
{
    dnnl_status_t code = dnnl_primitive_attr_create(attr);

    return code == dnnl_success
               ? dnnl_primitive_attr_set_scratchpad_mode(*attr, dnnl_scratchpad_mode_user)
               : code;
}

static dnnl_status_t make_desc(struct onednn *o, const_dnnl_op_desc_t op,
                               const struct onednn_primitive *hint, struct onednn_primitive *p)
{
    dnnl_primitive_attr_t attr = NULL;
    dnnl_status_t code = make_attr(&attr);

    if (code == dnnl_success)
        code = dnnl_primitive_desc_create(&p->desc, op, attr, o->engine,
                                          hint != NULL ? hint->desc : NULL);
    if (code == dnnl_success)
        describe(p);
    dnnl_primitive_attr_destroy(attr);
    return code;
}

enum ebm_status onednn_reorder_create(struct onednn *o, const onednn_layout *from,
                                      const onednn_layout *to, struct onednn_primitive *out,
                                      struct ebm_error *err)
{
    dnnl_primitive_attr_t attr = NULL;
    dnnl_status_t code = make_attr(&attr);

    memset(out, 0, sizeof *out);
    if (code == dnnl_success)
        code = dnnl_reorder_primitive_desc_create(&out->desc, from, o->engine, to, o->engine, attr);
    dnnl_primitive_attr_destroy(attr);
    if (code == dnnl_success) {
        describe(out);
        code = dnnl_primitive_create(&out->handle, out->desc);
    }
    if (code == dnnl_success)
        return EBM_OK;
    onednn_primitive_destroy(out);
    return fail(err, code, "reorder");
}

/* Linear layers. */

enum pass { FORWARD, BACKWARD_DATA, BACKWARD_WEIGHTS, PASSES };

static const char *const pass_names[PASSES] = {"forward", "backward data", "backward weights"};

/* What a linear layer is, in oneDNN's terms. */
struct geometry {
    bool conv;
    int ndims;
    dnnl_dims_t src, weights, dst, bias;
    dnnl_dims_t strides, before, after;
};

static void conv_geometry(const struct net_layer *l, struct geometry *g)
{
    g->weights[1] = (dnnl_dim_t)l->in.c;
    g->weights[2] = g->weights[3] = (dnnl_dim_t)l->spec.kernel;
    g->dst[2] = (dnnl_dim_t)l->out.h;
    g->dst[3] = (dnnl_dim_t)l->out.w;
    g->strides[0] = g->strides[1] = (dnnl_dim_t)l->spec.stride;
    g->before[0] = (dnnl_dim_t)l->pad_top;
    g->before[1] = (dnnl_dim_t)l->pad_left;
    g->after[0] = (dnnl_dim_t)l->pad_bottom;
    g->after[1] = (dnnl_dim_t)l->pad_right;
}

static struct geometry geometry_of(const struct net_layer *l, const onednn_layout *in)
{
    struct geometry g;

    memset(&g, 0, sizeof g);
    g.conv = l->spec.kind == NET_CONV;
    g.ndims = in->ndims;
    memcpy(g.src, in->dims, sizeof g.src);
    memcpy(g.weights, in->dims, sizeof g.weights);
    g.weights[0] = g.bias[0] = g.dst[1] = (dnnl_dim_t)l->spec.out;
    g.dst[0] = in->dims[0];
    if (g.conv)
        conv_geometry(l, &g);
    return g;
}

/* A way to lay out src, dst and weights of a pass. */
struct variant {
    dnnl_format_tag_t src, weights, dst;
};

static dnnl_status_t conv_desc(const struct geometry *g, enum pass pass, const onednn_layout *src,
                               const onednn_layout *w, const onednn_layout *bias,
                               const onednn_layout *dst, dnnl_convolution_desc_t *op)
{
    const dnnl_alg_kind_t direct = dnnl_convolution_direct;

    if (pass == FORWARD)
        return dnnl_convolution_forward_desc_init(op, dnnl_forward_training, direct, src, w, bias,
                                                  dst, g->strides, g->before, g->after);
    if (pass == BACKWARD_DATA)
        return dnnl_convolution_backward_data_desc_init(op, direct, src, w, dst, g->strides,
                                                        g->before, g->after);
    return dnnl_convolution_backward_weights_desc_init(op, direct, src, w, bias, dst, g->strides,
                                                       g->before, g->after);
}

static dnnl_status_t dense_desc(enum pass pass, const onednn_layout *src, const onednn_layout *w,
                                const onednn_layout *bias, const onednn_layout *dst,
                                dnnl_inner_product_desc_t *op)
{
    if (pass == FORWARD)
        return dnnl_inner_product_forward_desc_init(op, dnnl_forward_training, src, w, bias, dst);
    if (pass == BACKWARD_DATA)
        return dnnl_inner_product_backward_data_desc_init(op, src, w, dst);
    return dnnl_inner_product_backward_weights_desc_init(op, src, w, bias, dst);
}

static dnnl_status_t try_variant(struct onednn *o, const struct geometry *g, enum pass pass,
                                 const struct variant *v, const struct onednn_primitive *hint,
                                 struct onednn_primitive *out)
{
    union {
        dnnl_convolution_desc_t conv;
        dnnl_inner_product_desc_t dense;
    } op;
    onednn_layout src = tagged(g->ndims, g->src, v->src);
    onednn_layout w = tagged(g->ndims, g->weights, v->weights);
    onednn_layout dst = tagged(g->conv ? 4 : 2, g->dst, v->dst);
    onednn_layout bias = tagged(1, g->bias, dnnl_a);
    dnnl_status_t code;

    memset(out, 0, sizeof *out);
    if (g->conv)
        code = conv_desc(g, pass, &src, &w, &bias, &dst, &op.conv);
    else
        code = dense_desc(pass, &src, &w, &bias, &dst, &op.dense);
    return code == dnnl_success ? make_desc(o, &op, hint, out) : code;
}

static bool is_reference(const struct onednn_primitive *p)
{
    return strncmp(p->impl, "ref", 3) == 0;
}

/* Left to itself oneDNN mostly chooses well. Then the plain layouts, which
 * its matrix-product implementation takes, and channels last. */
static const struct variant conv_variants[] = {
    {dnnl_format_tag_any, dnnl_format_tag_any, dnnl_format_tag_any},
    {dnnl_nchw, dnnl_oihw, dnnl_nchw},
    {dnnl_nhwc, dnnl_format_tag_any, dnnl_nhwc},
};
static const struct variant dense_variants[] = {
    {dnnl_format_tag_any, dnnl_format_tag_any, dnnl_format_tag_any},
    {dnnl_ab, dnnl_ab, dnnl_ab},
};
enum {
    CONV_VARIANTS = sizeof conv_variants / sizeof conv_variants[0],
    DENSE_VARIANTS = sizeof dense_variants / sizeof dense_variants[0],
    FEW_CHANNELS = 4 /* 1 or 3 of 16 lanes would be used by the blocked kernel */
};

/* Where to begin in the variants: the input gradient of 1 or 3 channels is
 * faster by plain layouts, the reorder of its input included; and so is a
 * dense layer's weight gradient, which is wanted in the plain layout. */
static size_t first_choice(const struct geometry *g, enum pass pass)
{
    if (g->conv)
        return pass == BACKWARD_DATA && g->src[1] < FEW_CHANNELS ? 1 : 0;
    return pass == BACKWARD_WEIGHTS ? 1 : 0;
}

/* The first variant that is not a reference implementation; else the first
 * that works at all. */
static dnnl_status_t choose(struct onednn *o, const struct geometry *g, enum pass pass,
                            const struct onednn_primitive *hint, struct onednn_primitive *out)
{
    const struct variant *variants = g->conv ? conv_variants : dense_variants;
    size_t n = g->conv ? CONV_VARIANTS : DENSE_VARIANTS, first = first_choice(g, pass);
    struct onednn_primitive reference = {0};
    dnnl_status_t code = dnnl_unimplemented;

    for (size_t i = 0; i < n; i++) {
        dnnl_status_t tried = try_variant(o, g, pass, &variants[(first + i) % n], hint, out);
        if (tried == dnnl_success && !is_reference(out)) {
            onednn_primitive_destroy(&reference);
            return dnnl_success;
        }
        if (tried == dnnl_success && reference.desc == NULL)
            reference = *out;
        else
            onednn_primitive_destroy(out);
        code = tried == dnnl_out_of_memory ? tried : code;
    }
    *out = reference;
    return out->desc != NULL ? dnnl_success : code;
}

static enum ebm_status make_pass(struct onednn *o, const struct geometry *g, enum pass pass,
                                 const struct onednn_primitive *hint, struct onednn_primitive *out,
                                 struct ebm_error *err)
{
    dnnl_status_t code = choose(o, g, pass, hint, out);

    if (code == dnnl_success)
        code = dnnl_primitive_create(&out->handle, out->desc);
    return code == dnnl_success ? EBM_OK : fail(err, code, pass_names[pass]);
}

static void query_layouts(struct onednn_linear *l)
{
    l->f.src = query(&l->forward, dnnl_query_src_md);
    l->f.weights = query(&l->forward, dnnl_query_weights_md);
    l->f.dst = query(&l->forward, dnnl_query_dst_md);
    l->bd.src = query(&l->backward_data, dnnl_query_diff_src_md);
    l->bd.weights = query(&l->backward_data, dnnl_query_weights_md);
    l->bd.dst = query(&l->backward_data, dnnl_query_diff_dst_md);
    l->bw.src = query(&l->backward_weights, dnnl_query_src_md);
    l->bw.weights = query(&l->backward_weights, dnnl_query_diff_weights_md);
    l->bw.dst = query(&l->backward_weights, dnnl_query_diff_dst_md);
}

enum ebm_status onednn_linear_create(struct onednn *o, const struct net_layer *layer,
                                     const onednn_layout *in, struct onednn_linear *out,
                                     struct ebm_error *err)
{
    struct geometry g = geometry_of(layer, in);
    enum ebm_status st;

    memset(out, 0, sizeof *out);
    st = make_pass(o, &g, FORWARD, NULL, &out->forward, err);
    if (st == EBM_OK)
        st = make_pass(o, &g, BACKWARD_DATA, &out->forward, &out->backward_data, err);
    if (st == EBM_OK)
        st = make_pass(o, &g, BACKWARD_WEIGHTS, &out->forward, &out->backward_weights, err);
    if (st != EBM_OK) {
        onednn_linear_destroy(out);
        return st;
    }
    out->plain_weights = onednn_plain(g.ndims, g.weights);
    out->bias = onednn_plain(1, g.bias);
    query_layouts(out);
    return EBM_OK;
}

void onednn_linear_destroy(struct onednn_linear *l)
{
    onednn_primitive_destroy(&l->backward_weights);
    onednn_primitive_destroy(&l->backward_data);
    onednn_primitive_destroy(&l->forward);
}

/* Calls. */

enum ebm_status onednn_stream_create(struct onednn *o, dnnl_stream_t *out, struct ebm_error *err)
{
    dnnl_status_t code = dnnl_stream_create(out, o->engine, dnnl_stream_in_order);

    return code == dnnl_success ? EBM_OK : fail(err, code, "stream");
}

void onednn_stream_destroy(dnnl_stream_t stream)
{
    if (stream != NULL)
        dnnl_stream_destroy(stream);
}

enum ebm_status onednn_call_bind(struct onednn *o, const struct onednn_primitive *p,
                                 const struct onednn_arg *arg, size_t args, struct onednn_call *out,
                                 struct ebm_error *err)
{
    memset(out, 0, sizeof *out);
    out->primitive = p->handle;
    for (size_t i = 0; i < args; i++) {
        dnnl_exec_arg_t *a = &out->arg[out->args];
        dnnl_status_t code = dnnl_memory_create(&a->memory, arg[i].layout, o->engine, arg[i].at);
        if (code != dnnl_success) {
            onednn_call_release(out);
            return fail(err, code, "memory");
        }
        a->arg = arg[i].name;
        out->args++;
    }
    return EBM_OK;
}

void onednn_call_release(struct onednn_call *c)
{
    for (int i = 0; i < c->args; i++)
        dnnl_memory_destroy(c->arg[i].memory);
    memset(c, 0, sizeof *c);
}

enum ebm_status onednn_call_run(const struct onednn_call *c, dnnl_stream_t stream,
                                struct ebm_error *err)
{
    dnnl_status_t code = dnnl_primitive_execute(c->primitive, stream, c->args, c->arg);

    if (code == dnnl_success)
        code = dnnl_stream_wait(stream);
    return code == dnnl_success ? EBM_OK : fail(err, code, "execution");
}
