# SPDX-License-Identifier: GPL-2.0
#
# Entry point; `make help` lists the targets.  The work is done by the scripts
# in tools/testing/selftests/ptshare/vm, everything built lies under build/.

vm := tools/testing/selftests/ptshare/vm
MAKEFLAGS += --no-print-directory
.NOTPARALLEL:

FLAVOR ?= fast
export FLAVOR SMP MEM APPEND ICOUNT ACCEL TIMEOUT KERNEL_SRC T M BUILD DESTDIR BENCH TIME SHARE NOBUILD

.DEFAULT_GOAL := help
.PHONY: help
help:
	@sed -n 's/^##//p' Makefile

##make demo                       the main job, on this machine, from nothing
.PHONY: demo
demo:
	@$(vm)/demo.sh

##make check [T='program ...']    all tests, or some programs; "N passed, N failed, N skipped"
.PHONY: check
check:
	@PTSHARE_ONLY="$(T)" FLAVOR_SET=$(if $(filter file,$(origin FLAVOR)),,$(FLAVOR)) $(vm)/check.sh

##make check-all                  the same with long times, mutants and the series; hours
.PHONY: check-all
check-all:
	@$(vm)/check-all.sh

##make kernel [FLAVOR=fast|debug|kcsan|strict|gcov]
##                                build one kernel
.PHONY: kernel
kernel:
	@$(vm)/deps.sh build
	@$(vm)/source.sh
	@$(vm)/kernel.sh $(FLAVOR)

##make tools                      build mshare-ctl, the library and the test programs
.PHONY: tools
tools:
	@$(vm)/deps.sh build tools
	@$(vm)/source.sh
	@$(vm)/tools.sh

##make install [DESTDIR=]         install the tools
.PHONY: install
install: tools
	@$(vm)/tools.sh install

##make vm CMD='...' [FLAVOR= SMP=2 MEM=4G APPEND= ICOUNT=1 TIMEOUT=600]
##                                run one command in the guest; make's message has its
##                                status ("Error N"), vm.sh run CMD returns it;
##                                NOBUILD=1 takes kernel and tools as they are
.PHONY: vm
vm: export VM_CMD := $(value CMD)
vm: vm-needs
	@$(vm)/vm.sh run "$$VM_CMD"

##make vm-shell                   a shell in the guest; Ctrl-A x ends it
.PHONY: vm-shell
vm-shell: vm-needs
	@$(vm)/vm.sh shell

.PHONY: vm-needs
vm-needs:
ifneq ($(NOBUILD),1)
	@$(vm)/deps.sh build tools vm
	@$(vm)/source.sh
	@$(vm)/kernel.sh $(FLAVOR)
	@$(vm)/tools.sh
endif

##make mutants [M=name]           each mutation of the kernel must fail its test
.PHONY: mutants
mutants:
	@MUTANTS="$(M)" $(vm)/mutants.sh

##make kcsan [T='program ...']    tests in a kernel that looks for data races
.PHONY: kcsan
kcsan:
	@PTSHARE_ONLY="$(T)" $(vm)/kcsan.sh

##make regress                    the kernel's own tests and stress-ng, unpatched against patched
.PHONY: regress
regress:
	@$(vm)/regress.sh

##make arm64                      compile our kernel files for arm64
.PHONY: arm64
arm64:
	@$(vm)/arm64.sh

##make fuzz [TIME=600] [SHARE=none|pmd|pud] [FLAVOR=debug]
##                                the fuzzer for so many seconds; build/fuzz.log
.PHONY: fuzz
fuzz: flavor = $(if $(filter file,$(origin FLAVOR)),debug,$(FLAVOR))
fuzz:
	@$(vm)/deps.sh
	@$(vm)/source.sh
	@$(vm)/kernel.sh $(flavor)
	@$(vm)/tools.sh
	@$(vm)/fuzz.sh $(flavor)

##make coverage [T='program ...'] lines of our kernel files that the tests reach, by gcov; the
##                                others are in build/gcov.run/uncovered
.PHONY: coverage
coverage:
	@PTSHARE_ONLY="$(T)" $(vm)/gcov.sh

##make bench [BENCH='name ...']    benchmarks: tables, build/bench/NAME.json, NAME.svg
.PHONY: bench
bench:
	@$(vm)/bench.sh $(BENCH)

##make dist                       one combined patch: build/ptshare-VERSION.patch
##make series [BUILD=1]           a git-am-able series in build/series, each step built if asked
.PHONY: dist series
dist series:
	@$(vm)/deps.sh build
	@$(vm)/source.sh
	@$(vm)/series.sh $@

##make clean                      remove build/
.PHONY: clean
clean:
	rm -rf build
