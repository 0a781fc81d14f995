"""Boards that are reached by SSH: a real sshd with throwaway keys, network cables, small disks, and a fake server."""
