"""For pytest: every check() of a run that is given no seed has the run's, which is printed and is taken again with
--swax-seed=N, also in the processes of xdist.  The fixture `swax_check` is check()."""

import os

import pytest

from .check import check, seed_of


def pytest_addoption(parser):
    group = parser.getgroup("swax")
    group.addoption(
        "--swax-seed", default=None, help="the seed of all check(): a number, or random, which is the default"
    )
    group.addoption("--swax-suite", default=None, help="quick, standard or hard, for every check() that names none")


def pytest_configure(config):
    try:
        config.swax_seed = seed_of(config.getoption("--swax-seed"), "--swax-seed")
    except ValueError as e:
        raise pytest.UsageError(str(e)) from None
    given = {"SWAX_SEED": str(config.swax_seed), "SWAX_SUITE": config.getoption("--swax-suite")}
    config.swax_before = {n: os.environ.get(n) for n, value in given.items() if value}
    os.environ.update({n: value for n, value in given.items() if value})


def pytest_unconfigure(config):
    for n, value in getattr(config, "swax_before", {}).items():
        os.environ.pop(n, None)
        os.environ.update({} if value is None else {n: value})


def pytest_report_header(config):
    return f"swax: seed {config.swax_seed} (the same problems again: --swax-seed={config.swax_seed})"


def pytest_terminal_summary(terminalreporter, config):
    failed = [str(report.longrepr) for report in terminalreporter.stats.get("failed", ())]
    if any("WRONG: " in text and f"seed={config.swax_seed}" in text for text in failed):
        terminalreporter.write_line(f"swax: the same problems again with --swax-seed={config.swax_seed}")


@pytest.fixture
def swax_check():
    """swax_verify.check."""
    return check
