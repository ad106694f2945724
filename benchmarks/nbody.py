"""The particle mesh: time of each part and of a step, and peak memory, for the two backends.

Usage: python benchmarks/nbody.py [--backends cpu torch-cpu cuda] [--threads 2] [--steps 10] 128 192
(sizes: particles a side, on a mesh of twice as many; box of 1.953 Mpc/h a particle)
"""

import argparse
import multiprocessing
import resource
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow_scripts"))


def make(backend, settings):
    """Return a backend by name."""
    from clustermass.nbody.mesh import make_mesh

    if backend == "cpu":
        return make_mesh(settings)
    import torch

    from clustermass.nbody.torch_mesh import TorchMesh

    torch.set_num_threads(settings.threads)
    return TorchMesh(settings.mesh_per_side, settings.box_mpc_h, backend.removeprefix("torch-"))


def settings_of(size, steps, threads, backend):
    """Return the configuration of a run."""
    from clustermass.config.nbody import Nbody

    device = "cuda" if backend == "cuda" else "cpu"
    return Nbody(box_mpc_h=size * 500 / 256, particles_per_side=size, steps=steps, threads=threads, device=device)


def peak_bytes(backend):
    """Return the peak of memory so far, on the device of the particles."""
    if backend == "cuda":
        import torch

        return torch.cuda.max_memory_reserved()
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def timed(mesh, times):
    """Return a mesh whose calls add their seconds to `times`."""

    class Timed:
        def __getattr__(self, name):
            def call(*arguments):
                start = time.perf_counter()
                result = getattr(mesh, name)(*arguments)
                times[name] = times.get(name, 0) + time.perf_counter() - start
                return result

            return call

        def force(self, density):
            parts = mesh.force(density)
            while True:
                start = time.perf_counter()
                part = next(parts, None)
                times["force"] = times.get("force", 0) + time.perf_counter() - start
                if part is None:
                    return
                yield part

    return Timed()


def measure(backend, size, steps, threads, queue):
    """Run in this fresh process; put the seconds of each part, and the peak memory."""
    from clustermass.config.base import Cosmology
    from clustermass.nbody.fastpm import memory_needed, simulate

    small = settings_of(16, 2, threads, backend)
    list(simulate(small, Cosmology(), np.random.default_rng(0), mesh=make(backend, small)))  # imports, compilation
    settings = settings_of(size, steps, threads, backend)
    clock, times, processor = [time.perf_counter()], {}, time.process_time()
    mesh = timed(make(backend, settings), times)
    last = None
    for last in simulate(  # noqa: B007
        settings,
        Cosmology(),
        np.random.default_rng(1),
        progress=lambda *_: clock.append(time.perf_counter()),
        mesh=mesh,
    ):
        pass
    speed = float(np.sqrt(np.mean(last.velocities.astype(float) ** 2)))
    processor = time.process_time() - processor
    queue.put((np.diff(clock), processor, times, peak_bytes(backend), memory_needed(settings), speed))


def main():
    """Print one line for every size and backend."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sizes", type=int, nargs="+")
    parser.add_argument("--backends", nargs="+", default=["cpu", "torch-cpu"], choices=["cpu", "torch-cpu", "cuda"])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=10)
    options = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    for size in options.sizes:
        for backend in options.backends:
            queue = context.Queue()
            process = context.Process(target=measure, args=(backend, size, options.steps, options.threads, queue))
            process.start()
            seconds, processor, times, peak, needed, speed = queue.get()
            process.join()
            parts = ", ".join(f"{name} {total / (options.steps + 1):.2f}" for name, total in times.items())
            print(
                f"{size}^3 on {2 * size}^3, {backend}, {options.threads} threads: {options.steps} steps in "
                f"{seconds.sum():.1f} s ({processor:.1f} s of processors), "
                f"{np.median(seconds[1:]):.2f} s a step (initial conditions and first force {seconds[0]:.1f} s); "
                f"seconds a force: {parts}; peak {peak / 1e9:.2f} GB, foreseen {needed / 1e9:.2f} GB; "
                f"rms velocity {speed:.2f} km/s",
                flush=True,
            )


if __name__ == "__main__":
    main()
