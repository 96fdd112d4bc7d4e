"""Every op and its gradient in plain NumPy: the executable specification, and the text
the NumPy backend emits.

Conventions of every file here:

- `<op>_forward(x, ..., settings) -> (y, cache)` and `<op>_backward(dy, cache) ->
  gradients`, in the order of the tensor arguments of `forward`. Only what an op can be
  differentiated by has a gradient (no target, no index).
- Arrays are whole batches: a batched tensor has a leading batch axis, a parameter has
  none. Axes given as settings count array axes.
- The result has the dtype of the inputs. Constants are Python floats, which NumPy never
  promotes by.
- `out`, where a function takes it, is the array that receives the result; a backward
  with several gradients takes a tuple of arrays or None. `scratch` is a dict in which a
  function keeps its working memory from one call to the next; a caller hands the same
  dict to the same place of its program only.
- No function writes into its arguments, except running statistics in training and what
  is named above.
- Files import NumPy and nothing of nnspec: the emitter copies functions, with the
  helpers that they call.
"""
