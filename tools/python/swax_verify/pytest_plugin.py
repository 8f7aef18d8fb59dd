"""For pytest: the fixture `swax_check`, whose seed is the run's, is printed, and is taken again with --swax-seed=N."""

import pytest

from .check import check, seed_of


def pytest_addoption(parser):
    group = parser.getgroup("swax")
    group.addoption(
        "--swax-seed", default=None, help="the seed of all swax_check: a number, or random, which is the default"
    )
    group.addoption("--swax-suite", default=None, help="quick, standard or hard, for every swax_check that names none")


def pytest_configure(config):
    try:
        config.swax_seed = seed_of(config.getoption("--swax-seed"), "--swax-seed")
    except ValueError as e:
        raise pytest.UsageError(str(e)) from None
    config.swax_used = False


def pytest_report_header(config):
    return f"swax: seed {config.swax_seed} (the same problems again: --swax-seed={config.swax_seed})"


def pytest_terminal_summary(terminalreporter, config):
    if getattr(config, "swax_used", False) and terminalreporter.stats.get("failed"):
        terminalreporter.write_line(f"swax: the same problems again with --swax-seed={config.swax_seed}")


@pytest.fixture
def swax_check(request):
    """swax_verify.check, with the run's seed."""
    config = request.config

    def swax_check(fn, **asked):
        __tracebackhide__ = True
        config.swax_used = True
        asked.setdefault("seed", config.swax_seed)
        if config.getoption("--swax-suite"):
            asked.setdefault("suite", config.getoption("--swax-suite"))
        return check(fn, **asked)

    return swax_check
