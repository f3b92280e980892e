#!/usr/bin/env bash
# Build what is published, and try it as who installs it does: packaging/smoke.sh DIST
#
# Writes an sdist and the wheels that come of it into DIST: one with the native kernel where there is a compiler, and one
# without (for any platform). Each is installed into an environment that has nothing else of this checkout, outside of it,
# and used. The environment that calls this has the dependencies, `build`'s among them; they are seen, not installed again.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
dist=$(mkdir -p "$1" && cd "$1" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export XDG_CACHE_HOME="$work/cache"

python -m build --no-isolation --sdist --outdir "$dist" "$root"
tar -xzf "$dist"/*.tar.gz -C "$work"
source=$(ls -d "$work"/adam_vs_gd-*/)
python -m build --no-isolation --wheel --outdir "$dist" "$source"
rm -rf "$source/build"  # which is where the kernel would be found again
ADAM_VS_GD_NATIVE=off python -m build --no-isolation --wheel --outdir "$dist" "$source"
python -m twine check --strict "$dist"/*

for wheel in "$dist"/*.whl; do
  echo "== ${wheel##*/}"
  python -m venv --without-pip "$work/environment" --clear
  # what the calling environment has installed, and not the package that it may have too: the wheel's stands ahead of it
  python -c "import sysconfig; print(sysconfig.get_path('purelib'))" \
    >"$("$work/environment/bin/python" -c "import sysconfig; print(sysconfig.get_path('purelib'))")/dependencies.pth"
  python -m pip --python "$work/environment/bin/python" install --quiet --no-deps --no-index --ignore-installed "$wheel"
  python -m pip --python "$work/environment/bin/python" check
  (cd "$work" && PATH="$work/environment/bin:$PATH" python "$root/packaging/smoke.py" "$wheel")
done
