# The two main commands are `make demo` and `make test`. Both work in a clean clone.
PYTHON ?= python3
VENV := .venv
EMULATOR := .venv-emulator
SCAN := .venv-scan
DOCS := .venv-docs
AUDIT := .venv-audit
BROWSER := .venv-browser
CONTRACT := .venv-contract
NODE := tests/openapi/node
# Venvs of other Python versions that Lambda runs, each with what packages.
OTHERS := .venv-others
# A venv of Python 3.12 that holds PyTorch, as the AMI of the instances does.
PYTORCH ?= .venv-pytorch
COMFYUI = $(or $(REPOSITORY),https://github.com/Comfy-Org/ComfyUI.git) \
	$(or $(COMMIT),$(shell sed -n '/ComfyUICommit:/,/Default:/s/.*Default: //p' infra/resources/instance.yaml))
BIN := $(VENV)/bin
# Scripts of the instance have no suffix; units have one.
SCRIPTS := infra/instance/user-data.sh $(filter-out %.service %.timer,$(wildcard infra/instance/darkroom-*)) \
	tests/machine/customize.sh
# Processes that run tests side by side: one more than cores, as some tests wait.
WORKERS ?= 3
PIP_OPTIONS := --quiet --disable-pip-version-check
# What ships, with the hashes of its lock; what other requirements share with it stays at these versions.
LOCKED := --require-hashes --no-deps -r requirements.lock
UV := $(AUDIT)/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-build \
	--no-header --no-annotate --no-emit-index-url --no-emit-find-links
STACK ?= $(if $(STAGE),darkroom-$(STAGE))
# Without STAGE or STACK, these commands act on the demo that runs in this checkout.
KEYS = $(BIN)/python -m $(if $(STACK),infra.keys $(STACK),local.on_demo infra.keys)
REDRIVE = $(BIN)/python -m $(if $(STACK),infra.redrive $(STACK),local.on_demo infra.redrive)
DOCTOR = $(BIN)/python -m $(if $(STACK),infra.doctor $(STACK),local.on_demo infra.doctor)

.DEFAULT_GOAL := help
.PHONY: staged help demo chalice-local test machine comfyui browser contract contract-slice check-deep explore explore-slice freeze lint types scan openapi package package-others lock audit docs faults doctor deploy \
	destroy key keys revoke prices redrive bench simulate chaos fleet clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

demo: $(VENV)/local $(EMULATOR)/installed ## run everything on this machine and make an image; ONCE=1, COMFYUI_URL=, CHECKPOINT=
	@$(BIN)/python -m local.demo

chalice-local: $(VENV)/local ## run `chalice local` with the tables, queue, bucket and GPU of the running demo; PORT=
	@$(BIN)/python -m local.chalice_local $(or $(PORT),8000)

test: $(VENV)/dev $(EMULATOR)/installed ## run all tests; RANDOMIZE=1 uses new examples
	@$(BIN)/python -m pytest -n $(WORKERS)

faults: $(VENV)/dev ## test faults between any two steps, in new random examples each time; EXAMPLES=
	@EXAMPLES=$(or $(EXAMPLES),500) $(BIN)/python -m pytest tests/faults

machine: $(VENV)/dev ## boot an instance in QEMU, and test its set-up, power cuts and power-offs: about an hour; needs Debian; ONLY=
	@$(BIN)/python -m pytest tests/machine -v --log-cli-level=INFO --timeout=3600 $(if $(ONLY),-k "$(ONLY)")

comfyui: $(VENV)/dev $(PYTORCH)/bin/python ## install and start the real ComfyUI as an instance does, on the CPU, and run the contract tests on it; PYTORCH= REPOSITORY= COMMIT=
	@$(BIN)/python -m local.real_comfyui $(PYTORCH)/bin/python $(COMFYUI)

explore: $(VENV)/dev ## try every order of calls in small worlds, for an hour; WORLD= MINUTES= ORDER=
	@$(BIN)/python -m tests.explorer $(WORLD) $(if $(MINUTES),--minutes $(MINUTES)) $(if $(ORDER),--order "$(ORDER)")

explore-slice: $(VENV)/dev ## try a few orders of each world, the same ones every time, and find all planted defects
	@$(BIN)/python -m pytest tests/explorer

browser: $(BROWSER)/installed $(EMULATOR)/installed ## test pages of other origins in a real browser, and Node.js; needs both; CHROMIUM=
	@$(BROWSER)/bin/python -m pytest tests/browser

contract: $(VENV)/dev $(CONTRACT)/installed $(EMULATOR)/installed $(NODE)/node_modules/installed ## try the OpenAPI document on a deployment, with new examples, linters and generated clients; needs Node.js; EXAMPLES= SEED=
	@EXAMPLES=$(or $(EXAMPLES),40) SEED=$(or $(SEED),$(shell date +%s)) $(BIN)/python -m pytest tests/openapi/deployed tests/openapi/node --timeout=3600

contract-slice: $(VENV)/dev $(CONTRACT)/installed $(EMULATOR)/installed ## try the OpenAPI document on a deployment, with few examples, the same ones every time
	@$(BIN)/python -m pytest tests/openapi/deployed

check-deep: machine comfyui explore browser contract ## run all checks that take long, which `make test` and the gate do not

lint: $(VENV)/dev ## check style, annotations and security with ruff, and scripts with shellcheck
	@$(BIN)/ruff format --check . && $(BIN)/ruff check .
	@$(BIN)/shellcheck $(SCRIPTS)

types: $(VENV)/dev ## check types with mypy, strict
	@$(BIN)/mypy

scan: $(VENV)/local $(SCAN)/installed ## scan the packaged template for security
	@$(BIN)/python -m infra.package build/package
	@$(SCAN)/bin/checkov -f build/package/template.json --config-file .checkov.yaml

openapi: $(VENV)/local ## write pages/openapi.json, the OpenAPI document of the routes
	@$(BIN)/python -m openapi

package: $(VENV)/local ## build build/package/{deployment.zip,template.json}
	@$(BIN)/python -m infra.package build/package

package-others: $(VENV)/dev ## package with the oldest and the newest Python that this machine and Lambda have, and test the zips with them
	@$(BIN)/python -m infra.pythons | while read -r python; do \
		$(MAKE) --no-print-directory "$(OTHERS)/$$(basename $$python)/installed" OTHER=$$python || exit 1; \
		PACKAGING_PYTHON="$(CURDIR)/$(OTHERS)/$$(basename $$python)/bin/python" \
			$(BIN)/python -m pytest tests/e2e/test_package.py || exit 1; \
	done

lock: $(AUDIT)/installed ## write requirements.lock: the newest versions and hashes of what requirements.txt needs
	@echo '# What ships, written by `make lock`. Chalice is here without its dependencies: they do not ship.' > requirements.lock.new
	@$(UV) requirements.txt >> requirements.lock.new
	@grep '^chalice==' requirements-package.txt | $(UV) --no-deps - >> requirements.lock.new
	@mv requirements.lock.new requirements.lock

audit: $(AUDIT)/installed ## ask whether what ships has known vulnerabilities
	@$(AUDIT)/bin/pip-audit --strict --require-hashes --disable-pip -r requirements.lock

docs: $(DOCS)/installed ## build the documentation as a site, build/docs/index.html
	@$(DOCS)/bin/sphinx-build --quiet --fail-on-warning --keep-going --fresh-env --write-all -d build/doctrees docs build/docs
	@echo "See build/docs/index.html"

doctor: $(VENV)/local ## look at the account, the region and a deployment, and change nothing; STAGE= PARAMETERS= KEY=
	@$(DOCTOR) --parameters "$$PARAMETERS"

deploy: staged $(VENV)/local ## create or update a deployment on AWS; STAGE=prod PARAMETERS="NAME=VALUE …" ACCEPT=
	@$(BIN)/python -m infra.deploy $(STACK) --parameters "$$PARAMETERS" --accept "$$ACCEPT"

destroy: staged $(VENV)/local ## delete a deployment; DATA=delete also deletes its tables and images; STAGE=
	@$(BIN)/python -m infra.deploy.destroy $(STACK) --data $(or $(DATA),keep)

staged:
	@$(if $(STAGE),,$(error STAGE is missing: name the stage, as in `make $(MAKECMDGOALS) STAGE=prod`))

redrive: $(VENV)/local ## move the messages of the dead-letter queues back to their queues; STAGE=, else in the demo
	@$(REDRIVE)

key: $(VENV)/local ## create an API key; NAME= OWNER= SCOPES= DAYS= REQUESTS_PER_MINUTE= IMAGES_PER_DAY= MEGAPIXEL_STEPS_PER_DAY= STAGE=, else in the demo
	@$(KEYS) create "$(NAME)" $(if $(OWNER),--owner "$(OWNER)") $(if $(SCOPES),--scopes "$(SCOPES)") \
		$(if $(DAYS),--days "$(DAYS)") $(if $(IMAGES_PER_DAY),--images-per-day "$(IMAGES_PER_DAY)") \
		$(if $(MEGAPIXEL_STEPS_PER_DAY),--megapixel-steps-per-day "$(MEGAPIXEL_STEPS_PER_DAY)") \
		$(if $(REQUESTS_PER_MINUTE),--requests-per-minute "$(REQUESTS_PER_MINUTE)")

keys: $(VENV)/local ## list the API keys; STAGE=, else those of the demo
	@$(KEYS) list

revoke: $(VENV)/local ## revoke an API key; KEY= STAGE=, else in the demo
	@$(KEYS) revoke "$(KEY)"

prices: $(VENV)/local ## ask AWS for prices of GPU instances, and print GpuPrices=…; REGION=, else the region of the AWS settings
	@$(BIN)/python -m infra.prices $(REGION)

bench: $(VENV)/dev $(EMULATOR)/installed ## measure and print the figures of docs/benchmarks.md; PARTS="calls cold" LATENCIES="dynamodb=4 s3_put=25"
	@$(BIN)/python -m bench $(PARTS) --latencies "$(LATENCIES)"

chaos: $(VENV)/local $(EMULATOR)/installed ## inject faults while 200 jobs run, and look for lost jobs; GPUS= SEED=
	@$(BIN)/python -m local.chaos

fleet: $(VENV)/local $(EMULATOR)/installed ## send 50 jobs while all GPUs are off; count starts, and wait until all are off again
	@$(BIN)/python -m local.fleet_run

freeze: $(VENV)/local $(PYTORCH)/bin/python ## choose the versions of the packages that the instances' ComfyUI requires; PYTORCH= REPOSITORY= COMMIT=
	@$(BIN)/python -m infra.freeze $(PYTORCH)/bin/python $(COMFYUI)

simulate: $(VENV)/local ## simulate two weeks of jobs, and compare the costs of idle timeouts; SEED=
	@$(BIN)/python -m bench.simulation $(SEED)

clean: ## remove everything that other targets made, including the demo's data
	rm -rf $(VENV) $(EMULATOR) $(SCAN) $(DOCS) $(AUDIT) $(BROWSER) $(CONTRACT) $(NODE)/node_modules $(OTHERS) .venv-pytorch .local build

$(VENV)/bin/python:
	@$(PYTHON) -m infra.runtime
	@echo "Setting up $(VENV) ..." && $(PYTHON) -m venv $(VENV)

$(VENV)/local: requirements.lock requirements.txt requirements-package.txt requirements-local.txt | $(VENV)/bin/python
	@echo "Installing requirements-local.txt ..."
	@$(BIN)/python -m pip install $(PIP_OPTIONS) $(LOCKED)
	@$(BIN)/python -m pip install $(PIP_OPTIONS) -r requirements-local.txt && touch $@

$(VENV)/dev: $(VENV)/local requirements-dev.txt
	@echo "Installing requirements-dev.txt ..."
	@$(BIN)/python -m pip install $(PIP_OPTIONS) -r requirements-dev.txt && touch $@

$(OTHERS)/%/installed: requirements.lock requirements-package.txt
	@echo "Installing requirements-package.txt for $$($(OTHER) --version) ..."
	@$(OTHER) -m venv --clear $(@D)
	@$(@D)/bin/python -m pip install $(PIP_OPTIONS) $(LOCKED)
	@$(@D)/bin/python -m pip install $(PIP_OPTIONS) -r requirements-package.txt && touch $@

$(EMULATOR)/installed: requirements-emulator.txt
	@echo "Installing requirements-emulator.txt ..."
	@$(PYTHON) -m venv $(EMULATOR)
	@$(EMULATOR)/bin/python -m pip install $(PIP_OPTIONS) -r requirements-emulator.txt && touch $@

.venv-pytorch/bin/python: requirements-pytorch.txt
	@echo "Installing requirements-pytorch.txt, several GB ..."
	@python3.12 -m venv .venv-pytorch
	@.venv-pytorch/bin/python -m pip install $(PIP_OPTIONS) -r requirements-pytorch.txt && touch $@

$(SCAN)/installed: requirements-scan.txt
	@echo "Installing requirements-scan.txt ..."
	@$(PYTHON) -m venv $(SCAN)
	@$(SCAN)/bin/python -m pip install $(PIP_OPTIONS) -r requirements-scan.txt && touch $@

$(DOCS)/installed: requirements-docs.txt
	@echo "Installing requirements-docs.txt ..."
	@$(PYTHON) -m venv $(DOCS)
	@$(DOCS)/bin/python -m pip install $(PIP_OPTIONS) -r requirements-docs.txt && touch $@

$(BROWSER)/installed: requirements.lock requirements-package.txt requirements-local.txt requirements-dev.txt requirements-browser.txt
	@echo "Installing requirements-browser.txt ..."
	@$(PYTHON) -m venv $(BROWSER)
	@$(BROWSER)/bin/python -m pip install $(PIP_OPTIONS) $(LOCKED)
	@$(BROWSER)/bin/python -m pip install $(PIP_OPTIONS) -r requirements-browser.txt && touch $@

$(CONTRACT)/installed: requirements-contract.txt
	@echo "Installing requirements-contract.txt ..."
	@$(PYTHON) -m venv $(CONTRACT)
	@$(CONTRACT)/bin/python -m pip install $(PIP_OPTIONS) -r requirements-contract.txt && touch $@

$(NODE)/node_modules/installed: $(NODE)/package-lock.json
	@echo "Installing the packages of $(NODE)/package-lock.json ..."
	@npm ci --prefix $(NODE) --ignore-scripts --no-audit --no-fund --silent && touch $@

$(AUDIT)/installed: requirements-audit.txt
	@echo "Installing requirements-audit.txt ..."
	@$(PYTHON) -m venv $(AUDIT)
	@$(AUDIT)/bin/python -m pip install $(PIP_OPTIONS) -r requirements-audit.txt && touch $@
