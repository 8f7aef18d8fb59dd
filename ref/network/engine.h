/* engine.h - what is inside a network: the flat arrays, and the functions that know their precision. */
#ifndef SWAX_ENGINE_H
#define SWAX_ENGINE_H

#include "ref/network/directory.h"
#include "ref/network/memory.h"

/* A batch is cut into pieces of a few sequences, so that activations stay in cache, and the pieces go to lanes
 * in turn: lane l takes pieces l, l + lanes, ...  Every lane has its own gradient, and they are added in order:
 * none of this depends on the number of threads.  Lanes run side by side, as many as there are threads when the
 * network is made; activations belong to the worker, so that they meet its cache again.  Where there are two threads
 * or more for each lane, and products long enough to share, one lane has them all, then the next. */
enum { SWAX_LANES = 8, SWAX_PIECE_TOKENS = 256, SWAX_SLICE = 1 << 16, SWAX_STAGE = 4096 };

struct swax_slice { size_t from; int count, decay; };  /* of the flat arrays, for the optimiser */

struct swax_network {
    const struct swax_engine *engine;
    const struct swax_tier *tier;
    struct swax_config c;
    struct swax_places p;
    struct swax_tensor *tensor;
    int tensors;
    int B, T, training;
    int lanes, threads, workers, sequences;   /* workers: lanes at a time; sequences: per piece */
    struct swax_slice *slice;
    int slices;
    size_t bytes;
    void *table;                     /* struct R(swax_kernels) */
    void *w, *s, *m, *v;             /* flat arrays: as kernels read them (the same as s unless bf16), as the optimiser
                                      * keeps them, moments */
    void *g[SWAX_LANES];             /* gradients; the sum ends in g[0] */
    struct swax_desk *desk[SWAX_LANES];  /* a worker's activations */
    double *sum;                     /* squares of the gradient, per slice; the total ends in sum[0] */
    void *loss;                      /* of the last batch, on the host: stat (B,T) */
    int last_B, last_T;              /* of the last evaluate */
    double stage[SWAX_STAGE];        /* elements on their way between the host and a device, or looked at */
    /* what swax_network_trouble answers next, "" for nothing; and answered last */
    char wrong[SWAX_WHY], told[SWAX_WHY];
};

struct swax_engine {
    size_t real_size, stat_size;
    const char *(*open)(struct swax_network *n, char *why);
    void (*close)(struct swax_network *n);
    double (*run)(struct swax_network *n, const struct swax_batch *b, double scale, int training,
                  float *token_loss, unsigned char *correct, float *logits);
    double (*gradient_norm)(struct swax_network *n);
    void (*adamw)(struct swax_network *n, const struct swax_adamw *o, int step);
    void (*weights_changed)(struct swax_network *n);
    size_t (*peek)(struct swax_network *n, const char *name, double *to, size_t max);
    struct swax_decoder *(*decoder_new)(struct swax_network *n, int B, int window, char *why);
    void (*decoder_begin)(struct swax_decoder *d, int sequence);
    const char *(*decoder_feed)(struct swax_decoder *d, const int *token, int T, float *logits);
    void (*decoder_free)(struct swax_decoder *d);
};
extern const struct swax_engine swax_engine_f32, swax_engine_f64, swax_engine_bf16;

/* Every decoder begins with this. */
struct swax_decoder { struct swax_network *n; int B, separator; };

/* 1, or 0 and a sentence in n->wrong: are all (B,T) of them in the vocabulary? */
int swax_tokens_are_known(struct swax_network *n, const int *token, int B, int T);

/* f(0, arg) .. f(count - 1, arg), at most `workers` of them at a time. */
void swax_each(const struct swax_network *n, int count, int workers, void (*f)(int i, void *arg), void *arg);

#endif
