/* delta_impl.h - the faults of the delta rule: the two forms of it, with one switch on. */

#include "ref/oracle/faults/delta_chunk_impl.h"
#include "ref/oracle/faults/delta_token_impl.h"

#define DELTA_F(name, ...)                                                                                            \
    static void delta_##name##_forward(DELTA_FORWARD)                                                                 \
    {                                                                                                                 \
        static const struct delta_twist w = { __VA_ARGS__ };                                                          \
        delta_twisted(&w, y, S1, r, Ss, q, k, v, g, beta, S0, start, B, T, H, G, K, V, J, L, erase, scale);           \
    }
#define DELTA_B(name, ...)                                                                                            \
    static void delta_##name##_backward(DELTA_BACKWARD)                                                               \
    {                                                                                                                 \
        static const struct delta_twist w = { __VA_ARGS__ };                                                          \
        delta_twisted_back(&w, dq, dk, dv, dg, dbeta, dS0, S, D, dy, dS1, q, k, v, g, beta, S0, start, S1, r, Ss,     \
                           B, T, H, G, K, V, J, L, erase, scale);                                                     \
    }
#define DELTA(name, ...) DELTA_F(name, __VA_ARGS__) DELTA_B(name, __VA_ARGS__)
#define DELTA_C(name, ...)                                                                                            \
    static void delta_##name##_forward(DELTA_FORWARD)                                                                 \
    {                                                                                                                 \
        static const struct delta_chunk_twist w = { __VA_ARGS__ };                                                    \
        delta_chunked(&w, y, S1, r, Ss, q, k, v, g, beta, S0, start, B, T, H, G, K, V, J, L, erase, scale);           \
    }

DELTA(plain, .no_erase = 0)
DELTA(plain_sums_128, .chunk_sums = 128)
DELTA(differences_both, .chunk_sums = 64, .float_sums = 1)
DELTA_C(chunks, .exclusive = 0)
DELTA(no_erase, .no_erase = 1)
DELTA(erases, .erases = 1)
DELTA(undecayed_residual, .undecayed = 1)
DELTA(decay_last, .decay_last = 1)
DELTA(output_first, .output_first = 1)
DELTA(beta_on_v, .beta_on_v = 1)
DELTA(beta_squared, .beta = 1)
DELTA(beta_activated_twice, .beta = 2)
DELTA(beta_clamped, .beta = 3)
DELTA(beta_bf16, .beta_kept = stat_to_bf16)
DELTA(exp2, .gate = 1)
DELTA(alpha, .gate = 2)
DELTA(g_bf16, .gate_kept = stat_to_bf16)
DELTA(decay_bf16, .keep_kept = stat_to_bf16)
DELTA(gate_clamped, .gate = 3)
DELTA(gate_late, .late = 1)
DELTA(gate_late_but_first, .late = 2)
DELTA(gate_on_values, .on_values = 1)
DELTA(gate_averaged, .averaged = 1)
DELTA(no_scale, .scales = 1)
DELTA(scale_twice, .scales = 2)
DELTA(scale_of_values, .scales = 3)
DELTA(no_state_in, .no_S0 = 1)
DELTA_F(state_in_transposed, .S0_turned = 1)
DELTA(state_in_not_decayed, .S0_fresh = 1)
DELTA_F(state_out_transposed, .S1_turned = 1)
DELTA_F(state_out_early, .S1_early = 1)
DELTA_F(state_out_zero, .S1_zero = 1)
DELTA(heads_modulo, .modulo = 1)
DELTA(leaks, .leaks = 1)
DELTA(restart_late, .restarts_late = 1)
DELTA(restart_damps, .damps = 1)
DELTA(cut_64, .cut = 64)
DELTA(cut_16, .cut = 16)
DELTA(state_bf16, .state_kept = stat_to_bf16)
DELTA(read_bf16, .read_kept = stat_to_bf16)
DELTA(residual_bf16, .r_kept = stat_to_bf16)
DELTA(update_bf16, .u_kept = stat_to_bf16)
DELTA(key_residual, .key_residual = 1)
DELTA(last_token, .no_last = 1)
DELTA_B(no_final_gradient, .no_dS1 = 1)
DELTA_B(no_initial_gradient, .no_dS0 = 1)
DELTA_B(dq_before_write, .dq = 1)
DELTA_B(dq_token_before, .dq = 2)
DELTA_B(dv_without_beta, .dv_bare = 1)
DELTA_B(dbeta_of_v, .dbeta = 1)
DELTA_B(dbeta_of_u, .dbeta = 2)
DELTA_B(dk_without_read, .dk = 1)
DELTA_B(dk_without_write, .dk = 4)
DELTA_B(dk_read_added, .dk = 2)
DELTA_B(dk_read_undecayed, .dk = 3)
DELTA_B(gradient_not_erased, .kept = 1)
DELTA_B(gradient_erased_without_beta, .kept_bare = 1)
DELTA_B(dg_of_D, .dg = 1)
DELTA_B(dg_of_state_before, .dg = 2)
DELTA_B(dg_of_state_after, .dg = 3)
DELTA_B(dg_of_attention, .dg = 4)
DELTA_B(dg_late, .dg = 5)
DELTA_B(dg_without_anchor, .dg = 6)
DELTA_B(dg_in_float_sums, .dg = 7)
DELTA_B(gradient_crosses, .crosses = 1)
DELTA_B(gradient_undecayed, .D_undecayed = 1)
DELTA_B(dS0_undecayed, .dS0_undecayed = 1)
DELTA_B(cut_gradient_64, .cut_gradient = 64)
DELTA_B(cut_gradient_16, .cut_gradient = 16)
DELTA_B(group_not_summed, .last_head = 1)
DELTA_B(overwrites, .overwrites = 1)
DELTA_C(sum_bf16, .sum_kept = stat_to_bf16)
DELTA_C(exclusive_sum, .exclusive = 1)
DELTA_C(tail_decay, .tail = 1)
DELTA_C(tail_write, .unwritten = 1)
DELTA_C(A_undecayed, .A_undecayed = 1)
DELTA_C(A_beta_of_column, .A_beta_of_j = 1)
DELTA_C(A_without_beta, .A_no_beta = 1)
DELTA_C(A_diagonal, .A_diagonal = 1)
DELTA_C(W_undecayed, .W_undecayed = 1)
DELTA_C(U_decayed, .U_decayed = 1)
DELTA_C(inverse_first_order, .inverse = 1)
DELTA_C(inverse_third_order, .inverse = 2)
DELTA_C(inverse_row_short, .inverse = 3)
DELTA_C(inverse_bf16, .inverse_kept = stat_to_bf16)
DELTA_C(inverse_f16, .inverse = 4, .inverse_kept = stat_to_half)
DELTA_C(P_strict, .P_strict = 1)
DELTA_C(P_undecayed, .P_undecayed = 1)
DELTA_C(inter_undecayed, .inter_undecayed = 1)
DELTA_C(v_for_u, .v_for_u = 1)
DELTA_C(keys_undecayed, .keys_undecayed = 1)
DELTA_C(state_undecayed, .state_undecayed = 1)
DELTA_C(differences, .differences = 1, .sum_kept = stat_to_float)
DELTA_C(two_factors, .factors = 1)
