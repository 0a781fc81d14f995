"""ONNX operators: their normal form, checks, counts of work, and building graphs of them."""
