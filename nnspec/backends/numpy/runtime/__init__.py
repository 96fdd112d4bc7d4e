"""Python that the NumPy backend copies into emitted files: parameters, layers,
optimizers, steps.

It is ordinary code, linted and tested here; an emitted file holds those parts that its
model uses, and imports NumPy alone. Imports from nnspec between these files and the
kernels are resolved by copying.
"""
