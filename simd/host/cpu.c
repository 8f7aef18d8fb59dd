/* cpu.c - what this machine can do: ref/tiers.c asks before it offers a tier. */

int swax_avx2_usable(void);
int swax_avx512_usable(void);
int swax_avx512bf16_usable(void);
int swax_neon_usable(void);

#ifdef __x86_64__
int swax_avx2_usable(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}
int swax_avx512_usable(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw");
}
int swax_avx512bf16_usable(void) { return swax_avx512_usable() && __builtin_cpu_supports("avx512bf16"); }
int swax_neon_usable(void) { return 0; }
#else
int swax_avx2_usable(void)   { return 0; }
int swax_avx512_usable(void) { return 0; }
int swax_avx512bf16_usable(void) { return 0; }
int swax_neon_usable(void)   { return 1; }     /* every aarch64 has it */
#endif
