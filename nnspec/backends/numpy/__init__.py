"""NumPy: the kernels' own text, a class with `forward` and `backward` a block, and the optimizers beside them."""
