"""The first page of help of the commands: what is asked for most; nothing heavy is imported."""

from __future__ import annotations

PROGRAM = "lit-causalmix"

MAIN = f"""usage: {PROGRAM} COMMAND [options]

Fine-tune a tabular foundation model on a scarce table, with rows from structural causal models.

commands:
  fit        fine-tune; then test the selected weights and print the scores against zero-shot
  validate   score weights on the validation rows
  test       score weights on the test rows
  predict    write predictions for the rows of a new CSV or Parquet file
  card       check the folder of a model, and print what it is
  serve      answer requests for predictions over HTTP
  inspect    write a page about a table, its causal structure and its synthetic rows
  study      run a grid of fits, interrupted and resumed at will, and compare methods
  weights    fetch, list and locate pre-trained weights

first steps:
  {PROGRAM} fit --config quickstart
  {PROGRAM} inspect --data.table.source my.csv --data.table.target price
  {PROGRAM} fit --data.table.source my.csv --data.table.target price
  {PROGRAM} predict --model runs/fit/version_0/model new.csv --out predictions.csv

options:
  COMMAND --help           the options that matter most; COMMAND --help all for every one
  COMMAND --print_config   the complete configuration as YAML
  --version                the version
"""

STUDY = """usage: lit-causalmix study COMMAND [options]

Run a grid of fits (tables, methods, backbones, synthetic sizes, ratios, seeds) and compare them.

commands:
  run      run the cells that are not finished; interrupt and repeat it as you like
  status   say how many cells are finished, failed or still to be run
  table    print the comparison table of the finished cells
  report   write a page about the finished cells: verdict, tables, figures
  export   write the finished cells into one compact file
  merge    take the results of such files, or of other folders

first steps:
  lit-causalmix study run --config comparison --plan
  lit-causalmix study run --config comparison --jobs 2
  lit-causalmix study table --config comparison
  lit-causalmix study report --store runs/study/comparison

options:
  COMMAND --help   all options of a command
"""

_DATA = """
the table:
  --data.table.source FILE            CSV, Parquet, a built-in table, or openml:ID
  --data.table.target COLUMN          the column to predict
  --data.table.task TASK              binary, multiclass or regression; inferred
  --data.table.kinds '{COLUMN: KIND}' numerical, categorical, date …; inferred
  --data.table.order '{COLUMN: [LOW, HIGH]}'  ordered categories
  --data.table.drop '[COLUMN]'        columns to leave out
  --data.table.group_column COLUMN    rows of one group never straddle two splits
  --data.table.time_column COLUMN     the latest rows are tested, those before them validate
  --data.split.seed N                 another split
  --data.split.max_train_rows N       take at most so many rows for training
  --data.context WHICH                rows in the context at test and prediction: both (training
                                      and validation rows; the default) or train
  --data.seed N                       same seed, same bits

synthetic rows:
  --data.generator CLASS              SCMGenerator (default), JitterGenerator, CTGANGenerator …
  --data.generator.knowledge.X        what is known of the causal structure
"""
_MODEL = """  --data.synthetic_ratio R            share of synthetic rows, 0 to 1 (0.5); 0 for none
  --data.synthetic_in PLACE           context, query or both
  --data.synthetic_mode MODE          replace real rows, or add to them

the model:
  --model.backbone CLASS              Nano (default), TabPFNV1, Tab2D
  --model.optimizer CLASS             AdamW (default); --model.optimizer.lr RATE
  --model.selection CLASS             what selects the weights: RealValidation, CautiousValidation …
  --model.adapter LoRA                train a small part
  --model.freeze '[GROUP]'            leave a part as it is

the run:
  --trainer.max_epochs N              validations at most
  --trainer.accelerator KIND          auto, cpu, gpu …; --trainer.devices N
  --trainer.callbacks+=CLASS          add one: EMAWeights, WeightInterpolation, GeneratorQuality …
"""
_MORE = """
more:
  -c, --config NAME_OR_FILE           a YAML file, or one of the package; several combine
  --print_config                      print the complete configuration, and stop
  --SETTING.help CLASS                the options of a class, as --model.backbone.help Nano
  --help all                          every option
"""
FOLDS = """
folds:
  --folds K                           K fits, each validated on its own fold; their mean predicts
  --jobs N                            folds at once (1); --resume RUN goes on with a fit of folds
  --auto                              compares recipes on five folds, and takes the best of them or
                                      zero-shot; --auto.time_limit SECONDS ends with the best so far
"""
_ABOUT = {
    "fit": "Fine-tunes on a table, tests the selected weights, and compares with zero-shot.",
    "validate": "Scores weights on the validation rows.",
    "test": "Scores weights on the test rows.",
    "predict": "Writes predictions for the rows of a new file.",
}
_WEIGHTS = """
weights:
  --ckpt_path FILE                    a checkpoint, RUN/best.ckpt; for fit, last.ckpt to go on from
"""

_KEPT = f"""or:    {PROGRAM} predict --model FOLDER ROWS [--out FILE] [--quantiles Q ...]
       with the model that a fit keeps as RUN/model; all that follows is for checkpoints

"""


def short_help(command: str) -> str:
    """The first page of help of a command.

    Args:
        command: fit, validate, test, predict or inspect.
    """
    usage = f"usage: {PROGRAM} {command} [options]\n\n"
    if command == "inspect":
        out = "\nthe page:\n  --out FILE                          runs/inspect/NAME.html\n"
        about = "Writes a page about a table, its causal structure and its synthetic rows.\n"
        return f"{usage}{about}{_DATA}{out}{_MORE}"
    new = "  --data.predict_source FILE          the rows to predict\n"
    folds = FOLDS if command == "fit" else ""
    weights = folds + _WEIGHTS + (new if command == "predict" else "")
    usage += _KEPT if command == "predict" else ""
    return f"{usage}{_ABOUT[command]}\n{_DATA}{_MODEL}{weights}{_MORE}"
