"""Runs on the device, in latkit's agent: how it loads a file for the runtime. Python 3.8."""


def version():
    import onnxruntime

    return f"onnxruntime {onnxruntime.__version__} unfused"


def load(path, threads, request):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    (item,) = session.get_inputs()
    shape = concrete(item.shape, request.get("batch", 1))  # noqa: F821 - the agent provides it
    feed = {item.name: random_input(shape, "float32", SEED)}  # noqa: F821
    inputs = [{"name": item.name, "shape": shape, "dtype": "float32"}]
    return Loaded(lambda: session.run(None, feed), "unfused", version(), inputs)  # noqa: F821
