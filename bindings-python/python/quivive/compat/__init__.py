"""Clients under the names of the systems whose APIs the service speaks: a program changes one import line.

They alone default to the original's host and read its environment variables.
"""
