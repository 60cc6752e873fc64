"""Golden orthogonal Procrustes (scipy), partial least squares and kernel ridge regression
(scikit-learn) on seeded unit rows. Usage: linear.py OUTPUT.json"""
import json
import sys

import numpy as np
import scipy
import sklearn
from scipy.linalg import orthogonal_procrustes
from sklearn.cross_decomposition import PLSRegression
from sklearn.kernel_ridge import KernelRidge

generator = np.random.default_rng(5)
rows, dim = 40, 6
unit = lambda x: x / np.linalg.norm(x, axis=1, keepdims=True)
latent = generator.normal(size=(rows, 4))
audio = unit(latent @ generator.normal(size=(4, dim)) + 0.3 * generator.normal(size=(rows, dim)) + 1)
text = unit(latent @ generator.normal(size=(4, dim)) + 0.3 * generator.normal(size=(rows, dim)) - 1)
# The program reads f32, so the reference gets the same values.
audio, text = (x.astype(np.float32).astype(np.float64) for x in (audio, text))
audio, text = unit(audio), unit(text)

rotation, _ = orthogonal_procrustes(audio - audio.mean(0), text - text.mean(0))
procrustes = unit((audio - audio.mean(0)) @ rotation + text.mean(0))
pls = {}
for components in [1, 3, 6]:
    model = PLSRegression(components, scale=False, max_iter=10_000, tol=1e-14)
    pls[str(components)] = unit(model.fit(audio, text).predict(audio)).flatten().tolist()
# exp((x . z - 1) / t) of unit rows is exp(-gamma |x - z|^2) with gamma = 1 / (2 t).
kernel_ridge = {}
for temperature, penalty in [(0.5, 0.1), (0.125, 1.0), (2.0, 0.3)]:
    model = KernelRidge(alpha=penalty, kernel="rbf", gamma=0.5 / temperature)
    found = model.fit(audio, text - text.mean(0)).predict(audio) + text.mean(0)
    kernel_ridge[f"{temperature} {penalty}"] = unit(found).flatten().tolist()
golden = {
    "rows": rows, "dim": dim, "audio": audio.flatten().tolist(), "text": text.flatten().tolist(),
    "procrustes": procrustes.flatten().tolist(), "pls": pls,
    "kernel_ridge": kernel_ridge,
}
json.dump(golden, open(sys.argv[1], "w"))
print("numpy", np.__version__, "scipy", scipy.__version__, "scikit-learn", sklearn.__version__)
