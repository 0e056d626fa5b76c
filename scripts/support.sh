#!/usr/bin/env bash
# Whether the package works with a Python and versions of what it needs: installs it into an
# environment of its own, which goes again, and runs a core of the fast tests there: tables, causal
# graphs, a generator, estimators, fits by the command line, kept models. docs/support.md has results.
#
#   scripts/support.sh python3.13
#   scripts/support.sh python3.11 "pandas==2.3.*"
#   scripts/support.sh python3.11 lowest                 # what scripts/lowest_versions.py prints
#   scripts/support.sh python3.11 lowest "torch==2.13.0" # all of it but torch
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
python=$1
shift
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

"$python" -m venv "$folder/environment"
python="$folder/environment/bin/python"
pins=$folder/constraints.txt
: > "$pins"
if [ "${1:-}" = lowest ]; then
  shift
  "$python" "$root/scripts/lowest_versions.py" > "$pins"
fi
for given in "$@"; do # what is named takes the place of the lowest
  sed -i "/^${given%%[=<>]*}==/d" "$pins"
  echo "$given" >> "$pins"
done
# From a copy, as building leaves traces in the tree; torch first, so that no other build comes.
mkdir "$folder/source"
(cd "$root" && cp -r lit_causalmix datamodules callbacks configs tests scripts benchmarks examples docs \
  conftest.py pyproject.toml README.md LICENSE SECURITY.md CHANGELOG.md CITATION.cff "$folder/source")
cd "$folder/source"
"$python" -m pip install --quiet -c "$pins" torch
"$python" -m pip install --quiet -c "$pins" -e . "pytest>=8.2" "pytest-timeout>=2.3" \
  "hypothesis>=6.100" "pyarrow>=16"
"$python" -c '
import importlib.metadata as m, platform
names = "torch lightning numpy pandas scipy scikit-learn dowhy causal-learn networkx jsonargparse"
print("Python", platform.python_version(), *(f"{n} {m.version(n)}" for n in names.split()), sep="; ")'
OMP_NUM_THREADS=1 "$python" -m pytest -p no:cacheprovider \
  tests/tables/test_infer.py tests/model/test_folder.py tests/causal/graphs tests/generators/test_scm.py \
  tests/estimators/test_fits.py \
  tests/commands/test_main.py::test_fit_reports_zero_shot_fine_tuned_and_normalised \
  tests/commands/test_main.py::test_regression_runs_from_csv_to_predictions
