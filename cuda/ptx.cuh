/* ptx.cuh - the instructions of the tensor cores that C++ has no words for. */
#ifndef SWAX_PTX_CUH
#define SWAX_PTX_CUH

#include <stdint.h>

#define DEVICE static __device__ __forceinline__

DEVICE uint32_t shared_address(const void *p) { return (uint32_t)__cvta_generic_to_shared(p); }

/* 16 bytes from global to shared memory, in the background; zeros if !valid */
DEVICE void cp_async(void *to, const void *from, bool valid)
{
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;"
                 :: "r"(shared_address(to)), "l"(from), "r"(valid ? 16 : 0) : "memory");
}
DEVICE void cp_async(void *to, const void *from)
{
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" :: "r"(shared_address(to)), "l"(from) : "memory");
}
DEVICE void cp_async_4(void *to, const void *from, bool valid)
{
    asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;"
                 :: "r"(shared_address(to)), "l"(from), "r"(valid ? 4 : 0) : "memory");
}
/* One block says that what it has written before its last barrier is there, and another, before its next, asks. */
DEVICE void publish(int *flag) { asm volatile("st.release.gpu.global.s32 [%0], 1;" :: "l"(flag) : "memory"); }
DEVICE bool published(const int *flag)
{
    int r;
    asm volatile("ld.acquire.gpu.global.s32 %0, [%1];" : "=r"(r) : "l"(flag) : "memory");
    return r != 0;
}
/* The same with a number that says how far it is */
DEVICE void note(int *number, int is)
{
    asm volatile("st.release.gpu.global.s32 [%0], %1;" :: "l"(number), "r"(is) : "memory");
}
DEVICE int noted(const int *number)
{
    int r;
    asm volatile("ld.acquire.gpu.global.s32 %0, [%1];" : "=r"(r) : "l"(number) : "memory");
    return r;
}
/* So many threads wait for each other, by one of a block's barriers, 1 to 15; the other: has one of them x? */
DEVICE void they_meet(int barrier, int threads)
{
    asm volatile("bar.sync %0, %1;" :: "r"(barrier), "r"(threads) : "memory");
}
DEVICE bool any_of_them(int barrier, int threads, bool x)
{
    int r;
    asm volatile("{ .reg .pred p, q; setp.ne.s32 p, %3, 0; bar.red.or.pred q, %1, %2, p; selp.s32 %0, 1, 0, q; }"
                 : "=r"(r) : "r"(barrier), "r"(threads), "r"((int)x) : "memory");
    return r;
}
/* Bring a line into the second-level cache */
DEVICE void prefetch(const void *p) { asm volatile("prefetch.global.L2 [%0];" :: "l"(p)); }
DEVICE void cp_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }
/* Wait until at most N of this thread's groups are under way. */
template <int N> DEVICE void cp_wait() { asm volatile("cp.async.wait_group %0;" :: "n"(N) : "memory"); }

/* Four 8x8 matrices of bf16; lane l points at row l%8 of matrix l/8.  _t: transposed */
DEVICE void ldmatrix(uint32_t (&r)[4], const void *p)
{
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(shared_address(p)) : "memory");
}
DEVICE void ldmatrix_t(uint32_t (&r)[4], const void *p)
{
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(shared_address(p)) : "memory");
}

/* An 8x8 matrix of bf16, two neighbours of a row per lane, turned */
DEVICE uint32_t turned(uint32_t x)
{
    uint32_t r;
    asm volatile("movmatrix.sync.aligned.m8n8.trans.b16 %0, %1;" : "=r"(r) : "r"(x));
    return r;
}

/* d (16,8) += a (16,16) b (16,8) by one warp */
DEVICE void mma(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1)
{
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

/* Two floats as a pair of bf16, low half first; and back */
DEVICE uint32_t pack(float low, float high)
{
    uint32_t r;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(r) : "f"(high), "f"(low));
    return r;
}
DEVICE float low_half(uint32_t pair) { return __uint_as_float(pair << 16); }
DEVICE float high_half(uint32_t pair) { return __uint_as_float(pair & 0xffff0000u); }

/* a (hi + lo), both halves of each, rounded once: hi + lo carries 16 bits of a weight */
DEVICE uint32_t scale_pair(uint32_t a, uint32_t hi, uint32_t lo)
{
    uint32_t r;
    asm("{ .reg .b32 t; fma.rn.bf16x2 t, %1, %3, %4; fma.rn.bf16x2 %0, %1, %2, t; }"
        : "=r"(r) : "r"(a), "r"(hi), "r"(lo), "r"(0x80008000u));
    return r;
}

DEVICE float exp2_fast(float x)
{
    float r;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(r) : "f"(x));
    return r;
}

/* The sum over the 4 lanes that share the rows of a fragment */
DEVICE float quad_sum(float x)
{
    x += __shfl_xor_sync(0xffffffffu, x, 1);
    return x + __shfl_xor_sync(0xffffffffu, x, 2);
}
DEVICE float quad_max(float x)
{
    x = fmaxf(x, __shfl_xor_sync(0xffffffffu, x, 1));
    return fmaxf(x, __shfl_xor_sync(0xffffffffu, x, 2));
}

#endif
