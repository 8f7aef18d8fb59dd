/* delta_layer.c - sizes, initialisation and cost of the layers around the slot `delta`. */
#include "ref/network/delta_layer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- sizes */

static const char *refuse(const char *key, int value, const char *right, const char *of, char *why)
{
    char text[128];
    snprintf(text, sizeof text, "%s%s", right, of);
    return swax_refuse(why, key, value, text);
}

const char *swax_delta_derive(const struct swax_config *c, const struct swax_delta_names *name, int *heads,
                              int *key_heads, int *key_dim, int *value_dim, char *why)
{
    if (!*value_dim && c->width % *heads)
        return refuse(name->heads, *heads, "a divisor of width, or given beside ", name->value_dim, why);
    *value_dim = *value_dim ? *value_dim : c->width / *heads;
    *key_dim   = *key_dim   ? *key_dim   : *value_dim > 1 ? *value_dim / 2 : 1;
    *key_heads = *key_heads ? *key_heads : *heads;
    return NULL;
}

const char *swax_delta_check(const struct swax_config *c, const struct swax_delta_names *name,
                             const struct swax_delta_sizes *o, char *why)
{
    const long long H = o->heads, G = o->key_heads, K = o->key_dim, V = o->value_dim;
    const struct { const char *what, *of[3]; long long a, b; } products[] = {
        { "a row of values", { name->heads, name->value_dim, "" }, H, V },
        { "a row of keys", { name->key_heads, name->key_dim, "" }, G, K },
        { "a row of gates", { name->heads, name->key_dim, "" }, H, o->gates },
        { "the value projection", { name->heads, name->value_dim, "width" }, H * V, c->width },
        { "the key projection", { name->key_heads, name->key_dim, "width" }, G * K, c->width },
        { "the convolution", { name->heads, name->value_dim, name->taps }, H * V, o->taps },
        { "the convolution", { name->key_heads, name->key_dim, name->taps }, G * K, o->taps },
        { "a head's state", { name->key_dim, name->value_dim, "" }, K, V },
        { "the states", { name->heads, name->key_dim, name->value_dim }, H * K, V },
    };
    if (H % G)
        return refuse(name->key_heads, o->key_heads, "a divisor of ", name->heads, why);
    for (size_t i = 0; i < sizeof products / sizeof products[0]; i++) {
        const char *const *of = products[i].of;
        char what[160];
        snprintf(what, sizeof what, *of[2] ? "%s (%s*%s x %s)" : "%s (%s x %s%s)", products[i].what, of[0], of[1],
                 of[2]);
        if (swax_too_large(why, what, products[i].a, products[i].b))
            return why;
    }
    return NULL;
}

/* ---- tensors */

size_t swax_delta_taps(struct swax_tensors *l, const char *name, long channels, int taps, swax_initial_value *init)
{
    struct swax_tensor t = { .shape = { channels, taps }, .init = init, .decay = 1 };
    snprintf(t.name, sizeof t.name, "%s", name);
    return taps ? swax_tensor_add(l, &t) : 0;
}

size_t swax_delta_gates(struct swax_tensors *l, const char *name, long gates, swax_initial_value *init)
{
    struct swax_tensor t = { .shape = { gates, 0 }, .init = init };
    snprintf(t.name, sizeof t.name, "%s", name);
    return swax_tensor_add(l, &t);
}

double swax_init_A_log(const struct swax_config *c, long e, double u) { (void)c, (void)e; return log(1 + 15 * u); }

double swax_init_dt_bias(const struct swax_config *c, long e, double u)
{
    const double dt = exp(log(0.001) + u * log(100));
    (void)c, (void)e;
    return dt + log(-expm1(-dt));
}

double swax_init_tap(int taps, double u) { return (2 * u - 1) / sqrt(taps); }

/* ---- cost: in chunks of L, the causal half of a chunk, and the state */

double swax_delta_flops(const struct swax_config *c, const struct swax_delta_sizes *o, int T, int training)
{
    const double C = c->width, H = o->heads, G = o->key_heads, K = o->key_dim, V = o->value_dim;
    const double L = c->chunk < T ? c->chunk : T;
    return (training ? 3 : 1) * 2 * (C * (2*G*K + 3*H*V) + (2*G*K + H*V) * o->taps)
         + H * (6*K*V + 2*L * (K + V)) + (training ? H * (12*K*V + L * (6*K + 4*V)) : 0);
}

/* ---- looking inside */

int swax_delta_see(struct swax_network *n, const void *sizes, int layer, int T, int window, double *tokens, int most)
{
    const struct swax_delta_sizes *o = sizes;
    const int H = o->heads < most ? o->heads : most, J = o->gates;
    double *g = swax_layer_peek(n, layer, "g");
    (void)window;
    for (int h = 0; h < H && g; h++) {
        double sum = 0;
        for (int t = 0; t < T; t++)
            for (int j = 0; j < J; j++)
                sum -= g[((long)t * o->heads + h) * J + j];
        tokens[h] = T * (double)J / sum;
    }
    free(g);
    return g ? H : -1;
}
