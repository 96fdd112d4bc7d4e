"""PyTorch: an `nn.Module` a block, `torch.optim`, and the functions that train it."""
