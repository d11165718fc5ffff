"""Tells a site who is at its door: human, bot or agent.

The functions take keyword arguments and return plain dictionaries, whose types are in `quivive.types`; times are
milliseconds since the Unix epoch. `Client` and `AsyncClient` fetch guarded pages and call a Quivive service.
"""

from . import _native, _records, errors
from ._native import *
from ._records import *
from .client import AsyncClient, Client
from .errors import *

__all__ = ["AsyncClient", "Client"]
__all__ += _native.__all__
__all__ += _records.__all__
__all__ += errors.__all__
