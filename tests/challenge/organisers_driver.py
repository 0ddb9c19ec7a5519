"""What the organisers' driver of 2020 does, in our words: MODEL INPUT OUTPUT, run_12ECG_classifier on its path."""

import os
import sys

import numpy as np
from run_12ECG_classifier import load_12ECG_model, run_12ECG_classifier
from scipy.io import loadmat

model_folder, input_folder, output_folder = sys.argv[1:]
names = [name for name in os.listdir(input_folder) if name.lower().endswith("mat") and not name.startswith(".")]
os.makedirs(output_folder, exist_ok=True)
model = load_12ECG_model(model_folder)
for name in names:
    path = os.path.join(input_folder, name)
    data = np.asarray(loadmat(path)["val"], dtype=np.float64)
    with open(path.replace(".mat", ".hea")) as file:
        header_lines = file.readlines()
    labels, scores, classes = run_12ECG_classifier(data, header_lines, model)
    root = os.path.splitext(name)[0]
    with open(os.path.join(output_folder, f"{root}.csv"), "w") as file:
        lines = (f"#{root}", ",".join(classes), ",".join(map(str, labels)), ",".join(map(str, scores)))
        file.write("".join(f"{line}\n" for line in lines))
