/* matmul.h - one matrix product through cuBLASLt. */
#ifndef SWAX_CUDA_MATMUL_H
#define SWAX_CUDA_MATMUL_H

#include <cstdint>

enum swax_type { SWAX_TYPE_F32, SWAX_TYPE_F64, SWAX_TYPE_BF16 };

/* z (m,n) = a (m,k) b (k,n), or z += with add; column-major; a and b are stored transposed where ta, tb say so.
 * lda and ldb are the strides between the columns of what is stored; z's is m. */
struct swax_matmul {
    swax_type in, out;
    int64_t m, n, k, lda, ldb;
    int ta, tb, add;
};

/* 0 if cuBLASLt has no algorithm for this, or none that sums in a fixed order: nothing has been done then. */
int swax_cuda_matmul(const swax_matmul *what, void *z, const void *a, const void *b);

/* cuBLASLt works in the first so many bytes of the workspace. */
enum { SWAX_MATMUL_WORKSPACE = 32 << 20 };

#endif
