"""The built-in op kinds, one file each. A new one is a file like these, and a line below."""

BUILT_IN = {
    "activation": "latkit.ops.kinds.activation:ACTIVATION",
    "add": "latkit.ops.kinds.add:ADD",
    "batch_norm": "latkit.ops.kinds.batch_norm:BATCH_NORM",
    "concat": "latkit.ops.kinds.concat:CONCAT",
    "conv": "latkit.ops.kinds.conv:CONV",
    "dilated_conv": "latkit.ops.kinds.dilated_conv:DILATED_CONV",
    "flatten": "latkit.ops.kinds.flatten:FLATTEN",
    "linear": "latkit.ops.kinds.linear:LINEAR",
    "mbconv": "latkit.ops.kinds.mbconv:MBCONV",
    "mbconv_se": "latkit.ops.kinds.mbconv_se:MBCONV_SE",
    "pool": "latkit.ops.kinds.pool:POOL",
    "skip": "latkit.ops.kinds.skip:SKIP",
    "slice": "latkit.ops.kinds.slice:SLICE",
    "squeeze_excite": "latkit.ops.kinds.squeeze_excite:SQUEEZE_EXCITE",
    "zero": "latkit.ops.kinds.zero:ZERO",
}
"""Where the object of every kind is; it is imported when an op of its kind is first made."""
