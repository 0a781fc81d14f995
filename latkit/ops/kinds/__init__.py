"""The built-in op kinds, one file each. A new one is a file like these, and a line in `BUILT_IN` of `latkit.ops.op`."""
