"""Plain Langevin dynamics with OpenMM: a worked example of a program that pita-bench runs (protocol `files`).

Called with the path of a job file (JSON). Writes the samples (npz) and the number of energy evaluations (JSON) where the
job file says. Needs numpy and openmm. `README.md` describes the job file.
"""

import json
import os
import sys
import threading
import time

import numpy as np
import openmm
from openmm import unit


def end_with_parent():
    """stdin stays open as long as pita-bench lives: stop when it is gone."""

    def watch():
        sys.stdin.read()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def context(job):
    system, settings = job["system"], job["settings"]
    if system["xml"] is None:
        sys.exit(f"{system['name']} has no System XML: this program samples molecules only")
    with open(system["xml"]) as file:
        forces = openmm.XmlSerializer.deserialize(file.read())
    integrator = openmm.LangevinMiddleIntegrator(
        system["temperature"] * unit.kelvin, settings["friction"] / unit.picosecond, settings["step"] * unit.picosecond
    )
    seed = job["seed"] % (2**31 - 2) + 1  # 0 would mean: a seed from the clock
    integrator.setRandomNumberSeed(seed)
    platform = openmm.Platform.getPlatformByName(settings["platform"])
    # One thread, summed in one order: the same samples every time.
    properties = {"Threads": "1", "DeterministicForces": "true"} if settings["platform"] == "CPU" else {}
    made = openmm.Context(forces, integrator, platform, properties)
    made.setPositions(np.load(system["start"])["positions"][0])
    made.setVelocitiesToTemperature(system["temperature"] * unit.kelvin, seed)
    return made, integrator


def main(path):
    end_with_parent()
    with open(path) as file:
        job = json.load(file)
    settings = job["settings"]
    made, integrator = context(job)

    # Each step evaluates one configuration; the budget is not exceeded by a single one.
    equilibration, stride, samples = settings["equilibration"], settings["stride"], job["samples"]
    if job["budget"] is not None:
        samples = min(samples, (job["budget"] - equilibration) // stride)
    if samples < 1:
        sys.exit("the budget does not pay for a single sample")
    if samples < job["samples"]:
        print(json.dumps({"type": "budget-spent"}), flush=True)

    integrator.step(equilibration)
    positions, energy, said = [], [], time.time()
    for done in range(1, samples + 1):
        integrator.step(stride)
        state = made.getState(getPositions=True, getEnergy=True)
        positions.append(state.getPositions(asNumpy=True).value_in_unit(unit.nanometer))
        energy.append(state.getPotentialEnergy().value_in_unit(unit.kilojoule_per_mole))
        if time.time() - said > 1.0 or done == samples:
            said = time.time()
            print(json.dumps({"type": "progress", "done": done, "total": samples, "phase": "sampling"}), flush=True)

    np.savez(job["output"], positions=np.array(positions), energy=np.array(energy))
    with open(job["counts"], "w") as file:
        json.dump({"sampling": equilibration + samples * stride}, file)


if __name__ == "__main__":
    main(sys.argv[1])
