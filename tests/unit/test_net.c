/* Shapes, paddings, counts and presets of described nets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "net/net.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static struct net net;
static struct ebm_error error;

static const struct net_shape image = {1, 28, 28};

static struct net_layer_spec conv(size_t out, size_t kernel, size_t stride)
{
    return (struct net_layer_spec){
        .kind = NET_CONV, .out = out, .kernel = kernel, .stride = stride, .line = 9, .column = 3};
}

static struct net_layer_spec dense(size_t out)
{
    return (struct net_layer_spec){.kind = NET_DENSE, .out = out};
}

static void assert_refused(struct net_shape in, struct net_layer_spec first,
                           struct net_layer_spec last, size_t bad, const char *fragment)
{
    const struct net_layer_spec layers[] = {first, last};
    size_t index = 99;

    assert_int_equal(net_settle(&net, in, layers, 2, &index, &error), EBM_EINVAL);
    if (strstr(error.text, fragment) == NULL)
        fail_msg("expected '%s', got '%s'", fragment, error.text);
    assert_int_equal(index, bad);
}

static void bad_arguments_are_refused(void **state)
{
    const struct net_layer_spec one = dense(1);
    struct net_layer_spec many[NET_LAYERS_MAX + 1];

    (void)state;
    for (size_t i = 0; i < COUNT(many); i++)
        many[i] = one;
    assert_int_equal(net_settle(&net, image, NULL, 0, NULL, &error), EBM_EINVAL);
    assert_int_equal(net_settle(&net, image, &one, 0, NULL, &error), EBM_EINVAL);
    assert_int_equal(net_settle(&net, image, many, COUNT(many), NULL, &error), EBM_EINVAL);
    assert_int_equal(net_settle(&net, image, many, NET_LAYERS_MAX, NULL, NULL), EBM_OK);
    assert_int_equal(net_settle(&net, (struct net_shape){0, 28, 28}, &one, 1, NULL, NULL),
                     EBM_EINVAL);
    assert_int_equal(net_settle(&net, (struct net_shape){1 << 20, 1 << 20, 1}, &one, 1, NULL, NULL),
                     EBM_EINVAL);
}

static void bad_layers_are_refused(void **state)
{
    struct net_layer_spec leaky = {.kind = NET_LEAKY_RELU, .slope = -1.0f};
    struct net_layer_spec none = {.kind = NET_KIND_COUNT};

    (void)state;
    assert_refused(image, conv(0, 3, 1), dense(1), 0, "layer 1 (conv, line 9): out, kernel");
    assert_refused(image, conv(4, 0, 1), dense(1), 0, "must be at least 1");
    assert_refused(image, conv(4, 3, 0), dense(1), 0, "must be at least 1");
    assert_refused(image, conv(4, SIZE_MAX, 1), dense(1), 0, "too large");
    assert_refused(image, conv(4, 3, SIZE_MAX), dense(1), 0, "too large");
    assert_refused(image, conv(SIZE_MAX, 3, 1), dense(1), 0, "2^31 weights");
    assert_refused(image, conv(1 << 22, 1, 1), dense(1), 0, "2^31 numbers");
    assert_refused(image, conv(1, 1 << 20, 1), dense(1), 0, "2^31 weights");
    assert_refused(image, dense(0), dense(1), 0, "layer 1 (dense): out must be at least 1");
    assert_refused(image, dense(SIZE_MAX), dense(1), 0, "2^31 weights");
    assert_refused(image, leaky, dense(1), 0, "slope");
    assert_refused(image, none, dense(1), 0, "no such layer");
    assert_refused(image, conv(4, 3, 1), dense(2), 1, "must end in one number");
    assert_refused(image, dense(1), conv(4, 3, 1), 1, "gives (4,1,1)");
    assert_refused((struct net_shape){1, 46000, 46000}, dense(1), dense(1 << 25), 1,
                   "2^31 parameters");
}

/* As TensorFlow's "same": out = ceil(in / stride), the odd pixel after. */
static void same_padding_as_in_tensorflow(void **state)
{
    static const struct {
        size_t in, kernel, stride, out, before, after;
    } row[] = {{28, 3, 1, 28, 1, 1}, {28, 5, 2, 14, 1, 2}, {28, 3, 2, 14, 0, 1},
               {14, 3, 2, 7, 0, 1},  {7, 3, 2, 4, 1, 1},   {4, 3, 2, 2, 0, 1},
               {5, 2, 1, 5, 0, 1},   {5, 1, 2, 3, 0, 0},   {3, 7, 1, 3, 3, 3},
               {10, 1, 3, 4, 0, 0},  {1, 3, 2, 1, 1, 1}};

    (void)state;
    for (size_t i = 0; i < COUNT(row); i++) {
        const struct net_layer_spec layers[] = {conv(2, row[i].kernel, row[i].stride), dense(1)};
        struct net_shape in = {3, row[i].in, 1};
        assert_int_equal(net_settle(&net, in, layers, 2, NULL, &error), EBM_OK);
        const struct net_layer *l = &net.layer[0];
        assert_int_equal(l->out.h, row[i].out);
        assert_int_equal(l->pad_top, row[i].before);
        assert_int_equal(l->pad_bottom, row[i].after);
        assert_int_equal(l->out.c, 2);
        assert_int_equal(l->out.w, 1);
    }
}

static void parameters_lie_one_after_another(void **state)
{
    const struct net_layer_spec layers[] = {conv(4, 3, 2),
                                            {.kind = NET_SWISH},
                                            {.kind = NET_FLATTEN},
                                            dense(5),
                                            {.kind = NET_LEAKY_RELU, .slope = 0.2f},
                                            dense(1),
                                            {.kind = NET_RELU}};

    (void)state;
    assert_int_equal(
        net_settle(&net, (struct net_shape){2, 6, 4}, layers, COUNT(layers), NULL, &error), EBM_OK);
    assert_int_equal(net.layer[0].weights, 4 * 2 * 9);
    assert_int_equal(net.layer[0].biases, 4);
    assert_int_equal(net.layer[2].out.c, 4 * 3 * 2);
    assert_int_equal(net.layer[2].out.h, 1);
    assert_int_equal(net.layer[3].offset, 76);
    assert_int_equal(net.layer[3].weights, 24 * 5);
    assert_int_equal(net.layer[5].offset, 76 + 125);
    assert_int_equal(net.params, 76 + 125 + 6);
    assert_true(net.forward_flop == 2.0 * (72 * 6 + 120 + 5));
}

static void settle_preset(const char *name, struct net_shape in)
{
    struct net_layer_spec layers[NET_LAYERS_MAX];
    size_t n = 0;

    assert_true(net_preset(name, layers, &n));
    assert_int_equal(net_settle(&net, in, layers, n, NULL, &error), EBM_OK);
}

static void presets_have_their_counts(void **state)
{
    (void)state;
    settle_preset("conv-seed", image);
    assert_int_equal(net.params, 393345);
    settle_preset("conv-small", image);
    assert_int_equal(net.params, 76993);
    settle_preset("mlp", (struct net_shape){2, 1, 1});
    assert_int_equal(net.params, 1005001);
}

static void presets_are_listed(void **state)
{
    struct net_layer_spec layers[NET_LAYERS_MAX];
    const char *name, *help = NULL;
    size_t n, i = 0;

    (void)state;
    for (; (name = net_preset_name(i, &help)) != NULL; i++)
        assert_true(net_preset(name, layers, &n) && help[0] != '\0');
    assert_int_equal(i, 3);
    assert_false(net_preset("resnet", layers, &n));
    assert_false(net_preset("", layers, &n));
}

static void the_table_shows_shapes_and_counts(void **state)
{
    struct buf out;

    (void)state;
    buf_init(&out);
    settle_preset("conv-seed", image);
    net_print(&net, &out);
    assert_non_null(strstr(buf_text(&out), "256 x 2 x 2"
                                           "              "
                                           "295,168\n"));
    assert_non_null(strstr(buf_text(&out), "\n393,345 parameters"));
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_arguments_are_refused),
        cmocka_unit_test(bad_layers_are_refused),
        cmocka_unit_test(same_padding_as_in_tensorflow),
        cmocka_unit_test(parameters_lie_one_after_another),
        cmocka_unit_test(presets_have_their_counts),
        cmocka_unit_test(presets_are_listed),
        cmocka_unit_test(the_table_shows_shapes_and_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
