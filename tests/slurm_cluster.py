"""A Slurm cluster of one node on this machine, for as long as it is wanted.

Needs root on Debian or Ubuntu. `python tests/slurm_cluster.py COMMAND ...` runs a command in such a cluster.

Everything lies in one temporary folder, ports and sockets are its own, and all is taken down afterwards. The node has
two GPUs that are device files and nothing more. There is no accounting, as on many small clusters; memory is watched
every second, since control groups may not be there.
"""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

PACKAGES = ("slurm-wlm", "munge")
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue")
GPUS = 2
SLURM_CONF = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=10
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/none
MpiDefault=none
ReturnToService=2
SlurmdTimeout=10
KillWait=10
SchedulerParameters=sched_min_interval=100000,bf_interval=2
SlurmdParameters=config_overrides
GresTypes=gpu
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={memory} Gres=gpu:fake:{gpus} State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


def install():
    """Install Slurm where it is missing; return why that was not possible, or nothing."""
    if all(map(shutil.which, PROGRAMS)):
        return "" if os.geteuid() == 0 else "Slurm's daemons need root"
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return "Slurm is not installed, and this is not root on Debian"
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    said = ""
    for arguments in (["update"], ["install", "--yes", "--no-install-recommends", *PACKAGES]):
        done = subprocess.run(
            ["apt-get", "--quiet", *arguments], env=environment, capture_output=True, text=True, check=False
        )
        said = (done.stdout + done.stderr).strip().splitlines()[-1:]
    if not all(map(shutil.which, PROGRAMS)):
        return f"{' and '.join(PACKAGES)} could not be installed: {said}"
    return ""


class Cluster:
    """A cluster of one node, running inside a `with` block.

    Parameters
    ----------
    cpus : int
        That the node says it has.

    Attributes
    ----------
    environment : dict of str
        For commands that are to talk to the cluster.
    """

    def __init__(self, cpus=4):
        self.folder = Path(tempfile.mkdtemp(prefix="slurm-"))
        self.folder.chmod(0o755)
        config = str(self.folder / "slurm.conf")
        self.environment = os.environ | {"SLURM_CONF": config, "PATH": f"{self.folder}/bin:{os.environ['PATH']}"}
        self.daemons = {}
        host = socket.gethostname().split(".")[0]
        for name in ("state", "spool", "bin"):
            (self.folder / name).mkdir()
        step = self.folder / "bin/srun"  # inside jobs the executor takes most of Slurm's variables away
        step.write_text(f'#!/bin/sh\nSLURM_CONF={config} exec {shutil.which("srun")} "$@"\n')
        step.chmod(0o755)
        for number in range(GPUS):  # as /dev/null, so that opening one does no harm
            os.mknod(self.folder / f"gpu{number}", 0o666 | 0o020000, os.makedev(1, 3))
        (self.folder / "gres.conf").write_text(f"Name=gpu Type=fake File={self.folder}/gpu[0-{GPUS - 1}]\n")
        (self.folder / "slurm.conf").write_text(
            SLURM_CONF.format(
                host=host, folder=self.folder, ports=free_ports(2), cpus=cpus, gpus=GPUS, memory=memory_mb() * 9 // 10
            )
        )
        key = self.folder / "munge.key"
        key.touch(0o600)
        key.write_bytes(secrets.token_bytes(128))

    def __enter__(self):
        try:
            at = self.folder
            self._start(
                "munged",
                f"--socket={at}/munge.socket",
                f"--key-file={at}/munge.key",
                f"--pid-file={at}/munged.pid",
                f"--seed-file={at}/munged.seed",
                f"--log-file={at}/munged.log",
                "--foreground",
                "--force",
            )
            wait_for(lambda: (at / "munge.socket").exists(), "munged")
            self._start("slurmctld", "-D")
            wait_for(lambda: self.ask("scontrol", "ping").returncode == 0, "slurmctld")
            self.start_node()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_error):
        self.ask("scancel", "--user=root")
        self.ask("scancel", "--user=root", "--signal=KILL", "--full")
        if "slurmctld" in self.daemons:
            wait_for(lambda: not self.ask("squeue", "--noheader").stdout, "the end of all jobs", 30, must=False)
        for daemon in reversed(self.daemons.values()):
            daemon.terminate()
            try:
                daemon.wait(20)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _start(self, program, *arguments):
        """Start a daemon as a child of this process."""
        path = shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
        with open(self.folder / f"{program}.out", "a") as output:
            self.daemons[program] = subprocess.Popen(
                [path, *arguments], env=self.environment, stdout=output, stderr=output, start_new_session=True
            )

    def start_node(self):
        """Start the node's daemon and wait until the node takes jobs."""
        self._start("slurmd", "-D")
        wait_for(lambda: self.node() in ("idle", "mixed", "allocated"), f"the node, which is {self.node()}", 60)

    def kill_node(self):
        """Kill the node's daemon and all of its jobs at once, as when a node loses its power."""
        steps = self.steps()
        self.daemons["slurmd"].kill()
        self.daemons["slurmd"].wait()
        for process in [each for step in steps for each in (*descendants(step), step)]:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)

    def steps(self):
        """Return the daemons that look after the steps of this cluster's jobs."""
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                named = (process / "cmdline").read_bytes().startswith(b"slurmstepd")
                if named and str(self.folder).encode() in (process / "environ").read_bytes():
                    found.append(int(process.name))
        return found

    def node(self):
        """Return the state of the node."""
        return self.ask("sinfo", "--noheader", "--Node", "--format=%T").stdout.strip().rstrip("*")

    def ask(self, *command):
        """Run a command in the cluster and return its finished process."""
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)

    def queue(self):
        """Return the state of every job that the controller remembers, by its number."""
        lines = self.ask("squeue", "--noheader", "--states=all", "--format=%i %T").stdout.splitlines()
        return dict(line.split() for line in lines)


def memory_mb():
    """Return the memory of this machine [MB]."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20


def free_ports(number):
    """Return ports that nobody listens on."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def descendants(pid):
    """Return the processes that one started, and those that these started."""
    try:
        children = [int(c) for c in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []
    return [each for child in children for each in (*descendants(child), child)]


def wait_for(condition, what, seconds=30, must=True):
    """Wait until a condition holds."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            if must:
                raise TimeoutError(f"waited {seconds} s in vain for {what}")
            return
        time.sleep(0.2)


if __name__ == "__main__":
    if problem := install():
        sys.exit(problem)
    with Cluster() as cluster:
        sys.exit(subprocess.run(sys.argv[1:], env=cluster.environment, check=False).returncode)
