"""What telling bands rests on, and what choosing the epoch on tests would give (rule interpretation_image_controls)."""

from clustermass import contracts, runtime, style
from clustermass.training.trainer import LEARNING_CURVES
from clustermass.transfer.ablation import choices_of_epochs
from clustermass.transfer.scalars import CONTROLS

CONTROLLED = (
    "Share of bands told right in images that networks, or a random forest on three numbers of an image, did not learn"
    " from, with the 16th and 84th percentile of a bootstrap of halos, or fields: what the task rests on."
    " Rows of archival tiles are of real frames."
)
CHOSEN = (
    "Scores at the last epoch made, at the best on the validation set and at the best on the test set, mean over folds."
    " Gain: how much better the test score is than that of the epoch that validation chooses; choosing on the test set"
    " is what the published accuracy did, and nothing else here does."
)

with runtime.logged(snakemake):
    controls = contracts.read_joined(snakemake.input.controls, CONTROLS)
    outputs = {kind: snakemake.output[f"controls_{kind}"] for kind in ("csv", "md", "tex")}
    style.write_paper_table(controls, outputs, snakemake.wildcards.source, CONTROLLED)
    targets = zip(snakemake.params.trainings, snakemake.params.told, strict=True)  # bands, mass or richness
    told = {training: target == "bands" for training, target in targets}
    curves = contracts.read_tables(list(told), snakemake.input.curves, LEARNING_CURVES)
    epochs = choices_of_epochs(curves, told)
    outputs = {kind: snakemake.output[f"epochs_{kind}"] for kind in ("csv", "md", "tex")}
    style.write_paper_table(epochs, outputs, snakemake.wildcards.source, CHOSEN)
    print(controls.to_string(), epochs.to_string(), sep="\n\n")
