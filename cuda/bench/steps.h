/* steps.h - what cuda_cases asks of whole training steps. */
#ifndef SWAX_CUDA_BENCH_STEPS_H
#define SWAX_CUDA_BENCH_STEPS_H

/* 1, told, if a network took other bits as a graph than kernel by kernel, or none. */
int steps_as_a_graph(void);

#endif
