# Everything starts here, in a new clone with nothing prepared: `make help`.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
NATIVE := $(wildcard native/*.c native/*.h) native/build.py setup.py
# The test peers, and the package that each comes from.
PEERS := storescu:dcmtk echoscu:dcmtk dcmsend:dcmtk dcmdump:dcmtk Orthanc:orthanc \
	/usr/share/orthanc/plugins/libOrthancDicomWeb.so:orthanc-dicomweb \
	pg_lsclusters:postgresql /usr/lib/rabbitmq/bin/rabbitmq-server:rabbitmq-server \
	haproxy:haproxy nginx:nginx /usr/lib/nginx/modules/ngx_stream_module.so:libnginx-mod-stream
CRASH_ROUNDS ?= 200
CRASH_JOBS_ROUNDS ?= 200
CRASH_EXPORTS_ROUNDS ?= 100
STUDIES ?= 2000
MINUTES ?= 30
POWERCUT_ROUNDS ?= 200
SECONDS ?= 60
INPUTS ?= 2000000

.DEFAULT_GOAL := help
.PHONY: help build run test lint native-test hostile-survey fuzz differential coverage crash crash-jobs crash-exports many-studies powercut soak \
	chart chart-readme crds image-check upgrade-check cluster-check sbom guard bench bench-quick bench-senders bench-tls peers format clean

help: ## say what each target does
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

build: $(VENV)/.built ## make .venv, install the pinned requirements, compile the native module

run: build ## receive studies on port 11112 as PORT104 and store them under ./var
	$(BIN)/port104 start --config examples/quickstart.json

test: build peers ## run the tests, foreign peers included; TESTS: some of them, as pytest takes them
	$(BIN)/python -m pytest $(TESTS)

lint: build ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

native-test: ## the C tests under ASan and UBSan
	$(MAKE) -C native test

fuzz: build ## fuzz what peers reach, for SECONDS (60); what is found goes to build/fuzz
	@.ci/peers "clang:clang libclang-rt-dev" llvm-symbolizer:llvm
	$(MAKE) -C native fuzz SECONDS=$(SECONDS)

differential: build ## hold native scanner and picker against their Python twins over INPUTS (2,000,000)
	$(BIN)/python tests/fuzz/differential.py $(INPUTS)

coverage: build ## the branches of native/ and wire/ that tests take, into build/coverage; fail below 95 and 100 %
	$(MAKE) -C native coverage
	@mkdir -p build/coverage
	cd native && ../$(BIN)/python -m gcovr --root . --filter '[^/]*\.c$$' --txt-metric branch --fail-under-branch 95 \
		--html-details ../build/coverage/native.html --txt-summary --txt - ../build/native-test/coverage
	$(BIN)/python -m coverage run --branch --data-file build/coverage/wire --source port104.wire -m pytest -q tests/wire
	$(BIN)/python -m coverage html --data-file build/coverage/wire --directory build/coverage/wire-html --quiet
	$(BIN)/python -m coverage report --data-file build/coverage/wire --show-missing --fail-under 100

crash: build ## kill -9 under load, CRASH_ROUNDS times (200)
	PORT104_CRASH_ROUNDS=$(CRASH_ROUNDS) $(BIN)/python -m pytest tests/crash/test_crash.py

crash-jobs: build ## kill -9 while studies become jobs and pipelines run, CRASH_JOBS_ROUNDS times (200)
	PORT104_CRASH_JOBS_ROUNDS=$(CRASH_JOBS_ROUNDS) $(BIN)/python -m pytest tests/crash/test_crash_jobs.py

crash-exports: build ## kill -9 while results are delivered, by one engine and by one of two, CRASH_EXPORTS_ROUNDS times (100)
	PORT104_CRASH_EXPORTS_ROUNDS=$(CRASH_EXPORTS_ROUNDS) $(BIN)/python -m pytest -s tests/crash/test_crash_exports.py \
		tests/crash/test_crash_shared_exports.py

many-studies: build ## 100,000 instances of STUDIES (2,000) studies over 32 associations: each study one job
	PORT104_STUDIES=$(STUDIES) $(BIN)/python -m pytest -s tests/load/test_many_studies.py

powercut: build ## cut the power under load (simulated), POWERCUT_ROUNDS times (200)
	PORT104_POWERCUT_ROUNDS=$(POWERCUT_ROUNDS) $(BIN)/python -m pytest tests/powercut/test_powercut.py

soak: build peers ## mixed peers, restarts and kills for MINUTES (30); report: build/soak/report.md
	cd tests && ../$(BIN)/python -m soak $(MINUTES)

guard: build ## count instructions; fail where a C-STORE or a MB of P-DATA costs more than its budget
	@.ci/peers valgrind:valgrind
	$(BIN)/python bench/guard/run.py

bench: build peers ## throughput and latency beside other receivers, into bench/results/, in an hour
	$(BIN)/python bench/run.py

bench-quick: build peers ## a small part of it, in two minutes
	$(BIN)/python bench/run.py --quick

bench-tls: build peers ## over TLS beside DCMTK, into build/bench/tls/, in two minutes
	$(BIN)/python bench/run.py --part tls --folder /dev/shm --results build/bench/tls

bench-senders: build peers ## port104 send beside dcmsend and storescu, to port104 and DCMTK, in ten minutes
	$(BIN)/python bench/senders.py

hostile-survey: build peers ## the hostile cases against port104, DCMTK, Orthanc and pynetdicom, into docs/, in half an hour
	cd tests && PYTHONPATH=.:../bench ../$(BIN)/python -m hostile.survey

chart: build $(VENV)/.chart ## lint, render and validate the Helm chart, and lint the Dockerfile
	$(BIN)/python -m pytest tests/chart tests/image

chart-readme: build ## write the chart's README anew, after its values.yaml
	$(BIN)/python charts/readme.py

crds: build ## write the definitions of custom resources anew, after the settings of entries
	$(BIN)/python charts/crds.py

image-check: build $(VENV)/.chart ## carry out the Dockerfile's steps in a Debian of debootstrap, in two minutes; as root
	@.ci/peers debootstrap:debootstrap
	PORT104_IMAGE_STEPS=1 $(BIN)/python -m pytest tests/image

upgrade-check: build peers ## an earlier version, compiled from the history, beside this one and before it, in half a minute
	PORT104_UPGRADE=1 $(BIN)/python -m pytest tests/process/test_upgrade.py

sbom: $(VENV)/.chart ## what the image's Python environment is made of, as CycloneDX, into build/sbom
	rm -rf build/sbom && $(PYTHON) -m venv --without-pip build/sbom/environment
	PIP_CONSTRAINT=requirements.txt $(BIN)/python -m pip --python build/sbom/environment install --quiet '.[postgresql,events,objectstore]'
	$(BIN)/cyclonedx-py environment --pyproject pyproject.toml --mc-type application --output-reproducible \
		--output-file build/sbom/port104.cdx.json build/sbom/environment
	rm -rf build/sbom/environment

KUBERNETES := tests/cluster/kubernetes

build/kubernetes: $(wildcard $(KUBERNETES)/*)
	@.ci/peers go:golang
	mkdir -p $@
	cd $(KUBERNETES) && GOTOOLCHAIN=local go build -ldflags="-s -w" -o $(CURDIR)/$@ tool
	@touch $@

cluster-check: build $(VENV)/.chart build/kubernetes ## chart, custom resources and Jobs with Kubernetes' own programs (Go 1.24, etcd), built in ten minutes; as root
	@.ci/peers etcd:etcd-server
	PORT104_CLUSTER=$(CURDIR)/build/kubernetes $(BIN)/python -m pytest tests/cluster

peers: ## install the test peers (DCMTK, Orthanc, PostgreSQL, RabbitMQ, HAProxy, nginx) where that is possible
	@.ci/peers $(PEERS)

format: build ## format the Python code
	$(BIN)/ruff check --fix --select I .
	$(BIN)/ruff format .

clean: ## remove what was built; stored instances stay
	rm -rf $(VENV) build engine/port104/_native.* engine/*.egg-info

$(VENV)/.installed: requirements.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "port104 needs Python 3.11 or later: set PYTHON=...")'
	$(PYTHON) -m venv $(VENV) || { echo "cannot make $(VENV): is the package python3-venv installed?"; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

$(VENV)/.chart: $(VENV)/.installed charts/requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c requirements.txt -r charts/requirements.txt
	@touch $@

$(VENV)/.built: $(VENV)/.installed pyproject.toml $(NATIVE)
	@command -v $${CC:-cc} >/dev/null || { echo "port104 needs a C compiler: install gcc"; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps --editable .
	@touch $@
