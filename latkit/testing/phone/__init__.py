"""A phone made of packages: the real adbd, an arm64 user space under qemu, and a scripted daemon for its faults."""
