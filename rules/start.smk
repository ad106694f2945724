"""Where the workflow lies, its library, its configuration; first of all, and alike in another folder or Snakefile."""

import shutil
import sys
import tarfile
import tempfile
from pathlib import Path

from snakemake.common.configfile import load_configfile
from snakemake.exceptions import WorkflowError
from snakemake.utils import update_config


def unpacked(place):
    """Return a local copy of a workflow that a hosting provider serves, as a library is more than single files.

    Parameters
    ----------
    place : snakemake.sourcecache.HostingProviderFile
        Its folder `rules`, in one version.
    """
    place.fetch_if_required()
    repository = place.hosted_repo.repo
    folder = Path(place.cache_path) / f"clustermass-{repository.commit(place.ref).hexsha}"
    if not folder.is_dir():
        with tempfile.TemporaryDirectory(dir=place.cache_path) as aside:
            with tempfile.TemporaryFile(dir=aside) as stream:
                repository.archive(stream, place.ref)
                stream.seek(0)
                with tarfile.open(fileobj=stream) as archive:
                    archive.extractall(f"{aside}/whole", filter="data")
            shutil.move(f"{aside}/whole", folder)
    return folder


place = workflow.current_basedir
HERE = Path(place.get_path_or_uri(secret_free=True)).parent if place.is_local else unpacked(place)
sys.path.insert(0, f"{HERE}/workflow_scripts")  # reaches the scripts of all rules too

from clustermass.config.model import DEFAULT_FILE, ConfigError, load

settings = load_configfile(DEFAULT_FILE)
update_config(settings, config)  # what the command line says, or a workflow that imports this one
try:
    config = load(settings)
except ConfigError as error:
    raise WorkflowError(str(error)) from None

# While Snakemake (9.27) limits how many jobs start in a second, each job that ended makes it look for new ones once more
# in every second: after 200 jobs it takes a sixth of two cores, after 2000 a whole one. Its default is no limit here.
starting = workflow.scheduling_settings and workflow.scheduling_settings.max_jobs_per_timespan
if starting and (starting.max_jobs, starting.timespan) == (100, 1):
    workflow.scheduling_settings.max_jobs_per_timespan = None
