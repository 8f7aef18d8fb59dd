/* faults.c - the text of faults.h: every known fault, compiled once per precision. */
#include "ref/oracle/faults/faults.h"
#include "ref/oracle/oracle.h"

#ifdef SWAX_F64
#define TABLE f64
#else
#define TABLE f32
#endif

#include "ref/oracle/faults/attention_impl.h"
#include "ref/oracle/faults/cell_impl.h"
#include "ref/oracle/faults/rest_impl.h"

#define FORWARD(op, name, kind, says)  { { #name, #op, says, FAULT_##kind }, { .op##_forward = op##_##name##_forward } }
#define BACKWARD(op, name, kind, says) { { #name, #op, says, FAULT_##kind }, { .op##_backward = op##_##name##_backward } }
#define BOTH(op, name, kind, says)     { { #name, #op, says, FAULT_##kind }, { .op##_forward = op##_##name##_forward, .op##_backward = op##_##name##_backward } }
#define ALONE(op, name, kind, says)    { { #name, #op, says, FAULT_##kind }, { .op = op##_##name } }

static const struct entry { struct fault is; struct R(swax_kernels) table; } faults[] = {
    BOTH(attention, wide, EXACT, "the window has W+1 keys: off by one"),
    BOTH(attention, narrow, EXACT, "the window has W-1 keys: off by one, or the query's own is not counted"),
    FORWARD(attention, wide_forward, EXACT, "the window has W+1 keys, in the forward only"),
    BACKWARD(attention, wide_backward, EXACT, "the window has W+1 keys, in the backward only"),
    FORWARD(attention, narrow_forward, EXACT, "the window has W-1 keys, in the forward only"),
    BACKWARD(attention, narrow_backward, EXACT, "the window has W-1 keys, in the backward only"),
    BOTH(attention, full, EXACT, "the window is ignored: full causal attention"),
    BACKWARD(attention, window_forward_only, EXACT, "the window is in the forward only"),
    FORWARD(attention, window_backward_only, EXACT, "the window is in the backward only"),
    BOTH(attention, two_sided, EXACT, "the window reaches ahead as far as behind"),
    BOTH(attention, not_causal, EXACT, "neither causal nor windowed"),
    BOTH(attention, top_left, EXACT, "with more keys than queries, the first query is aligned with the first key, not the last with the last"),
    BOTH(attention, no_cache, EXACT, "the keys before the call are not seen"),
    BOTH(attention, leaks, EXACT, "looks across the start of a document"),
    BOTH(attention, no_scale, EXACT, "scores are not divided by sqrt(D)"),
    BOTH(attention, scale_twice, EXACT, "scores are divided by sqrt(D) twice"),
    BOTH(attention, heads_modulo, EXACT, "query head h reads key head h % G, not h G/H"),
    BOTH(attention, q_k_swapped, EXACT, "q and k are swapped"),
    BOTH(attention, layout, EXACT, "[B,T,H,D] is taken for [B,H,T,D]"),
    FORWARD(attention, no_max, EXACT, "the softmax does not subtract the maximum: exp overflows"),
    FORWARD(attention, lse_base_2, EXACT, "lse is a logarithm to base 2"),
    BOTH(attention, last_query, EXACT, "the last query is left out: a tail that is not done"),
    BOTH(attention, tf32, ROUNDING, "products round their operands to tf32"),
    BOTH(attention, bf16_operands, ROUNDING, "products round their operands to bf16"),
    BOTH(attention, bf16_sums, ROUNDING, "sums are kept in bf16"),
    BACKWARD(attention, no_delta, EXACT, "the softmax's gradient lacks dy.y"),
    BACKWARD(attention, unscaled_dk, EXACT, "dk lacks 1/sqrt(D)"),
    BACKWARD(attention, group_not_summed, EXACT, "dk and dv come from one query head of each group, not from their sum"),
    BACKWARD(attention, half_value, EXACT, "dy.v is taken over half of the head"),
    BACKWARD(attention, overwrites, EXACT, "gradients are overwritten, not added to"),

    BOTH(mlstm, log_sigmoid, EXACT, "log(sigmoid(f)) in float: the digits of an open forget gate are lost"),
    BOTH(mlstm, log_one_plus, EXACT, "-log(1 + exp(-f)) in float: the digits of an open forget gate are lost"),
    BOTH(mlstm, bf16_gates, EXACT, "the gates i and f are rounded to bf16"),
    BOTH(mlstm, bf16_states, ROUNDING, "the state is kept in bf16"),
    BOTH(mlstm, tf32, ROUNDING, "products round their operands to tf32"),
    BOTH(mlstm, bf16_operands, ROUNDING, "products round their operands to bf16"),
    BOTH(mlstm, gates_swapped, EXACT, "the gates i and f are swapped"),
    BOTH(mlstm, previous_gate, EXACT, "the forget gate is the one of the token before"),
    BOTH(mlstm, summed_gates, EXACT, "decays are differences of the forget gates' sums from the first token on: behind closed gates those sums are large"),
    BOTH(mlstm, cut_64, EXACT, "the state is lost between chunks of 64 tokens"),
    BOTH(mlstm, cut_128, EXACT, "the state is lost between chunks of 128 tokens"),
    BOTH(mlstm, leaks, EXACT, "the state goes on across the start of a document"),
    BOTH(mlstm, soft_reset, EXACT, "documents are parted by a forget gate of -25, not by a new state"),
    BOTH(mlstm, no_state_in, EXACT, "the state that comes in (C0, n0, m0) is not read"),
    BOTH(mlstm, no_m0, EXACT, "m0 is taken for 0"),
    BOTH(mlstm, no_abs, EXACT, "the normaliser takes q.n without its absolute value"),
    BOTH(mlstm, floor_one, EXACT, "the normaliser is max(|q.n|, 1), where m has been taken out and exp(-m) belongs"),
    BOTH(mlstm, no_floor, EXACT, "the normaliser is |q.n| without the maximum with exp(-m)"),
    BOTH(mlstm, no_normaliser, EXACT, "h is not divided by the normaliser"),
    BOTH(mlstm, no_eps, EXACT, "eps is left out"),
    FORWARD(mlstm, eps_first, EXACT, "eps is added to |q.n| before the maximum, not behind it"),
    BOTH(mlstm, no_scale, EXACT, "q is not divided by sqrt(K)"),
    BOTH(mlstm, scale_twice, EXACT, "1/sqrt(K) is on q and on k"),
    FORWARD(mlstm, scaled_keys, EXACT, "1/sqrt(K) is on k in the states, not on q"),
    FORWARD(mlstm, no_maximum, EXACT, "the stabiliser is not a maximum: m = lf + m"),
    BOTH(mlstm, layout, EXACT, "[B,T,H,D] is taken for [B,H,T,D]"),
    BOTH(mlstm, last_token, EXACT, "the last token is left out: a tail that is not done"),
    BACKWARD(mlstm, no_gamma, EXACT, "the normaliser's gradient is left out: exact only under a scale-invariant norm"),
    BACKWARD(mlstm, gamma_sign, EXACT, "the normaliser's gradient lacks the sign of q.n"),
    BACKWARD(mlstm, no_anchor, EXACT, "df's sum begins from 0 at the end: <dC1,C1> + <dn1,n1> is missing"),
    BACKWARD(mlstm, v_dv, EXACT, "di is v.dv, which lacks n's share: k.dk is di"),
    BACKWARD(mlstm, published, EXACT, "no normaliser's gradient, none of n at the start, no anchor of df: the published native backward"),
    BACKWARD(mlstm, no_final_gradient, EXACT, "the gradient of the final state (dC1, dn1) is ignored"),
    BACKWARD(mlstm, no_initial_gradient, EXACT, "the gradient of the initial state (dC0, dn0) is not given"),
    BACKWARD(mlstm, cut_gradient_64, EXACT, "the state's gradient is lost between chunks of 64 tokens"),
    BACKWARD(mlstm, no_chain, EXACT, "df lacks sigmoid(-f): it is the gradient of log sigmoid(f)"),
    BACKWARD(mlstm, overwrites, EXACT, "gradients are overwritten, not added to"),

    FORWARD(add, tail, EXACT, "the last elements are left out: a tail that is not done"),
    BACKWARD(add, overwrites, EXACT, "gradients are overwritten, not added to"),
    BACKWARD(gate, lost_factor, EXACT, "dg lacks the factor x"),
    FORWARD(gate, no_sigmoid, EXACT, "the gate is not a sigmoid"),
    BACKWARD(swiglu, derivative, EXACT, "silu's derivative lacks a s(-a)"),
    BOTH(swiglu, halves, EXACT, "the two halves are swapped: the wrong one is gated"),
    FORWARD(softcap, none, EXACT, "there is no soft-cap"),
    FORWARD(softcap, clips, EXACT, "the soft-cap clips, where cap tanh(x/cap) belongs"),
    BACKWARD(softcap, no_gradient, EXACT, "the soft-cap's derivative is missing"),
    BACKWARD(embed, last_wins, EXACT, "a token's last occurrence replaces the others' gradients"),
    BOTH(linear, transposed, EXACT, "the weight is transposed"),
    FORWARD(linear, no_bias, EXACT, "the bias is missing"),
    BACKWARD(linear, no_bias_gradient, EXACT, "the bias's gradient is missing"),
    FORWARD(linear, adds, EXACT, "y is added to, not overwritten"),
    BACKWARD(linear, last_row, EXACT, "the last row is left out: a tail that is not done"),
    BACKWARD(linear, overwrites, EXACT, "dw is overwritten, not added to"),
    FORWARD(linear, tf32, ROUNDING, "products round their operands to tf32"),
    FORWARD(linear, bf16_sums, ROUNDING, "sums are kept in bf16"),
    FORWARD(rmsnorm, eps, EXACT, "eps is 10 times too large or too small: 1e-5 for 1e-6"),
    FORWARD(rmsnorm, eps_outside, EXACT, "eps is outside of the root"),
    FORWARD(rmsnorm, one_plus_weight, EXACT, "the weight is taken as 1 + w"),
    BACKWARD(rmsnorm, one_term, EXACT, "dx lacks the gradient through the norm"),
    FORWARD(headnorm, unbiased, EXACT, "the variance is divided by D-1"),
    FORWARD(headnorm, eps, EXACT, "eps is 10 times too large or too small: 1e-5 for 1e-6"),
    FORWARD(headnorm, all_heads, EXACT, "one norm over all heads, not one for each"),
    BACKWARD(headnorm, no_centre, EXACT, "dx lacks the gradient through the mean"),
    FORWARD(rope, interleaved, EXACT, "pairs are (0,1)(2,3).., where element j turns with element j + D/2"),
    BOTH(rope, next_position, EXACT, "positions are off by one"),
    FORWARD(rope, wrong_way, EXACT, "turns the wrong way"),
    BACKWARD(rope, wrong_way, EXACT, "the backward turns as the forward does, not back"),
    BOTH(rope, leaks, EXACT, "positions do not begin anew with a document"),
    BOTH(rope, theta, EXACT, "theta is another: 10000 for 500000, or the reverse"),
    FORWARD(rope, layout, EXACT, "[B,T,H,D] is taken for [B,H,T,D]"),
    FORWARD(xent, uncapped, EXACT, "there is no soft-cap"),
    BACKWARD(xent, cap_gradient, EXACT, "the soft-cap's derivative is missing"),
    BACKWARD(xent, trains_ignored, EXACT, "targets that are to be ignored are trained as 0"),
    ALONE(adamw, eps_inside, EXACT, "eps is inside the root"),
    ALONE(adamw, no_correction, EXACT, "there is no bias correction"),
    ALONE(adamw, coupled_decay, EXACT, "decay is added to the gradient: L2, not decoupled"),
    ALONE(adamw, no_clip, EXACT, "the gradient is not clipped"),
    ALONE(adamw, float_beta, EXACT, "1 - beta2 is taken in float"),
    ALONE(sqsum, float, EXACT, "the sum of squares is kept in float"),
    ALONE(sqsum, norm, EXACT, "the norm is added, not its square"),
}, plain[] = {
    { { "plain", "attention", "as it should be", FAULT_EXACT }, { .attention_forward = attention_plain_forward, .attention_backward = attention_plain_backward } },
    { { "plain", "mlstm", "as it should be", FAULT_EXACT }, { .mlstm_forward = mlstm_plain_forward, .mlstm_backward = mlstm_plain_backward } },
    { { "plain_sums", "mlstm", "as it should be: decays are differences of sums within chunks of 128 tokens", FAULT_EXACT },
      { .mlstm_forward = mlstm_plain_sums_forward, .mlstm_backward = mlstm_plain_sums_backward } },
};

static int always(void) { return 1; }

static const struct fault *take(const struct entry *list, size_t n, int i, struct swax_tier *tier)
{
    if (i < 0 || (size_t)i >= n)
        return NULL;
    memset(tier, 0, sizeof *tier);
    tier->name = list[i].is.name;
    tier->usable = always;
    tier->TABLE = &list[i].table;
    return &list[i].is;
}

const struct fault *R(fault)(int i, struct swax_tier *tier) { return take(faults, sizeof faults / sizeof faults[0], i, tier); }
const struct fault *R(fault_none)(int i, struct swax_tier *tier) { return take(plain, sizeof plain / sizeof plain[0], i, tier); }
