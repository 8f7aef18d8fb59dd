/* wgmma.cuh - the functions of warpmma.cuh by sm_90a's wgmma: a group of four warps issues, the tensor cores read
 * shared memory themselves.  Between mm_begin and mm_wait the operands must not change. */
#ifndef SWAX_WGMMA_CUH
#define SWAX_WGMMA_CUH

DEVICE void mm_begin() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
DEVICE void mm_end() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }
/* Wait until at most N of the ended groups are under way. */
template <int N = 0> DEVICE void mm_wait() { asm volatile("wgmma.wait_group.sync.aligned %0;" :: "n"(N) : "memory"); }
/* What this thread wrote to shared memory, the tensor cores may read after the next barrier. */
DEVICE void mm_fence() { asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); }

/* Everything done to d so far comes before what follows. */
template <int N> DEVICE void mm_settle(float (&d)[N][4])
{
#pragma unroll
    for (int j = 0; j < N; j++)
        asm volatile("" : "+f"(d[j][0]), "+f"(d[j][1]), "+f"(d[j][2]), "+f"(d[j][3]) :: "memory");
}

template <int K> DEVICE void mm_settle(uint32_t (&a)[K][4])
{
#pragma unroll
    for (int k = 0; k < K; k++)
        asm volatile("" : "+r"(a[k][0]), "+r"(a[k][1]), "+r"(a[k][2]), "+r"(a[k][3]) :: "memory");
}

/* A descriptor: address, two strides, in units of 16 bytes; 128-byte swizzle.  1024 bytes are 8 rows of a panel. */
DEVICE uint64_t descriptor(const unsigned char *p, int leading)
{
    return (uint64_t)1 << 62 | (uint64_t)(1024 >> 4) << 32 | (uint64_t)(leading >> 4) << 16 |
           (shared_address(p) & 0x3ffff) >> 4;
}

#define D4(i) "+f"(d[i][0]), "+f"(d[i][1]), "+f"(d[i][2]), "+f"(d[i][3])
#define D16(i) D4(i), D4(i + 1), D4(i + 2), D4(i + 3)
#define D32(i) D16(i), D16(i + 4)
#define D64(i) D32(i), D32(i + 8)
#define D96(i) D64(i), D32(i + 16)
#define D128(i) D64(i), D64(i + 16)
#define R32 \
    "%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15" \
    ",%16,%17,%18,%19,%20,%21,%22,%23,%24,%25,%26,%27,%28,%29,%30,%31"
#define R64 R32 \
    ",%32,%33,%34,%35,%36,%37,%38,%39,%40,%41,%42,%43,%44,%45,%46,%47" \
    ",%48,%49,%50,%51,%52,%53,%54,%55,%56,%57,%58,%59,%60,%61,%62,%63"
#define R96 R64 \
    ",%64,%65,%66,%67,%68,%69,%70,%71,%72,%73,%74,%75,%76,%77,%78,%79" \
    ",%80,%81,%82,%83,%84,%85,%86,%87,%88,%89,%90,%91,%92,%93,%94,%95"
#define R128 R96 \
    ",%96,%97,%98,%99,%100,%101,%102,%103,%104,%105,%106,%107,%108,%109,%110,%111" \
    ",%112,%113,%114,%115,%116,%117,%118,%119,%120,%121,%122,%123,%124,%125,%126,%127"
#define WGMMA(n, d, add, operands, flags) \
    "{ .reg .pred p; setp.ne.b32 p, " add ", 0; wgmma.mma_async.sync.aligned.m64n" #n \
    "k16.f32.bf16.bf16 {" d "}, " operands ", p, 1, 1, " flags "; }"

/* One step of 16: a by descriptor, or a fragment of it in registers; b as rows [n][k] (T = 0) or [k][n] (T = 1).  d is
 * added to, or, with add 0, overwritten. */
template <int N, int T> struct wgmma;
#define WGMMA_SIZE(n, D, R, a0, a1, a2, a3, a4, a5, a6)                                                                \
template <int T> struct wgmma<n, T> {                                                                                  \
    static __device__ __forceinline__ void shared(float (*d)[4], uint64_t a, uint64_t b, int add)                      \
    { asm volatile(WGMMA(n, R, a3, a0 ", " a1, "0, " a2) : D(0) : "l"(a), "l"(b), "n"(T), "r"(add)); }                 \
    static __device__ __forceinline__ void registers(float (*d)[4], const uint32_t (&a)[4], uint64_t b, int add = 1)   \
    { asm volatile(WGMMA(n, R, a6, "{" a0 "," a1 "," a2 "," a3 "}, " a4, a5)                                           \
                   : D(0) : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "n"(T), "r"(add)); }                   \
};
WGMMA_SIZE(64, D32, R32, "%32", "%33", "%34", "%35", "%36", "%37", "%38")
WGMMA_SIZE(128, D64, R64, "%64", "%65", "%66", "%67", "%68", "%69", "%70")
WGMMA_SIZE(192, D96, R96, "%96", "%97", "%98", "%99", "%100", "%101", "%102")
WGMMA_SIZE(256, D128, R128, "%128", "%129", "%130", "%131", "%132", "%133", "%134")

template <int N, bool ADD = true> DEVICE void mm_nt(float (*d)[4], const unsigned char *a, const unsigned char *b)
{
#pragma unroll
    for (int k = 0; k < 4; k++)
        wgmma<N, 0>::shared(d, descriptor(a + 32 * k, 0), descriptor(b + 32 * k, 0), ADD || k);
}

template <int N, bool ADD = true> DEVICE void mm_nn(float (*d)[4], const unsigned char *a, const unsigned char *b)
{
#pragma unroll
    for (int k = 0; k < 4; k++)
        wgmma<N, 1>::shared(d, descriptor(a + 32 * k, 0), descriptor(b + 2048 * k, PANEL), ADD || k);
}

template <int N> DEVICE void mm_rt(float (*d)[4], const uint32_t (&a)[4][4], const unsigned char *b)
{
#pragma unroll
    for (int k = 0; k < 4; k++)
        wgmma<N, 0>::registers(d, a[k], descriptor(b + 32 * k, 0));
}

template <int N, bool ADD = true, int K>
DEVICE void mm_rn(float (*d)[4], const uint32_t (&a)[K][4], const unsigned char *b, int panel = PANEL)
{
#pragma unroll
    for (int k = 0; k < K; k++)
        wgmma<N, 1>::registers(d, a[k], descriptor(b + 2048 * k, panel), ADD || k);
}

#endif
