"""Singular values of long products of matrices, in 4000 decimal digits.

Writes `products.safetensors`: for every case NAME

    NAME.jacobians              (T, S, S)   J_1 … J_T, row-major; a single one if all are equal
    NAME.lags                   (n)         k, as f64
    NAME.log10_singular_values  (n, S)      of J_T···J_{T−k+1}, in falling order

    pip install mpmath numpy safetensors
    python make_fixtures.py
"""

import mpmath
import numpy as np
from pathlib import Path
from safetensors.numpy import save_file

mpmath.mp.dps = 4000
rng = np.random.default_rng(20)


def gaussian(steps, size, scale):
    """Decays as a whole: 10^-5000 at the end."""
    return scale * rng.standard_normal((steps, size, size))


def graded(steps, scales):
    """Singular values that part by five decades a step: 10^1200 at the end."""
    return rng.standard_normal((steps, len(scales), len(scales))) * scales


def triangular(steps, matrix):
    """One matrix over and over, whose small eigenvalues come first: rows and columns of the
    product both hold entries hundreds of decades apart."""
    return np.tile(matrix, (steps, 1, 1))


CASES = {
    "gaussian": (gaussian(150, 6, 1e-35), [1, 2, 5, 20, 60, 150]),
    "graded": (graded(250, np.array([1e-3, 1.0, 1e-5, 1e-2])), [1, 3, 10, 50, 250]),
    "triangular": (
        triangular(1200, np.array([[0.1, 1.0, -0.3], [0.0, 0.9, 0.7], [0.0, 0.0, 0.4]])),
        [1, 2, 10, 100, 1200],
    ),
}


def log10_singular_values(product):
    # svd_r works on the matrix itself, never on its square.
    values = mpmath.svd_r(product, compute_uv=False)
    return sorted((float(mpmath.log10(value)) for value in values), reverse=True)


def main():
    tensors = {}
    for name, (jacobians, lags) in CASES.items():
        steps, size, _ = jacobians.shape
        product = mpmath.eye(size)
        values = []
        for lag in range(1, steps + 1):
            product = product * mpmath.matrix(jacobians[steps - lag].tolist())
            if lag in lags:
                values.append(log10_singular_values(product))
                print(name, lag, values[-1])
        # One of a thousand equal matrices says all.
        kept = jacobians[:1] if name == "triangular" else jacobians
        tensors[f"{name}.jacobians"] = np.ascontiguousarray(kept)
        tensors[f"{name}.lags"] = np.array(lags, dtype=np.float64)
        tensors[f"{name}.log10_singular_values"] = np.array(values)
    save_file(tensors, Path(__file__).with_name("products.safetensors"))


main()
