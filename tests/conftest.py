"""Stands here so that pytest puts this directory on the path of the tests in those below."""
