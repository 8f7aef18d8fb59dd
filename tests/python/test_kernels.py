"""The reference kernels, as Python calls them, against formulas written out here in numpy."""

import unittest

import numpy as np

import setting  # noqa: F401
import swax_verify as swax


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def naive_attention(q, k, v, window):
    """y [B,T,H,D]: query t sees keys max(0, t-W+1) .. t of head h G/H."""
    (B, T, H, D), G = q.shape, k.shape[2]
    y = np.zeros_like(q)
    for b in range(B):
        for h in range(H):
            g = h * G // H
            for t in range(T):
                s = slice(max(0, t - window + 1), t + 1)
                a = np.exp(k[b, s, g] @ q[b, t, h] / np.sqrt(D))
                y[b, t, h] = a @ v[b, s, g] / a.sum()
    return y


def naive_mlstm(q, k, v, i, f, eps=1e-6):
    """h [B,T,H,V] by the recurrence, with no stabiliser: small gates."""
    (B, T, H, K), V = q.shape, v.shape[3]
    out = np.zeros(v.shape)
    for b in range(B):
        for h in range(H):
            C, n, m = np.zeros((K, V)), np.zeros(K), 0.0
            for t in range(T):
                forget = np.log(sigmoid(f[b, t, h]))
                now = max(forget + m, i[b, t, h])
                keep, take = np.exp(forget + m - now), np.exp(i[b, t, h] - now)
                C = keep * C + take * np.outer(k[b, t, h], v[b, t, h])
                n = keep * n + take * k[b, t, h]
                m = now
                x = q[b, t, h] / np.sqrt(K)
                out[b, t, h] = C.T @ x / (max(abs(x @ n), np.exp(-m)) + eps)
    return out


class Kernels(unittest.TestCase):
    def setUp(self):
        self.random = np.random.default_rng(7)

    def draw(self, *shape):
        return self.random.standard_normal(shape)

    def test_attention_is_the_formula(self):
        q, k, v = self.draw(2, 9, 4, 6), self.draw(2, 9, 2, 6), self.draw(2, 9, 2, 6)
        for window in (1, 3, 9):
            y = swax.attention(q, k, v, window=window).y
            np.testing.assert_allclose(y, naive_attention(q, k, v, window), rtol=0, atol=1e-12)

    def test_the_cell_is_the_recurrence(self):
        q, k, v = self.draw(2, 11, 3, 5), self.draw(2, 11, 3, 5), self.draw(2, 11, 3, 4)
        i, f = self.draw(2, 11, 3), 3 + self.draw(2, 11, 3)
        np.testing.assert_allclose(swax.mlstm(q, k, v, i, f).h, naive_mlstm(q, k, v, i, f), rtol=0, atol=1e-11)

    def test_gradients_are_differences(self):
        x = dict(
            q=self.draw(1, 5, 2, 3),
            k=self.draw(1, 5, 2, 3),
            v=self.draw(1, 5, 2, 4),
            i=self.draw(1, 5, 2),
            f=2 + self.draw(1, 5, 2),
        )
        dh = self.draw(1, 5, 2, 4)
        r = swax.mlstm(**x, dh=dh, eps=0)
        for name in x:
            u = self.draw(*x[name].shape)
            step = 1e-5
            up, down = (swax.mlstm(**{**x, name: x[name] + s * step * u}, eps=0).h for s in (1, -1))
            difference = ((up - down) * dh).sum() / (2 * step)
            self.assertAlmostEqual(difference, (r["d" + name] * u).sum(), delta=1e-6 * (1 + abs(difference)), msg=name)

    def test_wrong_sizes_are_refused(self):
        with self.assertRaisesRegex(ValueError, "heads"):
            swax.attention(self.draw(1, 4, 3, 2), self.draw(1, 4, 2, 2), self.draw(1, 4, 2, 2))
        q, flat = self.draw(1, 4, 2, 2), self.draw(4, 2, 2)
        for call, words in (
            (lambda: swax.attention(flat, q, q), r"q has the shape \(4, 2, 2\), and it has the axes BTHD"),
            (lambda: swax.attention(q, flat, q), "k has .* axes BSGD"),
            (lambda: swax.attention(q, q, q, window="wide"), "W=wide is not a whole number"),
            (lambda: swax.call("rmsnorm_forwar", {}), "no kernel rmsnorm_forwar: did you mean rmsnorm_forward"),
            (lambda: swax.call("rmsnorm_forward", dict(N=2, C=3), ("a",)), "rmsnorm_forward: eps='a' is no number"),
            (lambda: swax.mlstm(flat, q, q, q[..., 0], q[..., 0]), "q has .* axes BTHK"),
            (lambda: swax.mlstm(q, q, flat, q[..., 0], q[..., 0]), "v has .* axes BTHV"),
            (lambda: swax.delta(flat, q, q, q, q[..., 0]), "q has .* axes BTGK"),
            (lambda: swax.delta(q, q, flat, q, q[..., 0]), "v has .* axes BTHV"),
            (lambda: swax.delta(q, q, q, flat, q[..., 0]), "g has .* axes BTHJ"),
        ):
            with self.assertRaisesRegex(ValueError, words):
                call()

    def test_the_delta_rule_is_the_recurrence(self):
        B, T, H, K, V = 1, 7, 2, 4, 3
        q, k, v = self.draw(B, T, H, K), self.draw(B, T, H, K), self.draw(B, T, H, V)
        g, beta = -np.abs(self.draw(B, T, H, 1)), sigmoid(self.draw(B, T, H))
        y = np.zeros((B, T, H, V))
        for h in range(H):
            S = np.zeros((K, V))
            for t in range(T):
                S = np.exp(g[0, t, h]) * S
                S = S + np.outer(k[0, t, h], beta[0, t, h] * (v[0, t, h] - S.T @ k[0, t, h]))
                y[0, t, h] = S.T @ q[0, t, h] / np.sqrt(K)
        np.testing.assert_allclose(swax.delta(q, k, v, g, beta).y, y, rtol=0, atol=1e-12)


if __name__ == "__main__":
    unittest.main()
