#!/usr/bin/env bash
# Prepares the environment on the first run, then starts AcousticSense on port 8000.
#
#   bash start.sh [--host H] [--port P] [--model M] [--device D] [--backend B]   serve; PORT or ACOUSTICSENSE_PORT set the port, too
#   bash start.sh test [PYTEST ARGUMENTS]                          run the tests
#   bash start.sh run COMMAND [ARGUMENTS]                          run a command in the environment: acousticsense, python, ...
#
# The environment is the conda environment "acousticsense": the active one, or one made from environment.yml when there is
# a conda, mamba or micromamba. Without them, or with ACOUSTICSENSE_ENV=venv, it is the folder .venv.
#
# Where there is no NVIDIA GPU, PyTorch is installed without CUDA if its index of CPU wheels can be reached, which takes 2 GB
# of disk instead of 6. ACOUSTICSENSE_TORCH=cuda or cpu decides it instead, ACOUSTICSENSE_TORCH_INDEX names a mirror.
set -euo pipefail # and no newer bash than 3.2, which macOS ships

ROOT="$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)"
readonly ROOT
readonly NAME=acousticsense
readonly IS_SUPPORTED='import sys; sys.exit(not (3, 10) <= sys.version_info[:2] < (3, 14))'
unset PYTHONHOME # it would send every Python to the wrong library
ENV_DIR="" # of the environment in use; its interpreter is $ENV_DIR/bin/python
needed_mb=6144 # 2560 without CUDA

say() { printf '%s\n' "$*" >&2; }

die() {
  say "$*"
  exit 1
}

# A user id without a line in passwd (docker run --user 12345) has no name, and Python libraries ask for one.
user_name() { if id -un >/dev/null 2>&1; then id -un; else printf 'user%s\n' "$(id -u)"; fi; }
if ! id -un >/dev/null 2>&1; then export LOGNAME="${LOGNAME:-$(user_name)}"; fi

usage() { sed -n '2,/^set/s/^# \{0,1\}//p' "$ROOT/start.sh"; }

# --- conda -----------------------------------------------------------------------------------------------------------

find_conda() {
  local candidate
  for candidate in conda "${CONDA_EXE:-}" mamba micromamba "${MAMBA_EXE:-}"; do
    if [ -n "$candidate" ] && type -P "$candidate"; then return; fi
  done
  return 1
}

# Conda's activation scripts are not written for strict mode.
activate_conda() {
  local conda="$1" hook="shell.bash hook" status=0
  case "${conda##*/}" in mamba* | micromamba*) hook="shell hook --shell bash" ;; esac
  set +eu
  # shellcheck disable=SC2086  # the hook is two words or more
  eval "$("$conda" $hook)"
  "${conda##*/}" activate "$NAME" 2>/dev/null
  status=$?
  set -eu
  return "$status"
}

create_conda() {
  local conda="$1" create="env create" folder status=0
  case "${conda##*/}" in mamba* | micromamba*) create="create --yes" ;; esac
  say "Creating the conda environment $NAME from environment.yml. This is done once and takes a few minutes."
  # The packages for pip are left to install_packages, which knows how to do without CUDA.
  folder="$(mktemp -d)"
  sed '/- pip:/,$d' "$ROOT/environment.yml" >"$folder/environment.yml"
  # shellcheck disable=SC2086  # two words
  "$conda" $create --file "$folder/environment.yml" </dev/null || status=$?
  rm -r "$folder"
  [ "$status" = 0 ] ||
    die "${conda##*/} could not create the environment; its message is above. Check the network and run this again, or do without conda: ACOUSTICSENSE_ENV=venv bash start.sh"
}

use_conda() {
  local conda
  if [ "${CONDA_DEFAULT_ENV:-}" != "$NAME" ] || [ -z "${CONDA_PREFIX:-}" ]; then
    conda="$(find_conda)" || return 1
    if ! activate_conda "$conda"; then
      create_conda "$conda"
      activate_conda "$conda" ||
        die "The conda environment $NAME was created and cannot be activated. Do without conda: ACOUSTICSENSE_ENV=venv bash start.sh"
    fi
  fi
  ENV_DIR="$CONDA_PREFIX"
  "$ENV_DIR/bin/python" -c "$IS_SUPPORTED" 2>/dev/null ||
    die "The conda environment $NAME has $("$ENV_DIR/bin/python" --version 2>/dev/null || echo "no Python"), and AcousticSense needs Python 3.10 to 3.13. Remove it (conda env remove --name $NAME) and run this again."
}

# --- venv ------------------------------------------------------------------------------------------------------------

find_python() {
  local candidate found=""
  for candidate in python3 python3.13 python3.12 python3.11 python3.10 python; do
    if "$candidate" -c "$IS_SUPPORTED" 2>/dev/null; then
      type -P "$candidate"
      return
    fi
    found="${found:-$("$candidate" --version 2>&1)}" || found=""
  done
  die "AcousticSense needs Python 3.10 to 3.13, and this machine has ${found:-no Python}. Install it (Debian, Ubuntu: sudo apt-get install python3 python3-venv), or Miniforge, and run this again."
}

# Whether .venv was made by this script: it says so in a file of its own from the first moment on. Older versions left a stamp.
is_ours() { [ -e "$ENV_DIR/$NAME.made" ] || [ -e "$ENV_DIR/$NAME.stamp" ] || [ -e "$ENV_DIR/$NAME-test.stamp" ]; }

is_empty() { [ -d "$1" ] && [ -z "$(ls -A -- "$1")" ]; }

# Only what this script made is emptied; the file that says so goes last.
create_venv() {
  local python entry
  python="$(find_python)" || exit
  "$python" -c 'import ensurepip, venv' 2>/dev/null ||
    die "$python has no venv module, which the environment is made with. Install it (Debian, Ubuntu: sudo apt-get install python3-venv) and run this again."
  if [ -e "$ENV_DIR" ] && ! is_ours && ! is_empty "$ENV_DIR"; then
    die "$ENV_DIR was not made by start.sh and is no environment that works, so it is left as it is. Rename or remove it and run this again."
  fi
  say "Creating the environment in $ENV_DIR with $("$python" --version)."
  { mkdir -p "$ENV_DIR" && : >"$ENV_DIR/$NAME.made" && for entry in "$ENV_DIR"/* "$ENV_DIR"/.[!.]*; do
    [ "$entry" = "$ENV_DIR/$NAME.made" ] || rm -rf -- "$entry"
  done && "$python" -m venv "$ENV_DIR"; } ||
    die "$ENV_DIR could not be created; the message is above. Check that the folder may be written and that the disk has room."
}

# Whether .venv has a Python that works, pip, and was made here: a copied or moved one has another folder's paths in it.
is_whole_venv() {
  [ -e "$ENV_DIR/pyvenv.cfg" ] && "$ENV_DIR/bin/python" -c "$IS_SUPPORTED" 2>/dev/null && "$ENV_DIR/bin/python" -m pip --version >/dev/null 2>&1 &&
    { [ ! -e "$ENV_DIR/$NAME.stamp" ] || head -n 1 "$ENV_DIR/$NAME.stamp" | grep -qxF "$ROOT"; }
}

# A link may point to anything: it is followed to an environment that this script prepared for this folder, and to nothing else.
use_venv() {
  ENV_DIR="$ROOT/.venv"
  if is_prepared && "$ENV_DIR/bin/python" -c "$IS_SUPPORTED" 2>/dev/null; then return; fi
  [ -w "$ROOT" ] || die "The environment belongs in $ROOT, and $(user_name) may not write there. Run this as the folder's owner, or clone into a folder of your own."
  if [ -L "$ENV_DIR" ] && ! { is_ours && is_whole_venv; }; then
    die "$ENV_DIR is a link to $(readlink "$ENV_DIR"), which is no environment of this folder. Remove the link and run this again; what it points to is left as it is."
  fi
  is_whole_venv || create_venv
}

# --- packages --------------------------------------------------------------------------------------------------------

# A stamp is written after all is installed, and says where and what: an interrupted installation or a changed lock is done again.
stamp() {
  printf '%s\n' "$ROOT"
  cksum <"$ROOT/.ci/$1"
}
is_current() { [ "$(cat "$ENV_DIR/$2.stamp" 2>/dev/null)" = "$(stamp "$1")" ]; }
is_prepared() {
  is_current requirements.lock "$NAME" && { [ "$MODE" != test ] || is_current requirements-test.lock "$NAME-test"; } &&
    { [ "${ACOUSTICSENSE_TORCH:-}" != cuda ] || ! has_cpu_torch; }
}

# Whether PyTorch is installed in a version of this form: has_torch '*+cpu'
has_torch() {
  local found
  # shellcheck disable=SC2231  # the form is a pattern
  for found in "$ENV_DIR"/lib/python3*/site-packages/torch-$1.dist-info; do
    if [ -e "$found" ]; then return; fi
  done
  return 1
}
has_cpu_torch() { has_torch '*+cpu'; }

has_nvidia_gpu() {
  [ -e /proc/driver/nvidia/version ] || [ -e /dev/nvidiactl ] || [ -e /dev/dxg ] || # the last one is Windows' WSL
    nvidia-smi -L 2>/dev/null | grep -q GPU
}

# Elsewhere than on Linux, PyPI's PyTorch has no CUDA in it. One that is there already is not exchanged unasked.
wants_cpu_torch() {
  case "${ACOUSTICSENSE_TORCH:-auto}" in
    cpu) return 0 ;;
    cuda) return 1 ;;
    auto) has_cpu_torch || { [ "$(uname -s)" = Linux ] && ! has_nvidia_gpu && ! has_torch '*'; } ;;
    *) die "ACOUSTICSENSE_TORCH is '$ACOUSTICSENSE_TORCH'. Set it to cpu or cuda, or leave it out." ;;
  esac
}

free_mb() { df -Pk "$1" | awk 'NR == 2 {print int($4 / 1024)}'; }
mount_of() { df -Pk "$1" | awk 'NR == 2 {print $6}'; }

check_disk() {
  local free used
  free="$(free_mb "$ENV_DIR")"
  used="$(du -sk "$ENV_DIR" | awk '{print int($1 / 1024)}')"
  [ $((free + used)) -ge "$needed_mb" ] ||
    die "The packages take about $((needed_mb / 1024)) GB in $ENV_DIR, and $free MB are free there. Free some disk, or clone to a larger one, and run this again."
}

find_uv() {
  local candidate
  for candidate in uv "$ENV_DIR/bin/uv"; do
    if "$candidate" --version >/dev/null 2>&1; then
      printf '%s\n' "$candidate"
      return
    fi
  done
  return 1
}

# uv reads neither pip's settings, where a user may have named a mirror, nor looks whether its cache is on another disk,
# from which it would copy 5 GB instead of linking them.
prepare_uv() {
  local uv="$1" index cache
  index="${PIP_INDEX_URL:-$("$ENV_DIR/bin/python" -m pip config get global.index-url 2>/dev/null || true)}"
  if [ -n "$index" ]; then export UV_DEFAULT_INDEX="${UV_DEFAULT_INDEX:-$index}"; fi
  export UV_SYSTEM_CERTS="${UV_SYSTEM_CERTS:-true}" # a company's certificates are in the system's store, not in uv's
  cache="$("$uv" cache dir 2>/dev/null || true)"
  if ! mkdir -p "$cache" 2>/dev/null || [ ! -w "$cache" ] || [ "$(mount_of "$cache")" != "$(mount_of "$ENV_DIR")" ]; then
    export UV_CACHE_DIR="$ENV_DIR/.uv-cache"
  fi
}

# Modules are compiled now, as pip does, too: the first start is seconds shorter, and where Python may not write beside
# them, every start. A lock names everything (--no-deps); without CUDA, PyTorch is there before. AcousticSense itself is installed as a link to this folder, for the command `acousticsense`.
install_with_uv() {
  local uv="$1" lock="$2"
  "$uv" pip install --python "$ENV_DIR/bin/python" --compile-bytecode --require-hashes -r "$lock" --no-deps &&
    "$uv" pip install --python "$ENV_DIR/bin/python" --quiet --no-deps --no-build-isolation --editable "$ROOT"
}

install_with_pip() {
  local lock="$1"
  "$ENV_DIR/bin/python" -m pip install --require-hashes -r "$lock" --no-deps &&
    "$ENV_DIR/bin/python" -m pip install --quiet --no-deps --no-build-isolation --editable "$ROOT"
}

remove_torch() {
  if [ -n "$1" ]; then
    "$1" pip uninstall --quiet --python "$ENV_DIR/bin/python" torch torchvision torchaudio
  else
    "$ENV_DIR/bin/python" -m pip uninstall --quiet --yes torch torchvision torchaudio
  fi
}

# Whether the package index answers; a certificate that isn't trusted is an answer.
index_answers() {
  "$ENV_DIR/bin/python" - "$1" <<'PYTHON'
import ssl
import sys
import urllib.error
import urllib.request

try:
    urllib.request.urlopen(sys.argv[1], timeout=15)
except urllib.error.HTTPError:
    pass
except OSError as error:
    sys.exit(not isinstance(getattr(error, "reason", error), ssl.SSLError))
PYTHON
}

explain_failure() {
  local index="${UV_DEFAULT_INDEX:-${PIP_INDEX_URL:-https://pypi.org/simple/}}"
  if [ "$(free_mb "$ENV_DIR")" -lt 100 ]; then
    die "The disk of $ENV_DIR is full. The packages take about $((needed_mb / 1024)) GB: free some disk, or clone to a larger one, and run this again."
  fi
  index_answers "$index" ||
    die "The packages could not be fetched: $index does not answer. Check the network, or name a mirror that you reach (PIP_INDEX_URL=https://.../simple), and run this again."
}

install_packages() {
  local lock="$ROOT/.ci/$1" uv rest="$ENV_DIR/$NAME-rest.lock"
  if wants_cpu_torch; then needed_mb=2560; fi
  check_disk
  say "Installing the packages into $ENV_DIR. This is done once and fetches up to 3 GB."
  rm -f "$ENV_DIR/$NAME.stamp" "$ENV_DIR/$NAME-test.stamp"
  if ! uv="$(find_uv)"; then
    "$ENV_DIR/bin/python" -m pip install --quiet --only-binary :all: --retries 1 uv || explain_failure
    uv="$(find_uv)" || uv=""
  fi
  if [ -n "$uv" ]; then prepare_uv "$uv"; fi
  if [ -n "$uv" ] && wants_cpu_torch && bash "$ROOT/.ci/install-cpu-torch" "$uv" "$ENV_DIR/bin/python" "$lock" "$rest"; then
    lock="$rest"
  else
    needed_mb=6144
    check_disk
    if has_cpu_torch; then remove_torch "$uv"; fi # 2.11.0+cpu would count as 2.11.0 and stay
  fi
  if [ -z "$uv" ] || ! install_with_uv "$uv" "$lock"; then
    if [ -n "$uv" ]; then explain_failure; fi
    install_with_pip "$lock" || {
      explain_failure
      die "The packages could not be installed; the installer's message is above. Run this again when its cause is gone."
    }
  fi
  rm -rf "$ENV_DIR/.uv-cache" "$rest"
  if [ "$1" = requirements-test.lock ]; then stamp "$1" >"$ENV_DIR/$NAME-test.stamp"; fi # it holds all of the other lock
  stamp requirements.lock >"$ENV_DIR/$NAME.stamp"
}

prepare() {
  case "${ACOUSTICSENSE_ENV:-}" in
    "") use_conda || use_venv ;;
    venv) use_venv ;;
    *) die "ACOUSTICSENSE_ENV is '$ACOUSTICSENSE_ENV'. Set it to venv, or leave it out." ;;
  esac
  if ! is_prepared; then
    if [ "$MODE" = test ]; then install_packages requirements-test.lock; else install_packages requirements.lock; fi
  fi
  if [ -z "${ACOUSTICSENSE_TORCH:-}" ] && has_cpu_torch && has_nvidia_gpu; then
    say "There is an NVIDIA GPU, and PyTorch is installed without CUDA. To use it: ACOUSTICSENSE_TORCH=cuda bash start.sh"
  fi
  if [ "$ENV_DIR" = "$ROOT/.venv" ]; then export VIRTUAL_ENV="$ENV_DIR"; else unset VIRTUAL_ENV; fi
  export PATH="$ENV_DIR/bin:$PATH"
  export PYTHONNOUSERSITE=1 # packages in ~/.local are of other versions
  export GRADIO_ANALYTICS_ENABLED="${GRADIO_ANALYTICS_ENABLED:-False}"
}

# --- tests -----------------------------------------------------------------------------------------------------------

find_chromium() {
  local candidate
  for candidate in chromium-headless-shell chromium chromium-browser google-chrome google-chrome-stable; do
    if type -P "$candidate" >/dev/null; then return; fi
  done
  return 1
}

prepare_chromium() {
  if find_chromium; then return; fi
  if [ "$(id -u)" = 0 ] && type -P apt-get >/dev/null; then
    say "Installing Debian's Chromium and Chinese fonts for the browser tests."
    local package
    apt-get -qq -o DPkg::Lock::Timeout=300 update </dev/null >/dev/null || true
    for package in chromium-headless-shell chromium; do # the first is Chromium without windows, which not every release has
      if DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 install --no-install-recommends \
        "$package" fonts-noto-cjk </dev/null >/dev/null; then break; fi
    done
  fi
  find_chromium || say "The browser tests are skipped: there is no chromium or google-chrome on the PATH (Debian: sudo apt-get install chromium)."
}

# ---------------------------------------------------------------------------------------------------------------------

MODE=serve
case "${1:-}" in
  -h | --help)
    usage
    exit
    ;;
  test | run)
    MODE="$1"
    shift
    ;;
  "" | -*) ;;
  *) die "start.sh knows no '$1'. It takes options for the server, or test, or run: bash start.sh --help" ;;
esac
[ "$MODE" != run ] || [ $# -gt 0 ] || die "Name the command to run, for example: bash start.sh run acousticsense predict song.mp3"

prepare
case "$MODE" in
  serve) exec python "$ROOT/app_gradio.py" "$@" ;;
  run) exec "$@" ;;
  test)
    prepare_chromium
    cd "$ROOT"
    export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}" # two workers with a thread for each core wait for each other
    exec python -m pytest -n 2 --dist loadfile --no-loadscope-reorder "$@"
    ;;
esac
