"""The state of torch that trainings need."""

import os
import subprocess
import sys
from pathlib import Path

from clustermass.training import trainer


def test_threads_of_torch_stay_when_numba_starts_its_own():
    """Where torch is loaded first, both share one OpenMP, and numba's start would give torch all threads."""
    program = (
        "import torch, numba, numpy as np\n"
        "from clustermass.training.device import prepared\n"
        "@numba.njit(parallel=True)\n"
        "def work(a):\n"
        "    for i in numba.prange(len(a)):\n"
        "        a[i] += 1\n"
        "with prepared('cpu', 1):\n"
        "    work(np.ones(1000))\n"
        "    print(torch.get_num_threads())\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(trainer.__file__).parents[2]), "NUMBA_NUM_THREADS": "2"}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "1"
