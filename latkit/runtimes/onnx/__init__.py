"""ONNX files: read, checked, written, and run on the host."""
