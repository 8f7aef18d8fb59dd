/* splitmix.h - splitmix64 (Steele, Lea, Flood 2014): random numbers by counter, the same everywhere. */
#ifndef SWAX_SPLITMIX_H
#define SWAX_SPLITMIX_H

#include <stdint.h>

/* 2^64 over the golden ratio, odd: a counter of it meets all */
static const uint64_t splitmix_step = 0x9e3779b97f4a7c15u;

/* A bijection of 64 bits whose every output bit depends on every input bit. */
static inline uint64_t splitmix(uint64_t x)
{
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

#endif
