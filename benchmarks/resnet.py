"""A training step of ResNet-18 as band classifier: torch's default against the project's, in turn in one process.

Usage: python benchmarks/resnet.py [--sides 256 64] [--rounds 7] [--threads 1] [--device cpu]

torch's default is torchvision's model in float32 with images as (n, channels, h, w), and torch.optim.Adam. The project
has its BandClassifier, whose images are stored channels last, and its own Adam, once in float32 and once with layers in
bfloat16. All begin with the same weights and see the same images, so that their losses can be compared. Of every round
the ratio of times is taken: other work on the machine slows both.
"""

import argparse
import contextlib
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow_scripts"))

import torch
from torchvision import models

from clustermass.config.image_networks import BandNetwork
from clustermass.config.training import Training
from clustermass.networks.image import BandClassifier
from clustermass.training.device import prepared
from clustermass.training.optimiser import Adam

PIXELS = 2**20  # of a batch
RATE = 1e-4


def batch(side, device):
    """Return images (n, 1, side, side) that differ in noise from band to band, as those of SDSS, and their bands."""
    rng, number = np.random.default_rng(1), max(PIXELS // side**2, 2)
    bands = np.arange(number) % 5
    noise = np.array([0.03, 0.01, 0.02, 0.03, 0.1])[bands]
    images = 0.2 + noise[:, None, None, None] * rng.standard_normal((number, 1, side, side), np.float32)
    return torch.from_numpy(images.astype(np.float32)).to(device), torch.from_numpy(bands).to(device)


def default_step(start, settings, device):
    """Return a function that makes one step as torch does by default and returns the loss before it."""
    module = models.resnet18(weights=None)
    module.fc = torch.nn.Sequential(*start.hidden, start.output)
    module.load_state_dict(start.extractor.backbone.state_dict(), strict=False)
    module = module.to(device).train()
    optimiser = torch.optim.Adam(module.parameters(), settings.learning_rate)

    def step(images, bands):
        optimiser.zero_grad()
        loss = torch.nn.functional.cross_entropy(module(images.expand(-1, 3, -1, -1).contiguous()), bands)
        loss.backward()
        optimiser.step()
        return loss.item()

    return step


def project_step(start, settings, device):
    """Return a function that makes one step as the trainer does and returns the loss before it."""
    module = start.to(device).train()
    optimiser = Adam(module, settings, 1)

    def step(images, bands):
        with torch.autocast(device, torch.bfloat16, enabled=settings.precision == "bfloat16"):
            outputs = module(images)
        loss = module.loss(outputs.float(), bands)
        optimiser.minimise(loss)
        return loss.item()

    return step


def compare(side, rounds, threads, device):
    """Print times of a step, their ratios and the difference of losses."""
    images, bands = batch(side, device)
    ways = {"torch's default": (default_step, "float32")}
    ways |= {f"project, {precision}": (project_step, precision) for precision in ("float32", "bfloat16")}
    steps, states = {}, {}
    for name, (make, precision) in ways.items():
        torch.manual_seed(1)
        settings = Training(learning_rate=RATE, decay=0.0, epsilon=1e-8, max_norm=None, precision=precision)
        steps[name] = make(BandClassifier(BandNetwork()), settings, device)
        states[name] = (lambda: prepared(device, threads)) if make is project_step else contextlib.nullcontext
    clock = time.process_time if device == "cpu" else time.perf_counter
    spent, walls, losses = ({name: [] for name in ways} for _ in range(3))
    for _ in range(rounds + 1):
        for name, step in steps.items():
            with states[name]():
                begin, wall = clock(), time.perf_counter()
                losses[name].append(step(images, bands))
                spent[name].append(clock() - begin)
                walls[name].append(time.perf_counter() - wall)
    base = np.array(spent["torch's default"][1:])  # the first step sets things up
    first, *_, last = np.abs(np.array(list(losses.values())) - losses["torch's default"]).T
    for way, name in enumerate(ways):
        times, ratios = np.array(spent[name][1:]), base / np.array(spent[name][1:])
        print(
            f"{side} px, {name}: {len(images) / np.median(times):.1f} images a second"
            f" ({len(images) / np.median(walls[name][1:]):.1f} by the wall clock); torch's default over it:"
            f" {np.median(ratios):.2f} ({ratios.min():.2f} to {ratios.max():.2f}); loss {losses[name][0]:.4f} at first,"
            f" {losses[name][-1]:.4f} at last, off by {first[way]:.1e} and {last[way]:.1e}",
            flush=True,
        )


def main():
    """Print three lines a size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sides", type=int, nargs="*", default=[256, 64], help="of images [px]")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    for side in options.sides:
        compare(side, options.rounds, options.threads, options.device)


if __name__ == "__main__":
    main()
