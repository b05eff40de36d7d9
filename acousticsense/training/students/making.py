"""From a recipe to a student."""

from __future__ import annotations

from pathlib import Path

from acousticsense.models.networks import build_network
from acousticsense.training.bank import N_OUTPUTS
from acousticsense.training.recipe import StudentRecipe
from acousticsense.training.students.patch_conv import PatchConvNetwork
from acousticsense.training.students.student import Student, WholeNetwork
from acousticsense.training.students.thin import ThinNetwork
from acousticsense.training.students.transplant import transplanted
from acousticsense.training.teachers.panel import MN04_FILE

__all__ = ["make_student"]


def make_student(recipe: StudentRecipe, *, teachers: Path | None = None) -> Student:
    """An untrained student.

    Args:
        recipe: which.
        teachers: folder with the teachers' weights, for students that begin as one of them.

    Raises:
        ValueError: the recipe names a network that is not known.
    """
    if recipe.network == "patch_conv":
        return PatchConvNetwork(N_OUTPUTS, **recipe.size)
    if recipe.network == "full":
        network = build_network(recipe.architecture, N_OUTPUTS, head=recipe.head)
        return WholeNetwork(recipe.architecture, network)
    if recipe.network == "thin":
        return ThinNetwork(recipe.architecture, N_OUTPUTS, head=recipe.head, **recipe.size)
    if recipe.network == "mn04":
        if teachers is None:
            raise ValueError("the recipe begins with mn04's weights, and no folder of teachers was given")
        return transplanted(recipe.architecture, teachers / MN04_FILE, N_OUTPUTS)
    raise ValueError(f"the recipe asks for {recipe.network!r}; known are patch_conv, full, thin and mn04")
