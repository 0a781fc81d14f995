#!/bin/sh
# newcomer.sh: what a newcomer does, by the README alone. An empty folder, a clone, a fresh virtual environment, the
# smallest installation, and a profile of a model file; then `make demo`. Prints the seconds of each step, one per line.
#
#     sh benchmarks/newcomer.sh [REPOSITORY [FOLDER]]     # SKIP_DEMO=1 leaves the demo out
#
# Downloads count in "install", not in "first profile after git clone and install".
set -eu
repository=${1:-$(cd "$(dirname "$0")/.." && pwd)}
folder=${2:-$(mktemp -d)}
seconds() { date +%s; }
step() { # NAME SINCE
    printf '%-28s %4d s\n' "$1" "$(($(seconds) - $2))"
}

cd "$folder"
began=$(seconds)
git clone --quiet "$repository" latkit
cd latkit
step "git clone" "$began"

began=$(seconds)
python3 -m venv "$folder/venv"
export PATH="$folder/venv/bin:$PATH"
# the line of the README; without it there is nothing to try
install=$(sed -n 's/^\(pip install -c constraints\.txt -e \.\) .*/\1/p' README.md)
[ -n "$install" ] || { echo "the README has no line that installs latkit" >&2; exit 1; }
$install --quiet
step "install" "$began"

# a model file, as the tutorial makes it
sed -n '/^```python$/,/^```$/p' docs/tutorials/profile.md | sed '/^```$/q' | sed '/^```/d' > "$folder/make_model.py"
mkdir "$folder/tried"
cd "$folder/tried"
python "$folder/make_model.py"
began=$(seconds)
latkit init my-workspace > /dev/null
cd my-workspace
cp ../model.onnx .
latkit device add here --local > /dev/null
latkit profile here/onnxruntime model.onnx > profile.txt
step "first profile" "$began"
grep -q 'median' profile.txt

[ -z "${SKIP_DEMO:-}" ] || exit 0
cd "$folder/latkit"
began=$(seconds)
make demo > "$folder/demo.txt" 2>&1 || { tail -5 "$folder/demo.txt" >&2; exit 1; }
step "make demo, with its install" "$began"
