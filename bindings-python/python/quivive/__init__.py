"""Tells a site who is at its door: human, bot or agent.

The functions take keyword arguments and return plain dictionaries; times are milliseconds since the Unix epoch.
`Client` and `AsyncClient` talk to guarded sites and to a Quivive service.
"""

from . import _native, errors
from ._native import *
from .client import AsyncClient, Client
from .errors import *

__all__ = ["AsyncClient", "Client", *_native.__all__, *errors.__all__]
