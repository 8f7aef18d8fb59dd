"""swax.py against formulas written out here in numpy, its judge against right and wrong kernels, its files against themselves."""
import os
import sys
import tempfile
import unittest

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tools", "python"))
import swax  # noqa: E402


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
        x = dict(q=self.draw(1, 5, 2, 3), k=self.draw(1, 5, 2, 3), v=self.draw(1, 5, 2, 4), i=self.draw(1, 5, 2), f=2 + self.draw(1, 5, 2))
        dh = self.draw(1, 5, 2, 4)
        r = swax.mlstm(**x, dh=dh, eps=0)
        for name in x:
            u = self.draw(*x[name].shape)
            step = 1e-5
            up, down = (swax.mlstm(**{**x, name: x[name] + s * step * u}, eps=0).h for s in (1, -1))
            difference = ((up - down) * dh).sum() / (2 * step)
            self.assertAlmostEqual(difference, (r["d" + name] * u).sum(), delta=1e-6 * (1 + abs(difference)), msg=name)

    def test_wrong_sizes_are_refused(self):
        with self.assertRaises(Exception):
            swax.attention(self.draw(1, 4, 3, 2), self.draw(1, 4, 2, 2), self.draw(1, 4, 2, 2))


def rmsnorm(x, w, eps, wrong=0.0):
    x = x.astype(np.float32)
    rstd = 1 / np.sqrt((x * x).mean(axis=1, dtype=np.float64) + eps + wrong)
    return {"y": (x * rstd[:, None] * w).astype(np.float32), "rstd": rstd.astype(np.float32)}


class Judge(unittest.TestCase):
    def test_a_right_kernel_is_good(self):
        self.assertTrue(swax.check(lambda x, w, eps: rmsnorm(x, w, eps), op="rmsnorm_forward", suite="quick"))

    def test_a_wrong_kernel_is_refused_in_words(self):
        def wrong(x, w, eps):
            return rmsnorm(x, w, eps, 1e-2)
        with self.assertRaises(AssertionError) as caught:
            swax.check(wrong, op="rmsnorm_forward", suite="quick")
        self.assertIn("out of bound", str(caught.exception))
        self.assertFalse(swax.check(wrong, op="rmsnorm_forward", suite="quick", raises=False))


class Files(unittest.TestCase):
    def test_what_is_saved_is_loaded(self):
        tensors = {"a": np.arange(6, dtype=np.float64).reshape(2, 3), "b": np.float32([1.5, -2])}
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "x.safetensors")
            swax.save(path, tensors)
            back, _, bf16 = swax.load(path)
        self.assertEqual(set(back), {"a", "b"})
        self.assertEqual(bf16, set())
        for name, x in tensors.items():
            self.assertEqual(back[name].dtype, x.dtype)
            np.testing.assert_array_equal(back[name], x)


if __name__ == "__main__":
    unittest.main()
