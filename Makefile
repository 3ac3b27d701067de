# Two commands matter: `make demo` and `make test`. Both work in a clean clone.
PYTHON ?= python3
VENV := .venv
EMULATOR := .venv-emulator
SCAN := .venv-scan
DOCS := .venv-docs
BIN := $(VENV)/bin
# The instance's scripts have no ending; their units and the like do.
SCRIPTS := infra/instance/user-data.sh $(filter-out %.service %.timer,$(wildcard infra/instance/darkroom-*))
# Processes that run tests side by side.
WORKERS ?= 2
PIP_OPTIONS := --quiet --disable-pip-version-check
# The demo's stack where nothing is named.
STACK ?= $(if $(STAGE),darkroom-$(STAGE),darkroom)
KEYS = $(BIN)/python -m infra.keys $(STACK)

.DEFAULT_GOAL := help
.PHONY: staged help demo chalice-local test lint types scan package docs faults deploy destroy \
	key keys revoke prices redrive bench simulate chaos fleet clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

demo: $(VENV)/local $(EMULATOR)/installed ## run everything here and make an image; ONCE=1, COMFYUI_URL=, CHECKPOINT=
	@$(BIN)/python -m local.demo

chalice-local: $(VENV)/local ## serve the API by `chalice local` with what the running demo has; PORT=
	@$(BIN)/python -m local.chalice_local $(or $(PORT),8000)

test: $(VENV)/dev $(EMULATOR)/installed ## run all tests; RANDOMIZE=1 with new examples
	@$(BIN)/python -m pytest -n $(WORKERS)

faults: $(VENV)/dev ## stop the code between any two steps, in EXAMPLES stories that are new each time
	@EXAMPLES=$(or $(EXAMPLES),500) $(BIN)/python -m pytest tests/faults

lint: $(VENV)/dev ## ruff: style, annotations, security; shellcheck
	@$(BIN)/ruff format --check . && $(BIN)/ruff check .
	@$(BIN)/shellcheck $(SCRIPTS)

types: $(VENV)/dev ## mypy, strict
	@$(BIN)/mypy

scan: $(VENV)/local $(SCAN)/installed ## security scan of the packaged template
	@$(BIN)/python -m infra.package build/package
	@$(SCAN)/bin/checkov -f build/package/template.json --config-file .checkov.yaml

package: $(VENV)/local ## build build/package/{deployment.zip,template.json}
	@$(BIN)/python -m infra.package build/package

docs: $(DOCS)/installed ## build the documentation as a site, build/docs/index.html
	@$(DOCS)/bin/sphinx-build --quiet --fail-on-warning --keep-going --fresh-env --write-all -d build/doctrees docs build/docs
	@echo "See build/docs/index.html"

deploy: staged $(VENV)/local ## deploy to AWS, or what changed; STAGE=prod PARAMETERS="NAME=VALUE …" ACCEPT=
	@$(BIN)/python -m infra.deploy $(STACK) --parameters "$$PARAMETERS" --accept "$$ACCEPT"

destroy: staged $(VENV)/local ## delete a deployment, and with DATA=delete its tables and images; STAGE=
	@$(BIN)/python -m infra.deploy.destroy $(STACK) --data $(or $(DATA),keep)

staged:
	@$(if $(STAGE),,$(error STAGE is missing, as in `make $(MAKECMDGOALS) STAGE=prod`))

redrive: $(VENV)/local ## put the messages of the dead-letter queue back; STAGE= or STACK=
	@$(BIN)/python -m infra.redrive $(STACK)

key: $(VENV)/local ## make an API key; NAME= OWNER= SCOPES= DAYS= REQUESTS_PER_MINUTE= IMAGES_PER_DAY= MEGAPIXEL_STEPS_PER_DAY= STAGE=
	@$(KEYS) create "$(NAME)" $(if $(OWNER),--owner "$(OWNER)") $(if $(SCOPES),--scopes "$(SCOPES)") \
		$(if $(DAYS),--days "$(DAYS)") $(if $(IMAGES_PER_DAY),--images-per-day "$(IMAGES_PER_DAY)") \
		$(if $(MEGAPIXEL_STEPS_PER_DAY),--megapixel-steps-per-day "$(MEGAPIXEL_STEPS_PER_DAY)") \
		$(if $(REQUESTS_PER_MINUTE),--requests-per-minute "$(REQUESTS_PER_MINUTE)")

keys: $(VENV)/local ## list the API keys; STAGE=
	@$(KEYS) list

revoke: $(VENV)/local ## refuse an API key from now on; KEY=, STAGE=
	@$(KEYS) revoke "$(KEY)"

prices: $(VENV)/local ## ask AWS what GPU instances cost, and print a GPU_PRICES line; REGION=
	@$(BIN)/python -m infra.prices $(or $(REGION),us-east-1)

bench: $(VENV)/dev $(EMULATOR)/installed ## measure and print what the README states
	@$(BIN)/python -m bench

chaos: $(VENV)/local $(EMULATOR)/installed ## break everything while 200 jobs run, and look for lost ones; SEED=
	@$(BIN)/python -m local.chaos

fleet: $(VENV)/local $(EMULATOR)/installed ## 50 jobs while all GPUs are off: how many start, and when all is off again
	@$(BIN)/python -m local.fleet_run

simulate: $(VENV)/local ## two weeks of jobs by a virtual clock: what each idle time-out costs; SEED=
	@$(BIN)/python -m bench.simulation $(SEED)

clean: ## remove what the other targets made, the demo's data included
	rm -rf $(VENV) $(EMULATOR) $(SCAN) $(DOCS) .local build

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed")'
	@echo "Setting up $(VENV) ..." && $(PYTHON) -m venv $(VENV)

$(VENV)/local: requirements.txt requirements-local.txt | $(VENV)/bin/python
	@echo "Installing requirements-local.txt ..."
	@$(BIN)/python -m pip install $(PIP_OPTIONS) -r requirements-local.txt && touch $@

$(VENV)/dev: requirements.txt requirements-local.txt requirements-dev.txt | $(VENV)/bin/python
	@echo "Installing requirements-dev.txt ..."
	@$(BIN)/python -m pip install $(PIP_OPTIONS) -r requirements-dev.txt && touch $@ $(VENV)/local

$(EMULATOR)/installed: requirements-emulator.txt
	@echo "Installing requirements-emulator.txt ..."
	@$(PYTHON) -m venv $(EMULATOR)
	@$(EMULATOR)/bin/python -m pip install $(PIP_OPTIONS) -r requirements-emulator.txt && touch $@

$(SCAN)/installed: requirements-scan.txt
	@echo "Installing requirements-scan.txt ..."
	@$(PYTHON) -m venv $(SCAN)
	@$(SCAN)/bin/python -m pip install $(PIP_OPTIONS) -r requirements-scan.txt && touch $@

$(DOCS)/installed: requirements-docs.txt
	@echo "Installing requirements-docs.txt ..."
	@$(PYTHON) -m venv $(DOCS)
	@$(DOCS)/bin/python -m pip install $(PIP_OPTIONS) -r requirements-docs.txt && touch $@
