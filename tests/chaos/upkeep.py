"""Upkeep over and over, much more often than on its schedule."""

from infra.local.invoke import load_function

from tests.chaos.duty import STAGE, Duty

_EVERY_S = 1.0


def run(duty: Duty) -> None:
    invoke = load_function("upkeep", STAGE)
    # The same as the function's own, which are there by now.
    from turnpike.bootstrap.resources import resources
    from turnpike.domain.errors import TemporarilyBusy

    duty.let_fail(resources().dynamodb)
    while not duty.stop.wait(_EVERY_S):
        try:
            invoke({})
        except TemporarilyBusy:
            duty.facts.write("upkeep failed")
        except Exception as error:
            # Nothing of the kind is expected: the verdict tells of it.
            duty.facts.write("unexpected", error=repr(error)[:300])
