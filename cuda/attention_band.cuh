/* attention_band.cuh - which keys a query sees, and the tiles of both. */
#ifndef SWAX_ATTENTION_BAND_CUH
#define SWAX_ATTENTION_BAND_CUH

#include "cuda/panel.cuh"

struct attention_shape {
    int B, T, S, H, G, D, width, W;        /* width: D, rounded up to whole pieces of 16 bytes: that of the rows */
    const int *start;
    /* The keys of query t are first_key(b, t) .. t + S - T. */
    __device__ int first_key(int b, int t) const
    {
        const int by_window = t - W + 1 + (S - T), by_document = start ? start[(size_t)b * T + t] + (S - T) : 0;
        return max(0, max(by_window, by_document));
    }
    __device__ size_t query(int b, int t, int h) const { return (((size_t)b * T + t) * H + h); }
    __device__ size_t key(int b, int j, int g) const { return (((size_t)b * S + j) * G + g); }
};

static const float LOG2E = 1.4426950408889634f;

#endif
