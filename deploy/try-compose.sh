#!/bin/bash
# Proves compose.yaml on a Debian machine that has no Docker engine: the Compose binary itself drives
# podman through its Docker-compatible socket. Builds every image, starts the whole, walks the
# README's tour, scales the workers to three, kills one and later the gateway under the load of a
# year of flights, and compares all totals with pandas. Prints what it sees; fails if anything
# differs, and leaves nothing behind.
#
#   METERD_BINARY=FILE   put this program into the image; without it the image's build stage builds it
#   METERD_TRY_DIR=DIR   keep images and their layers in DIR for the next time
#   METERD_MIRROR=URL    the Debian mirror of the base image
#
# Everything runs in namespaces of its own, so that processes, mounts and networks end with the script;
# the builds alone use the machine's network, for the package registries.
set -Eeuo pipefail
trap 'echo "try-compose: line $LINENO failed" >&2' ERR
cd "$(dirname "$0")/.."

ROOT=$PWD
PYTHON=$ROOT/.venv/bin/python
CA=${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}
PACKAGES=(podman runc containernetworking-plugins golang-github-containernetworking-plugin-dnsname
    iptables debootstrap)
TARGETS=(nats postgres valkey meterd proxy)
PROJECT=meterd-try
EVENTS=336776
MILES=350217607
PATIENCE=120

say() { printf '%s\n' "$*"; }
fail() {
    printf 'try-compose: %s\n' "$*" >&2
    exit 1
}
timed() { # WHAT COMMAND…: the seconds it took, and its output only if it failed
    local what=$1 start=$SECONDS
    shift
    "$@" >"$WORK/log" 2>&1 || { tail -40 "$WORK/log" >&2 && fail "$what failed"; }
    say "$what: $((SECONDS - start)) s"
}
until_true() { # WHAT COMMAND…
    local what=$1 end=$((SECONDS + PATIENCE))
    shift
    until "$@" >/dev/null 2>&1; do
        [ $SECONDS -lt $end ] || fail "not seen within $PATIENCE s: $what"
        sleep 0.2
    done
}

# The directory of this run, and how podman is told to stay in it.
prepare() {
    [ "$(id -u)" -eq 0 ] || fail 'needs root: podman makes namespaces and networks'
    local package missing=()
    for package in "${PACKAGES[@]}"; do
        dpkg-query --show --showformat '${Status}' "$package" 2>/dev/null |
            grep -q 'ok installed' || missing+=("$package")
    done
    [ ${#missing[@]} -eq 0 ] || fail "run: apt-get install ${missing[*]}"
    [ -x "$(compose_binary)" ] || fail 'needs the Compose binary: run make check or make test once'
    if [ -n "${METERD_TRY_DIR:-}" ]; then
        WORK=$(realpath -m "$METERD_TRY_DIR")
        mkdir -p "$WORK"
    else
        WORK=$(mktemp --directory /var/tmp/meterd-try.XXXXXX)
        trap 'rm -rf --one-file-system "$WORK"' EXIT
    fi
    mkdir -p "$WORK"/{cni,empty,keys,tmp}
    cat >"$WORK/storage.conf" <<EOF
[storage]
driver = "overlay"
graphroot = "$WORK/storage"
runroot = "$WORK/run"
EOF
    # Limits that any machine can grant: inside a sandbox they cannot be raised.
    cat >"$WORK/containers.conf" <<EOF
[containers]
default_ulimits = ["nofile=1024:4096", "nproc=1024:4096"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
tmp_dir = "$WORK/libpod"
[network]
network_backend = "cni"
network_config_dir = "$WORK/cni"
EOF
    printf '[global]\ncert = /ca.crt\n' >"$WORK/pip.conf"
    export WORK TMPDIR=$WORK/tmp
    export CONTAINERS_CONF=$WORK/containers.conf CONTAINERS_STORAGE_CONF=$WORK/storage.conf
}

compose_binary() {
    find "$ROOT/.venv/lib" -path '*/site-packages/compose/docker-compose' -print -quit
}

# What this machine needs to reach its package registries, for the time of a build only.
build() {
    local mounts=(--volume "$CA:/ca.crt:ro" --volume "$WORK/pip.conf:/etc/pip.conf:ro")
    local cargo=${CARGO_HOME:-$HOME/.cargo}/config.toml
    [ ! -e "$cargo" ] || mounts+=(--volume "$cargo:/usr/local/cargo/config.toml:ro")
    podman build --network host "${mounts[@]}" "$@"
}

build_images() {
    rm -rf "$WORK/checkout" && mkdir "$WORK/checkout"
    git ls-files --cached --others --exclude-standard -z |
        tar --create --null --files-from - | tar --extract --directory "$WORK/checkout"

    if ! podman image exists localhost/base; then
        timed 'base image by debootstrap' debootstrap --variant=minbase bookworm "$WORK/base" \
            ${METERD_MIRROR:+"$METERD_MIRROR"}
        tar --create --directory "$WORK/base" . | podman import - localhost/base >/dev/null 2>&1
        rm -rf --one-file-system "$WORK/base"
    fi
    local from=build rust=localhost/base node=localhost/base toolchain=()
    if [ -n "${METERD_BINARY:-}" ]; then
        from=localhost/binary
        rm -rf "$WORK/binary" && mkdir "$WORK/binary"
        cp "$METERD_BINARY" "$WORK/binary/meterd"
        printf 'FROM scratch\nCOPY meterd /usr/local/bin/meterd\n' |
            podman build --quiet --tag "$from" --file - "$WORK/binary" >/dev/null
    else
        # The machine's own compiler and Node stand in for the images with them.
        rust=localhost/rust node=localhost/rust
        toolchain=(--volume "$(rustc --print sysroot):/rust:ro"
            --volume "$(realpath "$(command -v node)"):/node/bin/node:ro"
            --volume "$(npm root --global):/node/lib/node_modules:ro")
        timed 'image for the build stage' build --tag "$rust" --file - "$WORK/empty" <<'EOF'
FROM localhost/base
RUN apt-get update && apt-get install --yes --no-install-recommends gcc libatomic1 libc6-dev \
    && ln -s /node/bin/node /usr/local/bin/node \
    && ln -s /node/lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm
ENV PATH=/rust/bin:/usr/local/bin:/usr/bin:/bin CARGO_HOME=/usr/local/cargo \
    CARGO_HTTP_CAINFO=/ca.crt NODE_EXTRA_CA_CERTS=/ca.crt
EOF
    fi
    local target
    for target in "${TARGETS[@]}"; do
        timed "image $target" build "${toolchain[@]}" --build-arg BASE_IMAGE=localhost/base \
            --build-arg RUST_IMAGE=$rust --build-arg NODE_IMAGE=$node --build-arg METERD_FROM=$from --target "$target" \
            --file "$WORK/checkout/deploy/docker/Dockerfile" --tag "docker.io/meterd/$target:dev" \
            "$WORK/checkout"
    done
}

compose() {
    timeout 600 "$(compose_binary)" --ansi never --project-name "$PROJECT" \
        --project-directory "$WORK/checkout" --file "$WORK/checkout/compose.yaml" \
        --file "$WORK/limits.json" "$@"
}
compose_up() { compose up --detach --no-build "$@"; }
containers() { podman ps --quiet --filter "label=com.docker.compose.project=$PROJECT" "$@"; }
healthy() { # SERVICE NUMBER
    local service="label=com.docker.compose.service=$1"
    [ "$(containers --filter health=healthy --filter "$service" | wc -l)" -eq "$2" ]
}
# podman leaves it to systemd to run the health checks, which need not run here.
run_health_checks() {
    local container
    while sleep 2; do
        for container in $(containers); do
            podman healthcheck run "$container" >/dev/null 2>&1 || true
        done
    done
}
total() { # MEMBER: of all flights
    curl --silent --fail -H "Authorization: Bearer $METERD_API_KEY" \
        "$METERD_URL/v1/meter/aggregates?window=none&from=2013-01-01T00:00:00Z&to=2014-01-02T00:00:00Z" |
        "$PYTHON" -c "import json, sys; print(json.load(sys.stdin)['totals']['$1'])"
}
visible() { [ "$(total event_count)" -ge "$1" ]; }
replay() { "$PYTHON" examples/replay_flights/replay_flights.py; }
crash() { # SERVICE: kill -9 of the process, unseen by podman until it is gone
    local container
    container=$(containers --filter "label=com.docker.compose.service=$1" | sed -n 1p)
    kill -9 "$(podman inspect --format '{{.State.Pid}}' "$container")"
}
sql() {
    compose exec --no-TTY postgres psql --username postgres --dbname meterd --tuples-only --no-align \
        --command "$1"
}
books() {
    sql "select format('logged %s = persisted %s + duplicate %s + dead %s', sum(logged), sum(persisted),
        sum(duplicate), sum(dead)) from progress where projection = 'usage'"
}
repeated() { # NUMBER: so many events were found to be there already
    [ "$(sql "select sum(duplicate) from progress where projection = 'usage'")" -ge "$1" ]
}

start() {
    ip link set lo up
    mount -t tmpfs tmpfs /run
    mkdir -p /var/lib/cni
    mount -t tmpfs tmpfs /var/lib/cni
    podman system service --time 0 "unix://$WORK/podman.sock" >"$WORK/podman.log" 2>&1 &
    until_true 'podman answers' test -S "$WORK/podman.sock"
    export DOCKER_HOST=unix://$WORK/podman.sock
    run_health_checks &

    # What an interrupted run on the same METERD_TRY_DIR left.
    { podman rm --all --force && podman volume rm --all --force; } >/dev/null 2>"$WORK/log"
    rm -f "$WORK/checkout/.env"

    compose_limits
    ! compose config --quiet 2>"$WORK/refusal" || fail 'Compose starts without secrets'
    say "without .env: $(grep -o 'run deploy/make-env.*' "$WORK/refusal")"
    "$WORK/checkout/deploy/make-env"
    timed 'docker compose up' compose_up
    until_true 'the proxy is healthy' healthy proxy 1
    until_true 'the worker is healthy' healthy worker 1
    compose run --rm --no-deps --no-TTY --entrypoint cat migrate /var/lib/meterd/admin.key \
        >"$WORK/keys/admin.key" 2>"$WORK/log"
    export METERD_URL=http://127.0.0.1:8686 METERD_DATA_DIR=$WORK/keys
    METERD_API_KEY=$(cat "$WORK/keys/admin.key")
    export METERD_API_KEY
}

# podman gives containers limits that a sandbox may not grant.
compose_limits() {
    printf '{"services": {}}' >"$WORK/limits.json"
    METERD_SECRET=x METERD_NATS_PASSWORD=x METERD_POSTGRES_PASSWORD=x METERD_REDIS_PASSWORD=x \
        compose config --services |
        "$PYTHON" -c 'import json, sys
limits = {"ulimits": {"nproc": 4096}}
print(json.dumps({"services": {name: limits for name in sys.stdin.read().split()}}))' \
            >"$WORK/limits.new"
    mv "$WORK/limits.new" "$WORK/limits.json"
}

prove() {
    local container
    for container in $(containers); do
        podman exec "$container" sh -c '[ "$(id -u)" = 10001 ] && ! touch /etc/written 2>/dev/null' ||
            fail "$(podman inspect --format '{{.Name}}' "$container") runs as root or can write"
    done
    say "$(containers | wc -l) containers: none runs as root, none can write to its root file system"
    "$PYTHON" deploy/tour.py
    bash docs/examples/put_quota.sh >/dev/null 2>&1
    say "a quota: $(bash docs/examples/validate_usage.sh 2>/dev/null)"
    curl --silent --fail -H 'Accept: text/html' "$METERD_URL/" >"$WORK/log" && grep -q '<div id="root">' "$WORK/log" ||
        fail 'there is no dashboard'

    compose exec --no-TTY postgres pg_dump --username postgres --format custom meterd \
        >"$WORK/meterd.dump"
    timed 'docker compose up --scale worker=3' compose_up --no-recreate --scale worker=3
    until_true 'three workers' healthy worker 3
    replay >"$WORK/first" 2>"$WORK/first.err" &
    local load=$!
    until_true 'a part of the flights is visible' visible 50000
    kill -0 $load 2>/dev/null || fail 'the load was over before a worker was killed'
    crash worker
    say "kill -9 of one worker of three, with $(total event_count) of $EVENTS events visible"
    wait $load || { cat "$WORK/first" "$WORK/first.err" >&2 && fail 'the totals are wrong'; }
    cat "$WORK/first"
    until_true 'the killed worker is back' healthy worker 3
    books

    replay >"$WORK/second" 2>"$WORK/second.err" &
    load=$!
    until_true 'a part of the flights is recognised' repeated 50000
    kill -0 $load 2>/dev/null || fail 'the load was over before the gateway was killed'
    crash gateway
    say 'second replay, kill -9 of the gateway'
    wait $load || { cat "$WORK/second" "$WORK/second.err" >&2 && fail 'the second replay changed totals'; }
    cat "$WORK/second"
    books

    timed 'docker compose down' compose down
    timed 'docker compose up on the same volumes' compose_up
    check_totals 'after down and up'

    compose stop gateway worker query quota 2>"$WORK/log"
    compose exec --no-TTY postgres dropdb --username postgres --force meterd
    compose exec --no-TTY postgres createdb --username postgres --owner meterd meterd
    compose exec --no-TTY postgres pg_restore --username postgres --exit-on-error --dbname meterd \
        <"$WORK/meterd.dump"
    timed 'docker compose up on a backup from before the flights' compose_up
    check_totals 'the backup, and the log read on from it'
}

check_totals() { # WHEN
    until_true 'the proxy is healthy' healthy proxy 1
    until_true 'the totals' visible $EVENTS
    [ "$(total event_count) $(total total_quantity)" = "$EVENTS $MILES" ] || fail "$1: wrong totals"
    say "$1: $EVENTS events, $MILES miles"
}

finish() {
    timed 'docker compose down --volumes' compose down --volumes
    [ -z "$(containers --all)$(podman volume ls --quiet)" ] || fail 'something is left'
    say 'no container, volume or network is left'
}

# A function, so that the whole file has been read before it runs.
main() {
    case ${1:-} in
    build) build_images ;;
    inside)
        start
        prove
        finish
        ;;
    *)
        prepare
        # podman keeps its storage mounted: that ends with the namespace, too.
        unshare --mount "$0" build
        unshare --mount --net --pid --ipc --uts --fork --kill-child --mount-proc "$0" inside
        # What runc leaves of the containers' cgroups; one that has a process cannot be removed.
        find /sys/fs/cgroup -depth -type d -path '*/libpod_parent*' -exec rmdir {} \; 2>/dev/null || true
        ;;
    esac
    exit
}
main "$@"
